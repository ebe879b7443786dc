"""The CUDA kernels compile from the very headers of the CPU build, for every architecture.

NVRTC compiles without a GPU or a driver. Every function is compiled to PTX, and the few that differ
most to the machine code of every architecture; with VMF_TEST_ALL_KERNELS=1 all of them are (a
minute and a half).
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from vmf.special._table import NAMES

nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings is not installed")
if sys.platform != "linux":
    pytest.skip("NVRTC comes for Linux", allow_module_level=True)

KERNELS = Path(__file__).resolve().parents[2] / "kernels"
SOURCE = KERNELS / "cuda" / "special.cu"
ARCHITECTURES = (75, 80, 90, 100)
MOST_DIFFERENT = ("log_iv", "log_kv_dv", "concentration")
KINDS = [
    (layout, precision)
    for layout in ("one_order", "paired", "strided")
    for precision in ("double", "float")
]
OPTIONS = (
    "--std=c++17",
    "--device-as-default-execution-space",
    "--fmad=false",
    f"-I{KERNELS / 'include'}",
)


def _checked(answer: tuple[object, ...]) -> object:
    status, *values = answer
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, status
    return values[0] if values else None


def _buffer(size: object) -> bytes:
    """Return bytes of its own to be written to: an empty log has one, and Python shares all of length one."""
    assert isinstance(size, int)
    return bytes(max(size, 2))


def _compile(target: str, function: str) -> tuple[bytes, str]:
    """Return the machine code (target sm_NN) or the PTX (compute_NN), and the compiler's log."""
    program = _checked(
        nvrtc.nvrtcCreateProgram(SOURCE.read_bytes(), SOURCE.name.encode(), 0, [], [])
    )
    options = [*OPTIONS, f"--gpu-architecture={target}", f"-DVMF_FUNCTION={function}"]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [o.encode() for o in options])
    log = _buffer(_checked(nvrtc.nvrtcGetProgramLogSize(program)))
    _checked(nvrtc.nvrtcGetProgramLog(program, log))
    text = log.rstrip(b"\0 \n").decode()
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, text
    if target.startswith("sm_"):
        size, read = nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN
    else:
        size, read = nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX
    code = _buffer(_checked(size(program)))
    _checked(read(program, code))
    _checked(nvrtc.nvrtcDestroyProgram(program))
    return code, text


def _in_machine_code() -> tuple[str, ...]:
    return NAMES if os.environ.get("VMF_TEST_ALL_KERNELS", "") not in ("", "0") else MOST_DIFFERENT


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("function", _in_machine_code())
def test_machine_code_has_all_entry_points(architecture: int, function: str) -> None:
    code, log = _compile(f"sm_{architecture}", function)
    assert log == ""
    assert code.startswith(b"\x7fELF")
    entry_points = set(re.findall(rb"\.text\.(\w+)\0", code))
    expected = {f"{function}_{layout}_{precision}" for layout, precision in KINDS}
    assert {name.encode() for name in expected} <= entry_points


@pytest.mark.parametrize("function", NAMES)
def test_sums_and_products_are_rounded_as_written(function: str) -> None:
    code, log = _compile(f"compute_{ARCHITECTURES[0]}", function)
    assert log == ""
    text = code.decode()
    for layout, precision in KINDS:
        assert f".visible .entry {function}_{layout}_{precision}(" in text
    # Without .rn the assembler may fuse a product and a sum, and compensated arithmetic is lost.
    assert re.search(r"\bmul\.rn\.f64\b", text)
    assert not re.search(r"\b(mul|add|sub)\.f64\b", text)


def test_headers_need_no_system_headers() -> None:
    guarded = KERNELS / "include" / "vmf" / "platform.hpp"
    for header in sorted((KERNELS / "include" / "vmf").glob("*.hpp")):
        included = set(re.findall(r"#include <([^>]+)>", header.read_text()))
        assert not included or header == guarded, header.name
