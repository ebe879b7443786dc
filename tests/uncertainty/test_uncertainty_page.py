"""docs/uncertainty.md: its table is the registry's, its example runs, its figures are measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from vmf.uncertainty.registry import table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "uncertainty.md"
MEASURES = ("auroc", "fpr95", "r_auroc", "aurc", "aurc_probe")


def test_the_table_of_scores_is_that_of_the_registry():
    assert table() in PAGE.read_text(encoding="utf-8")


def test_the_example_runs(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    if not (ROOT / "examples").is_dir():
        pytest.skip("the example embeddings are not in this distribution")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec(example, names)
    assert len(set(names["look_at"])) == 20
    assert 0 < names["suspicious"].mean() < 0.5


@pytest.mark.parametrize(("name", "number"), [("open_set", 0), ("open_set_8192", 1)])
def test_the_open_set_figures_are_those_measured(name, number):
    results = ROOT / "benchmarks" / "results" / f"{name}.json"
    if not results.is_file():
        pytest.skip("the benchmark's results are not in this distribution")
    measured = json.loads(results.read_text())["scores"]
    tables = PAGE.read_text(encoding="utf-8").split("| score | AUROC |")[1:]
    found = 0
    for line in tables[number].split("\n\n")[0].splitlines():
        cells = [
            cell.strip().replace("`", "").replace("*", "") for cell in line.strip("|").split("|")
        ]
        if cells[0] not in measured:
            continue
        for key, cell in zip(MEASURES, cells[1:], strict=True):
            one = measured[cells[0]][key]
            half = (one["interval"][1] - one["interval"][0]) / 2
            assert cell == f"{one['mean']:.3f} ± {half:.3f}"
        found += 1
    assert found == 16
