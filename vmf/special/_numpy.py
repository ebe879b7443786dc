"""NumPy arrays and everything NumPy can read: the ufuncs of the compiled extension."""

from __future__ import annotations

from typing import Any

from vmf import _core


def evaluate(name: str, a: Any, x: Any, **options: Any) -> Any:
    """Call the ufunc; `options` are a ufunc's own (out, where, dtype, casting, order)."""
    return getattr(_core, name)(a, x, **options)
