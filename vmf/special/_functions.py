"""The public functions, one made of each row of the table, and how many threads they use."""

from __future__ import annotations

from typing import Any

from vmf import _core
from vmf.special._dispatch import backend_for
from vmf.special._table import TABLE, Entry


def get_num_threads() -> int:
    """Return the number of threads a call on a large array may use."""
    return _core.get_num_threads()


def set_num_threads(n: int) -> None:
    """Set the number of threads a call on a large array may use.

    The environment variable VMF_NUM_THREADS sets it at import; the default is the number of processors of this process.
    Raises ValueError if `n` < 1.
    """
    _core.set_num_threads(n)


def _public(entry: Entry) -> Any:
    """Return the function that hands its arrays to their backend."""
    name = entry.name

    def function(a: Any, x: Any, /, **options: Any) -> Any:
        return backend_for(a, x).evaluate(name, a, x, **options)

    function.__name__ = function.__qualname__ = name
    # A code object of its own: torch.compile keeps what it compiled with that, and at most eight versions.
    function.__code__ = function.__code__.replace(co_name=name)
    function.__module__ = __name__.rpartition(".")[0]
    function.__text_signature__ = f"({entry.first}, {entry.second}, /, **options)"  # type: ignore[attr-defined]
    first = "order, real, >= 0" if entry.first == "v" else "dimension p of the space, real, >= 2"
    second = "in [0, 1]" if "rbar" in entry.second else ">= 0"
    function.__doc__ = "\n".join(
        [
            entry.summary,
            "",
            "Parameters",
            "----------",
            f"{entry.first} : array_like of float, {first}",
            f"{entry.second} : array_like of float, {second}",
            "**options",
            "    `out`, `where`, `dtype`, `casting` of a NumPy ufunc.",
            "",
            "Returns",
            "-------",
            "array of the broadcast shape, float64 (float32 where both arguments are float32)",
            "",
            "Notes",
            "-----",
            entry.details,
        ]
    )
    return function


FUNCTIONS = {entry.name: _public(entry) for entry in TABLE}
