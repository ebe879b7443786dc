"""A function has all that CONTRIBUTING.md ("A special function") asks for, and each place names the same ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vmf import _core, special
from vmf.experiments import accuracy, arb
from vmf.special._differences import DIFFERENTIABLE
from vmf.special._table import NAMES, TABLE

ROOT = Path(__file__).resolve().parents[2]


def in_header() -> set[str]:
    header = (ROOT / "kernels" / "include" / "vmf" / "names.hpp").read_text()
    return set(re.findall(r"^ +ROW\((\w+),", header, re.MULTILINE))


def in_extension() -> set[str]:
    return {name for name in dir(_core) if isinstance(getattr(_core, name), np.ufunc)}


PLACES = {
    "a row in kernels/include/vmf/names.hpp": in_header,
    "a ufunc in vmf._core (build the extension anew after a change in kernels/)": in_extension,
    "a reference in vmf/experiments/arb.py": lambda: {
        *arb.ORDER_FUNCTIONS, *arb.DIMENSION_FUNCTIONS, *accuracy.INVERSES,
    },
    "a bar in vmf/experiments/accuracy.py": lambda: set(accuracy.BARS),
    "a place in vmf.special.__all__": lambda: set(special.__all__) - {
        "get_num_threads", "register_backend", "set_num_threads",
    },
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_each_place_has_the_functions_of_the_table(place: str) -> None:
    found = PLACES[place]()
    missing, unknown = sorted(set(NAMES) - found), sorted(found - set(NAMES))
    assert not missing, f"functions of vmf/special/_table.py without {place}"
    assert not unknown, f"functions that have {place} and no row in vmf/special/_table.py"


def test_names_are_those_of_functions_and_each_has_one_row() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert all(getattr(special, name).__name__ == name for name in NAMES)


def test_the_signatures_for_type_checkers_are_generated_from_the_table() -> None:
    script = ROOT / "scripts" / "generate_special_stubs.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


class _Asked:
    """Notes which functions a derivative is made of; every value is 1.5."""

    def __init__(self) -> None:
        self.functions: set[str] = set()
        self.differences: set[str] = set()

    def __call__(self, name: str, a: float, x: float) -> float:
        self.functions.add(name)
        return 1.5

    def difference(self, name: str, first: int, second: int, a: float, x: float) -> float:
        self.differences.add(name)
        return 1.5

    where = staticmethod(lambda condition, one, other: one if condition else other)
    maximum = staticmethod(max)
    log = staticmethod(np.log)


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_derivatives_are_made_of_functions_that_there_are(entry) -> None:
    asked = _Asked()
    assert len(entry.derivatives) == 2
    for derivative in entry.derivatives:
        assert np.isfinite(derivative(asked, 3.0, 0.5, 1.5))
    assert asked.functions <= set(NAMES)
    assert asked.differences <= set(DIFFERENTIABLE)
