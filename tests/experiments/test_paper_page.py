"""docs/paper.md says what the committed results say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE, RESULTS = ROOT / "docs" / "paper.md", ROOT / "docs" / "paper"


@pytest.fixture(scope="module")
def script():
    path = ROOT / "scripts" / "fill_paper_page.py"
    spec = importlib.util.spec_from_file_location("fill_paper_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_holds_what_the_results_hold(script):
    assert script.main(["--check"]) == 0


def test_a_changed_result_is_noticed_and_filled_in(script, tmp_path, monkeypatch):
    page = tmp_path / "paper.md"
    page.write_text("a\n<!-- vmf-cifar10/cifar10.md: Fits -->\nold\n<!-- end -->\nb\n")
    monkeypatch.setattr(script, "PAGE", page)
    assert script.main(["--check"]) == 1
    assert "old" in page.read_text()
    assert script.main([]) == 0
    assert "| features | p | rows |" in page.read_text()
    assert page.read_text().startswith("a\n<!-- vmf-cifar10")
    assert page.read_text().endswith("<!-- end -->\nb\n")
    assert script.main(["--check"]) == 0


def test_a_table_that_is_not_there_is_named(script):
    with pytest.raises(SystemExit, match=r"cifar10.md has no table 'Fit'; it has .*Fits"):
        script.section("vmf-cifar10/cifar10.md", "Fit")


def test_every_link_of_the_page_leads_somewhere():
    links = re.findall(r"\]\((?!https:)([^)#]+)", PAGE.read_text())
    assert len(links) > 8
    for link in links:
        assert (PAGE.parent / link).exists(), link


def test_the_results_are_small_and_name_no_folder_of_a_machine():
    files = [path for path in RESULTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 300_000
    for path in files:
        if path.suffix != ".png":
            assert not re.search(
                r"(?:^|[\s'\"(:])~?/(?:home|root|tmp|Users)\b", path.read_text()
            ), path
    for environment in RESULTS.glob("*/environment.yaml"):
        assert yaml.safe_load(environment.read_text())["instruction_set"]
