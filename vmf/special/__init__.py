"""Special functions of the von Mises-Fisher distribution, accurate for every order and argument.

Every function takes two arrays that broadcast and returns an array (or a scalar) of the broadcast
shape: float64, or float32 where both arguments are float32 or types that NumPy converts to it
(float16, int8, int16, bool). For NumPy input the functions accept the keyword arguments of a ufunc
(`out`, `where`, `dtype`, `casting`). NaN in gives NaN out; an argument outside the domain (negative;
dimension below 2) gives NaN through NumPy's `invalid` error state, so that `np.errstate` decides
whether that is silent, a warning or an exception. Other types raise TypeError, shapes that do not
broadcast ValueError.

Errors are in units of eps = 2^-52 and are measured by `python -m vmf.experiments.accuracy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmf import _core
from vmf.special._dispatch import backend_for, register_backend
from vmf.special._table import NAMES, TABLE, Entry

if TYPE_CHECKING:
    from vmf.special._signatures import (
        concentration,
        concentration_c,
        entropy,
        iv_ratio,
        iv_ratio_c,
        kv_ratio,
        log_iv,
        log_iv_dv,
        log_iv_dx,
        log_ive,
        log_kv,
        log_kv_dv,
        log_kv_dx,
        log_kve,
        log_normalizer,
        log_normalizer_e,
        mean_resultant_length,
        mean_resultant_length_c,
        mean_resultant_length_dkappa,
    )

__all__ = [
    "concentration",
    "concentration_c",
    "entropy",
    "get_num_threads",
    "iv_ratio",
    "iv_ratio_c",
    "kv_ratio",
    "log_iv",
    "log_iv_dv",
    "log_iv_dx",
    "log_ive",
    "log_kv",
    "log_kv_dv",
    "log_kv_dx",
    "log_kve",
    "log_normalizer",
    "log_normalizer_e",
    "mean_resultant_length",
    "mean_resultant_length_c",
    "mean_resultant_length_dkappa",
    "register_backend",
    "set_num_threads",
]


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
    name = entry.name

    def function(a: Any, x: Any, /, **options: Any) -> Any:
        return backend_for(a, x).evaluate(name, a, x, **options)

    function.__name__ = function.__qualname__ = name
    # A code object of its own: torch.compile keeps what it compiled with that, and at most eight versions.
    function.__code__ = function.__code__.replace(co_name=name)
    function.__module__ = __name__
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


for _entry in TABLE:
    globals()[_entry.name] = _public(_entry)
del _entry

assert set(NAMES) <= set(__all__)
