"""NumPy, CuPy and torch arrays in one notation.

The models keep their parameters in NumPy float64. Rows stay where they are: what has n of something is computed by the
library of the rows, on their device, in the few functions below and those that the three libraries name and call alike
(`exp`, `log`, `amax`, `argmax`, `sum`, `cumsum`, `@`, indexing).
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

_LIBRARIES = ("cupy", "torch")


def is_cupy(array: Any) -> bool:
    """Whether `array` is a CuPy array; CuPy is not imported to find out."""
    return type(array).__module__.partition(".")[0] == "cupy"


def is_dask(array: Any) -> bool:
    """Whether `array` is a dask array; dask is not imported to find out."""
    return type(array).__module__.startswith("dask.array")


def namespace(array: Any) -> ModuleType:
    """Return the module whose functions take `array`: cupy, torch, and numpy for everything else."""
    package = type(array).__module__.partition(".")[0]
    return import_module(package) if package in _LIBRARIES else np


def cast(array: Any, dtype: str) -> Any:
    """Return `array` with elements of `dtype`, itself where it has them already."""
    xp = namespace(array)
    if xp.__name__ == "torch":
        return array.to(getattr(xp, dtype))
    return array.astype(dtype, copy=False)


def in_library_of(values: Any, array: Any) -> Any:
    """Return the NumPy array `values` in the library and on the device of `array`."""
    xp = namespace(array)
    if xp.__name__ == "torch":
        return xp.as_tensor(np.ascontiguousarray(values), device=array.device)
    if xp is np:
        # What comes from another process may begin at any byte, and products round otherwise then.
        return np.require(values, requirements="A")
    with array.device:
        return xp.asarray(values)


def to_numpy(array: Any) -> Any:
    """Return `array` as a NumPy array."""
    package = namespace(array).__name__
    if package == "torch":
        return array.detach().cpu().numpy()
    return array.get() if package == "cupy" else np.asarray(array)


def dtype_name(array: Any) -> str:
    """Return the name of the type of the elements: 'float32', 'bfloat16', ..."""
    return str(array.dtype).rpartition(".")[2]
