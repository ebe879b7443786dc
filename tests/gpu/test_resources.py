"""Registers and spills of every kernel: printed, and not above what they are known to need.

With VMF_TEST_ALL_KERNELS=1 every function for every architecture (many minutes); else the functions
that differ most, for two. `pytest -s` shows the figures.
"""

from __future__ import annotations

import os
import re

import pytest

from tests.gpu import nvrtc
from vmf.special._table import NAMES

ALL = os.environ.get("VMF_TEST_ALL_KERNELS", "") not in ("", "0")
ARCHITECTURES = (75, 80, 90, 100) if ALL else (90,)
FUNCTIONS = NAMES if ALL else ("log_iv",)
LAYOUTS = ("one_order", "paired", "strided")

# The launch bounds of kernels/cuda/special.cu set the registers. What is spilled belongs to the rare
# calls next to zeros; 256 bytes a thread are 64 registers put aside. For sm_100 the compiler puts
# aside more of log K in float32.
MOST_REGISTERS = {"double": 128, "float": 80}
MOST_SPILLED = 256
MOST_SPILLED_OF_LOG_K_ON_100 = 352


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_special_functions(architecture: int, function: str) -> None:
    _, log = nvrtc.compile_kernel("special.cu", f"sm_{architecture}", function=function)
    found = nvrtc.resources(log)
    assert set(found) == {f"{function}_{layout}_{t}" for layout in LAYOUTS for t in MOST_REGISTERS}
    most_spilled = MOST_SPILLED
    if architecture == 100 and function in ("log_kv", "log_kve"):
        most_spilled = MOST_SPILLED_OF_LOG_K_ON_100
    for name, used in sorted(found.items()):
        print(f"sm_{architecture} {name}: {used}")
        assert used.registers <= MOST_REGISTERS[name.rpartition("_")[2]], name
        assert max(used.spill_stores, used.spill_loads) <= most_spilled, name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("row", ["float", "double", "half_bits"])
@pytest.mark.parametrize("packs", [1, 2, 4])
def test_rows(architecture: int, row: str, packs: int) -> None:
    _, log = nvrtc.compile_kernel("rows.cu", f"sm_{architecture}", row=row, packs=packs)
    found = nvrtc.resources(log)
    assert len(found) == 5
    for name, used in sorted(found.items()):
        print(f"sm_{architecture} {name} of {row}, {packs} packs: {used}")
        assert used.spill_stores == used.spill_loads == 0, name
        # Four blocks of 256 threads on a multiprocessor, one where a row of float16 is 8192 long.
        ceiling = 64 if name != "sum_directions" else {1: 64, 2: 96, 4: 168}[packs]
        assert used.registers <= ceiling, name


@pytest.mark.parametrize("function", NAMES[:-2] if ALL else ["log_iv", "iv_ratio"])
@pytest.mark.parametrize("layout", ["paired"])
def test_float_kernels_use_no_double_arithmetic(function: str, layout: str) -> None:
    code, _ = nvrtc.compile_kernel(
        "special.cu", "compute_80", function=function, layout=layout, float="float"
    )
    text = code.decode()
    start = text.index(f".visible .entry {function}_{layout}_float(")
    end = re.compile(r"^\}", re.MULTILINE).search(text, start)
    assert end is not None
    entry = text[start : end.start()]
    assert "fma.rn" in entry
    assert "in_double" in entry
    assert not re.search(r"\.f64\b", entry)


@pytest.mark.parametrize(
    ("source", "defines"),
    [
        ("special.cu", {"function": "log_iv", "layout": "strided", "float": "float"}),
        ("rows.cu", {"row": "float", "packs": 1}),
        ("rows.cu", {"row": "half_bits", "packs": 1}),
    ],
)
def test_conversions_keep_subnormals(source: str, defines: dict[str, str | int]) -> None:
    code, _ = nvrtc.compile_kernel(source, "compute_80", **defines)
    text = code.decode()
    assert "cvt.f64.f32" in text
    assert not re.search(r"cvt\.(rn\.)?ftz\.f(64\.f32|32\.f64|32\.f16)", text)


def test_the_compilers_report_is_read() -> None:
    log = (
        "ptxas info    : Compiling entry function 'f' for 'sm_90'\n"
        "ptxas info    : Function properties for f\n"
        "ptxas         .     152 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads\n"
        "ptxas info    : Used 160 registers, used 0 barriers\n"
    )
    assert nvrtc.resources(log) == {"f": nvrtc.Resources(160, 8, 12)}
