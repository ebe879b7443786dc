"""The GPU: whether there is one, and the CUDA kernels that CuPy compiles for it.

The kernels are compiled by NVRTC when they are first called, from the sources that are installed
with the package, and kept in CuPy's own cache on disk (`CUPY_CACHE_DIR`).
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from vmf.errors import GPUUnavailableError

_INSTALL = (
    "pip install 'vmf-toolkit[gpu]' (CUDA 12) or 'vmf-toolkit[gpu-cuda13]' (CUDA 13), whichever "
    "nvidia-smi names"
)


def require_cupy() -> ModuleType:
    """Return the module `cupy` if it is installed and finds a GPU.

    Raises
    ------
    GPUUnavailableError
        One sentence that says which of the two is missing and what to do.
    """
    try:
        import cupy
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            raise GPUUnavailableError(f"CuPy is not installed: {_INSTALL}") from None
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "unknown reason"
        raise GPUUnavailableError(f"CuPy cannot be imported ({reason}): {_INSTALL}") from error
    try:
        found = int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        reason = str(error).partition(": ")[2] or str(error)
        raise GPUUnavailableError(
            f"no usable NVIDIA GPU ({reason}): run on a machine with one, or pass NumPy arrays"
        ) from None
    if found == 0:
        raise GPUUnavailableError(
            "no NVIDIA GPU is visible: check nvidia-smi and CUDA_VISIBLE_DEVICES, "
            "or pass NumPy arrays"
        )
    module: ModuleType = cupy
    return module


@cache
def kernel_sources() -> Path:
    """Return the folder that holds `cuda/` and `include/`: in the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    candidates = [package / "kernels", package.parent / "kernels"]
    for folder in candidates:
        if (folder / "cuda" / "special.cu").is_file():
            return folder
    # An editable install keeps the Python files in the checkout and installs the sources.
    from vmf import _core

    folder = Path(_core.__file__).resolve().parent / "kernels"
    if (folder / "cuda" / "special.cu").is_file():
        return folder
    raise FileNotFoundError(
        f"the CUDA sources of vmf are missing from {candidates[0]}: install the package again"
    )


@cache
def _fingerprint() -> str:
    """Digest of all sources: CuPy's cache knows a program by its text and options, not its headers."""
    digest = hashlib.sha256()
    for path in sorted(kernel_sources().rglob("*")):
        if path.suffix in (".cu", ".hpp"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def compile_options(**defines: str | int) -> tuple[str, ...]:
    """Return the options NVRTC needs for the kernels, with a -D for each keyword."""
    return (
        "--std=c++17",
        "--device-as-default-execution-space",
        "--fmad=false",  # compensated arithmetic needs every rounding where it is written
        f"-I{kernel_sources() / 'include'}",
        *(f"-DVMF_{name.upper()}={value}" for name, value in sorted(defines.items())),
    )


@cache
def kernel(source: str, name: str, device: int, **defines: str | int) -> Any:
    """Return the kernel `name` of kernels/cuda/`source` as a callable (grid, block, arguments).

    Compiled for the current device, whose number is `device`: a module belongs to one.
    """
    cupy = require_cupy()
    module = cupy.RawModule(
        code=(kernel_sources() / "cuda" / source).read_text(),
        backend="nvrtc",
        options=(*compile_options(**defines), f"-DVMF_SOURCES={_fingerprint()}"),
    )
    return module.get_function(name)
