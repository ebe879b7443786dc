"""Which backend computes a call, and the table that the public functions are made from."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from vmf import _core, special
from vmf.special import _dispatch
from vmf.special._table import NAMES, TABLE


class ForeignArray:
    """Stands for an array of another package."""


ForeignArray.__module__ = "foreign.arrays"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The calls that reach a backend registered for the package `foreign`."""
    seen: list[tuple[Any, ...]] = []

    def evaluate(*arguments: Any, **options: Any) -> str:
        seen.append((*arguments, options))
        return "foreign result"

    backend = ModuleType("foreign_backend")
    backend.evaluate = evaluate  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "foreign_backend", backend)
    monkeypatch.setattr(_dispatch, "_BACKENDS", dict(_dispatch._BACKENDS))
    special.register_backend("foreign", "foreign_backend")
    return seen


@pytest.mark.parametrize("name", NAMES)
def test_the_type_of_either_array_picks_the_backend(
    name: str, calls: list[tuple[Any, ...]]
) -> None:
    function, foreign = getattr(special, name), ForeignArray()
    assert function(foreign, 2.0) == "foreign result"
    assert function(np.ones(3), foreign, out="there") == "foreign result"
    first, second = calls
    assert first == (name, foreign, 2.0, {})
    assert second[0] == name
    assert second[2:] == (foreign, {"out": "there"})


def test_numpy_computes_what_no_backend_claims(calls: list[tuple[Any, ...]]) -> None:
    class Subclass(np.ndarray):
        pass

    assert special.log_iv(1.0, 2.0) == _core.log_iv(1.0, 2.0)
    assert isinstance(special.log_iv(np.ones(3).view(Subclass), 2.0), Subclass)
    with pytest.raises(TypeError):
        special.log_iv(object(), 2.0)
    assert not calls


def test_a_package_is_not_claimed_by_its_prefix(calls: list[tuple[Any, ...]]) -> None:
    class Other:
        pass

    Other.__module__ = "foreigners.arrays"
    with pytest.raises(TypeError):
        special.log_iv(Other(), 2.0)
    assert not calls


def test_a_backend_is_imported_at_its_first_array() -> None:
    script = (
        "import sys, vmf\n"
        "from vmf import special\n"
        "special.log_iv(1.0, 2.0)\n"
        "print([name for name in ('torch', 'cupy', 'scipy', 'pyarrow') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_public_functions_say_what_they_are(entry: Any) -> None:
    function = getattr(special, entry.name)
    assert function.__name__ == entry.name
    assert list(inspect.signature(function).parameters) == [entry.first, entry.second, "options"]
    documentation = inspect.getdoc(function)
    assert documentation is not None
    assert documentation.startswith(entry.summary)
    assert "Source: " in documentation
