"""CuPy without a GPU: NumPy arrays that pass for CuPy's, kernels that g++ compiles for the CPU.

The fixture `device` puts them in place of CuPy and NVRTC, so that everything between the public
functions and the kernels' index arithmetic runs as it does on a GPU, only one thread after another.
"""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vmf.arrays import gpu

HERE = Path(__file__).resolve().parent
COMPILER = shutil.which("g++")


class Device:
    """Device 0 or another; a context manager as CuPy's."""

    attributes = {"MultiProcessorCount": 1}  # noqa: RUF012

    def __init__(self, number: int = 0) -> None:
        self.id = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        return self.id

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class DeviceArray(np.ndarray):
    """A NumPy array with the attributes of CuPy's that the backends use."""

    number = 0

    def __array_finalize__(self, parent: Any) -> None:
        self.number = getattr(parent, "number", 0)

    @property
    def device(self) -> Device:  # type: ignore[override]
        return Device(self.number)

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.__array_interface__["data"][0])

    def get(self) -> Any:
        return _as_numpy(self)


DeviceArray.__module__ = "cupy"


def as_device(values: Any, number: int = 0) -> DeviceArray:
    # 16-byte alignment, as an allocation on the device has.
    values = np.asarray(values)
    memory = np.empty(values.nbytes + 16, np.uint8)
    start = -memory.ctypes.data % 16
    aligned = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    aligned[...] = values
    array = aligned.view(DeviceArray)
    array.number = number
    return array


def _made(function: Callable[..., Any]) -> Callable[..., DeviceArray]:
    return lambda *args, **options: as_device(function(*args, **options))


def _as_numpy(array: Any) -> Any:
    return np.array(array.view(np.ndarray))


def _module() -> Any:
    return SimpleNamespace(
        empty=_made(lambda shape, dtype=np.float64: np.full(shape, np.nan, dtype)),
        zeros=_made(np.zeros),
        asarray=_made(np.asarray),
        ascontiguousarray=_made(np.ascontiguousarray),
        broadcast_to=lambda a, shape: np.broadcast_to(a, shape, subok=True),
        may_share_memory=np.may_share_memory,
        asnumpy=_as_numpy,
        flatnonzero=_made(np.flatnonzero),
        count_nonzero=np.count_nonzero,
        argmax=np.argmax,
        where=_made(np.where),
        abs=np.abs,
        sqrt=np.sqrt,
        isfinite=np.isfinite,
        cuda=SimpleNamespace(Device=Device),
    )


class CompiledKernel:
    """A kernel for the CPU, called as CuPy's are: (grid, block, arguments)."""

    def __init__(self, launch: Any) -> None:
        self.launch = launch

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], given: Any) -> None:
        kept = []
        for value in given:
            if isinstance(value, DeviceArray):
                kept.append(np.array(value.data.ptr, np.uintp))
            else:
                assert isinstance(value, np.generic), f"{value!r} has no size of its own"
                kept.append(np.array(value))
        packed = (ctypes.c_void_p * len(kept))(*(value.ctypes.data for value in kept))
        grid_y = grid[1] if len(grid) > 1 else 1
        self.launch(grid[0], grid_y, block[0], packed)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., CompiledKernel]:
    """Stand-in for `vmf.arrays.gpu.kernel`."""
    if COMPILER is None or platform.system() != "Linux":
        pytest.skip("compiling the kernels for the CPU takes g++ on Linux")
    folder = tmp_path_factory.mktemp("kernels")
    found: dict[Any, CompiledKernel] = {}

    def kernel(source: str, name: str, device: int, **defines: str | int) -> CompiledKernel:
        key = (source, name, tuple(sorted(defines.items())))
        if key not in found:
            program = folder / f"{len(found)}.cpp"
            program.write_text(
                f'#include "cuda_on_cpu.hpp"\n#include "cuda/{source}"\n'
                'extern "C" void launch(unsigned x, unsigned y, unsigned block, void** given) {\n'
                f"    cuda_on_cpu::launch<{name}>(x, y, block, given);\n}}\n"
            )
            library = program.with_suffix(".so")
            subprocess.run(
                [
                    COMPILER, "-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off",
                    *(["-mfma"] if platform.machine() == "x86_64" else []),
                    "-Wno-unknown-pragmas", f"-I{HERE}", f"-I{gpu.kernel_sources()}",
                    f"-I{gpu.kernel_sources() / 'include'}",
                    *(f"-DVMF_{key.upper()}={value}" for key, value in defines.items()),
                    str(program), "-o", str(library),
                ],
                check=True,
            )  # fmt: skip
            found[key] = CompiledKernel(ctypes.CDLL(str(library)).launch)
        return found[key]

    return kernel


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, compiled: Callable[..., CompiledKernel]) -> Any:
    """Returns a function that makes device arrays of NumPy ones."""
    import vmf.estimation.gathering_cupy as rows
    import vmf.special._cupy as special

    module = _module()
    for user in (rows, special):
        monkeypatch.setattr(user, "require_cupy", lambda: module)
        monkeypatch.setattr(user, "kernel", compiled)
    return as_device
