"""Libraries that a test may do without: where one is not installed, the tests that use it are skipped.

`optional`, `needs` and `needs_format` serve a module of which some tests need one; a module or folder
that cannot do without stands in `NEEDED` or begins with `pytest.importorskip`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import pytest

EXPERIMENTS = ("pandas", "matplotlib", "yaml", "pydantic", "scipy", "mpmath", "flint")
"""What `vmf reproduce` needs."""

NEEDED = {
    "adapters": ("torch", "sklearn"),
    "cluster": ("distributed",),
    "evaluation/test_cells": ("threadpoolctl",),
    "evaluation/test_evaluate": ("sklearn",),
    "evaluation/test_evaluate_files": ("sklearn", "threadpoolctl"),
    "evaluation/test_retrieval": ("threadpoolctl",),
    "experiments/test_bessel_accuracy": EXPERIMENTS,
    "experiments/test_bessel_runtime": EXPERIMENTS,
    "experiments/test_configuration": ("pydantic", "yaml"),
    "experiments/test_paper_algorithm": ("flint", "scipy"),
    "experiments/test_paper_page": ("pandas", "yaml"),
    "experiments/test_vmf_cifar10": EXPERIMENTS,
    "features": ("torchvision",),
    "fuzz/test_configurations": ("pydantic", "yaml"),
    "fuzz/test_soak": ("pydantic", "yaml"),
    "gpu/test_benchmark": ("flint", "scipy"),
    "kernels/test_coefficients": ("flint",),
    "kernels/test_near_zero": ("flint", "scipy"),
    "models/test_file_rows": ("sklearn",),
    "special/test_accuracy": ("flint", "mpmath", "scipy"),
    "special/test_recipe": ("flint", "scipy"),
    "torch": ("torch",),
}
"""What all tests of a folder or module need, by its path in tests/."""

_PACKAGES = {"PIL": "pillow", "flint": "python-flint", "sklearn": "scikit-learn", "yaml": "pyyaml"}
_FORMATS = {
    "h5py": (".h5", ".hdf5"),
    "pyarrow": (".parquet", ".pq", ".arrow", ".feather", ".ipc"),
    "torch": (".pt", ".pth"),
    "zarr": (".zarr",),
    "zstandard": (".zst",),
}
_OURS = ("benchmarks", "tests", "vmf")


def reason(name: str) -> str:
    """Why a test is skipped without the module `name`."""
    top = name.partition(".")[0]
    return f"{_PACKAGES.get(top, top)} is not installed"


def absent(path: Path) -> str | None:
    """The first module that the test module at `path`, relative to tests/, needs and does not find."""
    for place in (path.with_suffix(""), *path.parents):
        for name in NEEDED.get(place.as_posix(), ()):
            if find_spec(name) is None:
                return name
    return None


def needs(*names: str) -> None:
    """Skip the test unless these modules can be imported."""
    for name in names:
        if find_spec(name) is None:
            pytest.skip(reason(name))


def needs_format(name: str) -> None:
    """Skip the test unless the library for files of this name or ending is installed."""
    ending = name[name.rfind(".") :]
    needs(*(library for library, endings in _FORMATS.items() if ending in endings))


class _Absent:
    """What a library or a part of it is where it is not installed: calling it skips the test."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> _Absent:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return self

    def __call__(self, *_: object, **__: object) -> NoReturn:
        pytest.skip(reason(self._name))


def optional(name: str) -> Any:
    """The module `name`, of a library or of ours that needs one; see `_Absent`."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in _OURS:
            raise
        return _Absent(error.name)
