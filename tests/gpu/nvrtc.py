"""NVRTC from PyPI, as CuPy calls it: sources and options in, code and the compiler's log out."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from vmf.arrays import gpu

nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings is not installed")


class Resources(NamedTuple):
    """What a kernel takes of a multiprocessor: registers a thread, spilled bytes a thread."""

    registers: int
    spill_stores: int
    spill_loads: int


def _checked(answer: tuple[Any, ...]) -> Any:
    status, *values = answer
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, status
    return values[0] if values else None


def compile_kernel(source: str, target: str, **defines: str | int) -> tuple[bytes, str]:
    """Compile kernels/cuda/`source` for sm_NN (machine code) or compute_NN (PTX)."""
    text = (gpu.kernel_sources() / "cuda" / source).read_bytes()
    program = _checked(nvrtc.nvrtcCreateProgram(text, source.encode(), 0, [], []))
    options = [
        *gpu.compile_options(**defines),
        f"--gpu-architecture={target}",
        "-ftz=true",  # CuPy adds it
        "--ptxas-options=-v",
    ]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [o.encode() for o in options])
    # At least two bytes: Python shares all bytes objects of length one, and this one is written to.
    log = bytes(max(2, _checked(nvrtc.nvrtcGetProgramLogSize(program))))
    _checked(nvrtc.nvrtcGetProgramLog(program, log))
    messages = log.rstrip(b"\0 \n").decode()
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, messages
    machine_code = target.startswith("sm_")
    size, read = (
        (nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN)
        if machine_code
        else (nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX)
    )
    code = bytes(max(2, _checked(size(program))))
    _checked(read(program, code))
    _checked(nvrtc.nvrtcDestroyProgram(program))
    return code, messages


def resources(log: str) -> dict[str, Resources]:
    """Return what ptxas -v reports of each kernel, by name."""
    found = {}
    for entry in re.finditer(
        r"Compiling entry function '(\w+)'.*?Function properties for \1\n"
        r"ptxas\W+\d+ bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads\n"
        r".*?Used (\d+) registers",
        log,
        re.DOTALL,
    ):
        name, stores, loads, registers = entry.groups()
        found[name] = Resources(int(registers), int(stores), int(loads))
    return found
