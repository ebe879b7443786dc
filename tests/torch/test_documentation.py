"""The examples of the documentation run."""

from __future__ import annotations

import re
from pathlib import Path

import torch

PAGE = Path(__file__).resolve().parents[2] / "docs" / "torch.md"


def test_examples_run() -> None:
    torch.manual_seed(0)
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(examples) == 4
    exec("\n".join(examples), {})
