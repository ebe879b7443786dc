"""The implementations that are measured: vmf.special, SciPy, or any named object."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import special as sc

from vmf.arrays.types import FloatArray


def _scipy_log_iv(v: FloatArray, x: FloatArray, out: FloatArray | None = None) -> Any:
    return np.add(_scipy_log_ive(v, x, out), x, out=out)


def _scipy_log_kv(v: FloatArray, x: FloatArray, out: FloatArray | None = None) -> Any:
    return np.subtract(_scipy_log_kve(v, x, out), x, out=out)


def _scipy_log_ive(v: FloatArray, x: FloatArray, out: FloatArray | None = None) -> Any:
    return np.log(sc.ive(v, x, out=out), out=out)


def _scipy_log_kve(v: FloatArray, x: FloatArray, out: FloatArray | None = None) -> Any:
    return np.log(sc.kve(v, x, out=out), out=out)


def _scipy_iv_ratio(v: FloatArray, x: FloatArray, out: FloatArray | None = None) -> Any:
    return np.divide(sc.ive(v, x, out=out), sc.ive(v - 1, x), out=out)


def _scipy_kv_ratio(v: FloatArray, x: FloatArray, out: FloatArray | None = None) -> Any:
    return np.divide(sc.kve(v, x, out=out), sc.kve(v - 1, x), out=out)


SCIPY = SimpleNamespace(
    log_iv=_scipy_log_iv,
    log_kv=_scipy_log_kv,
    log_ive=_scipy_log_ive,
    log_kve=_scipy_log_kve,
    iv_ratio=_scipy_iv_ratio,
    kv_ratio=_scipy_kv_ratio,
)


def implementation(name: str) -> Any:
    """The object whose attributes are the functions.

    `vmf` is vmf.special, `scipy` the formulas that SciPy's users write, and `module` or
    `module:attribute` whatever is found there.
    """
    if name == "scipy":
        return SCIPY
    if name == "vmf":
        return importlib.import_module("vmf.special")
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in filter(None, path.split(".")):
        found = getattr(found, part)
    return found
