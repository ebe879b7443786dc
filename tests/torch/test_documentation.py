"""The examples of the documentation run, and the training loop finds the estimate it promises."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch

from vmf import special
from vmf.torch import VonMisesFisher

PAGE = Path(__file__).resolve().parents[2] / "docs" / "torch.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_examples_run() -> None:
    torch.manual_seed(0)
    assert len(EXAMPLES) == 4
    exec("\n".join(EXAMPLES), {})


def _training_loop() -> str:
    """Return the page's parameter, optimizer and loop, of three lines."""
    found = re.search(
        r" +log_kappa = .*\n +optimizer = .*\n +for _ in .*\n((?: {8}.*\n)+)", EXAMPLES[-1]
    )
    assert found is not None
    assert found.group(1).count("\n") == 3
    return textwrap.dedent(found.group())


@pytest.mark.parametrize("dim", [3, 512, 32768])
@pytest.mark.parametrize("factor", [0.5, 2.0, 300.0])
def test_the_training_loop_finds_the_maximum_likelihood_estimate(dim: int, factor: float) -> None:
    mu = torch.nn.functional.normalize(torch.ones(dim, dtype=torch.float64), dim=0)
    generator = torch.Generator().manual_seed(dim)
    rows = VonMisesFisher(mu, factor * dim).sample((20,), generator=generator)
    names: dict[str, Any] = {"torch": torch, "VonMisesFisher": VonMisesFisher}
    names |= {"mu": mu, "rows": rows}
    exec(_training_loop(), names)
    mle = special.concentration_c(dim, (rows - mu).square().sum(-1).mean() / 2)
    assert abs(names["log_kappa"].exp() - mle) < 1e-12 * mle
