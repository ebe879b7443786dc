"""The code in docs/models.md runs."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

ROOT = Path(__file__).parents[2]


def test_the_page_runs(tmp_path, monkeypatch):
    if not (ROOT / "examples").is_dir():
        pytest.skip("the example embeddings are not in this distribution")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "models.md").read_text(), re.DOTALL
    )
    assert blocks
    found: dict = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in blocks:
            exec(block, found)
    assert found["classifier"].score(found["rows"], found["labels"]) > 0.5
    assert (tmp_path / "classes.safetensors").exists()


def test_the_bias_it_quotes_is_the_one_measured():
    page = (ROOT / "docs" / "models.md").read_text()
    results = ROOT / "benchmarks" / "results" / "high_dimension.md"
    if not results.exists():
        pytest.skip("the measurements are not in this distribution")
    for line in results.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0] in ("mle", "unbiased", "marginal", "map"):
            assert f"| `{cells[0]}` | {cells[1]} % | {cells[2]} lines | {cells[3]} lines |" in page
