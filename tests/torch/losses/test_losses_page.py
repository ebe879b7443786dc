"""The examples of the page on losses run, one after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

PAGE = Path(__file__).resolve().parents[3] / "docs" / "losses.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_examples_run() -> None:
    for library in ("sklearn", "pytorch_metric_learning", "pytorch_ood"):
        pytest.importorskip(library)
    assert len(EXAMPLES) == 4
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    for example in EXAMPLES:
        exec(example, names)
    assert names["confidence"].shape == names["truth"].shape


def test_the_concentrations_of_the_page() -> None:
    from vmf import special

    text = PAGE.read_text()
    found = re.search(r"0\.5 is kappa = (\d+) in 128 dimensions and ([\d ]+) in 32 768", text)
    assert found is not None
    for dimension, number in zip((128, 32768), found.groups(), strict=True):
        assert round(float(special.concentration(dimension, 0.5))) == int(number.replace(" ", ""))
