"""Floating-point operations a value, counted by running the kernels on numbers that count.

`operations.cpp` is compiled at first use with the C++ compiler of the machine ($CXX, else g++).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent


@cache
def _library() -> ctypes.CDLL | None:
    """Return the compiled counter, None where there is no compiler."""
    target = Path(tempfile.mkdtemp(prefix="vmf-operations-")) / "operations.so"
    command = [
        os.environ.get("CXX", "g++"), "-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC",
        f"-I{HERE.parent / 'kernels' / 'include'}", str(HERE / "operations.cpp"), "-o", str(target),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except OSError:
        return None
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"operations.cpp does not compile: {error.stderr.decode()}") from error
    return ctypes.CDLL(str(target))


def operations(name: str, a: NDArray[np.float64], x: NDArray[np.float64]) -> float | None:
    """Mean floating-point operations a value of function `name` at the points; None if unknown."""
    library = _library()
    count = getattr(library, f"count_{name}", None) if library else None
    if count is None:
        return None
    pointer = ctypes.POINTER(ctypes.c_double)
    count.restype = ctypes.c_long
    count.argtypes = [pointer, pointer, ctypes.c_long]
    a = np.ascontiguousarray(a, dtype=np.float64)
    x = np.ascontiguousarray(x, dtype=np.float64)
    return float(count(a.ctypes.data_as(pointer), x.ctypes.data_as(pointer), len(a))) / len(a)


def peak_gflops() -> float | None:
    """Multiply-add rate of one thread in GFLOP/s, measured; None where nothing can be compiled."""
    library = _library()
    if library is None:
        return None
    library.multiply_add_rate.restype = ctypes.c_double
    return float(library.multiply_add_rate())
