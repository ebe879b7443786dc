"""No folder or module of the tests can be imported in the place of a library."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
NAMES = sorted(
    {path.stem for path in TESTS.rglob("*.py")}
    | {path.name for path in TESTS.rglob("*") if path.is_dir()}
)


def test_no_folder_of_tests_is_in_the_search_path():
    searched = [Path(entry or ".").resolve() for entry in sys.path]
    assert [place for place in searched if place == TESTS or TESTS in place.parents] == []


def test_the_root_comes_last():
    """Behind the installed package, which the source tree's would hide."""
    searched = [Path(entry or ".").resolve() for entry in sys.path]
    assert searched.index(TESTS.parent) == len(searched) - 1


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("_")])
def test_no_name_of_a_test_is_found_at_the_top(name):
    """`torch` is either the library or missing, never tests/torch."""
    found = find_spec(name)
    if found is None:
        return
    places = [found.origin, *(found.submodule_search_locations or ())]
    assert [place for place in places if place and TESTS in Path(place).resolve().parents] == []
    assert TESTS not in [Path(place).resolve() for place in places if place]
