"""Which backend computes a call: the one of the arrays given.

A backend is a module with `evaluate(name, a, x, **options)`. It is found by the name of the package that an argument's
type comes from, and imported when the first such array arrives, so that neither torch nor CuPy is needed for NumPy.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from vmf.special import _numpy

# Package of the array type -> module in vmf.special.
_BACKENDS: dict[str, str] = {"cupy": "vmf.special._cupy"}


def register_backend(package: str, module: str) -> None:
    """Let arrays whose type is defined in `package` be computed by `module` (imported at first use)."""
    _BACKENDS[package] = module


def backend_for(*arrays: Any) -> ModuleType:
    """Return the backend module of the first array that has one; NumPy's where none has."""
    for array in arrays:
        if isinstance(array, (int, float)):
            continue  # torch.compile cannot trace the module of their type
        package = type(array).__module__.partition(".")[0]
        if package == "torch":
            # torch.compile traces an import statement, but not import_module.
            from vmf.special import _torch

            return _torch
        if package in _BACKENDS:
            return import_module(_BACKENDS[package])
    return _numpy
