"""Every test that the page names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["reliability.md", "cluster.md"])
def test_every_row_of_the_table_has_its_test(page):
    page = (ROOT / "docs" / page).read_text(encoding="utf-8")
    table = [line for line in page.splitlines() if line.startswith("|")][2:]
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    for row in table:
        named = re.findall(r"`(test_\w+)`", row.split("|")[-2])
        assert named, row
        for name in named:
            assert f"def {name}(" in sources, name
