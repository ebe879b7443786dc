"""The float32 path of the GPU, compiled for the CPU: within 4 * 2^-23 max(1, |value|) everywhere."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.libraries import needs, optional
from vmf import special
from vmf.arrays import gpu
from vmf.experiments import point_sets
from vmf.special._table import NAMES

arb = optional("vmf.experiments.arb")

ROOT = Path(__file__).resolve().parents[2]
EPS = 2.0**-23
BOUND = 4.0
OF_DIMENSION = ("log_normalizer", "entropy", "mean_resultant_length", "concentration")
SETS = ("uniform150", "uniform1e4", "loguniform", "small", "vmf")

PROGRAM = """
#include "vmf/single.hpp"
using namespace vmf_scalar;
namespace formula {
#define VMF_ROW(name, ...) using name = __VA_ARGS__;
VMF_FUNCTIONS(VMF_ROW)
}
#undef VMF_ROW
#define VMF_ROW(name, ...)                                                                \\
    extern "C" void name(const float* a, const float* x, float* out, long long n) {       \\
        for (long long i = 0; i < n; ++i) out[i] = single_value<formula::name>(a[i], x[i]); \\
    }                                                                                     \\
    extern "C" int name##_region(float a, float x) {                                      \\
        return single_region<formula::name>(formula::name::order(Single(a)), Single(x));  \\
    }
VMF_FUNCTIONS(VMF_ROW)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("g++")
    if compiler is None or platform.system() != "Linux":
        pytest.skip("compiling the float32 path for the CPU takes g++ on Linux")
    folder = tmp_path_factory.mktemp("single")
    (folder / "single.cpp").write_text(PROGRAM)
    fma = ["-mfma"] if platform.machine() == "x86_64" else []
    subprocess.run(
        [
            compiler, "-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", *fma,
            f"-I{gpu.kernel_sources() / 'include'}", str(folder / "single.cpp"),
            "-o", str(folder / "single.so"),
        ],
        check=True,
    )  # fmt: skip
    return ctypes.CDLL(str(folder / "single.so"))


def _single(library: ctypes.CDLL, name: str, a: Any, x: Any) -> Any:
    a, x = np.broadcast_arrays(np.asarray(a, np.float32), np.asarray(x, np.float32))
    a, x, out = np.ascontiguousarray(a), np.ascontiguousarray(x), np.empty(a.shape, np.float32)
    pointers = (ctypes.c_void_p(array.ctypes.data) for array in (a, x, out))
    getattr(library, name)(*pointers, ctypes.c_longlong(a.size))
    return out


def _points(name: str, draw: str, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    v, x = getattr(point_sets, draw)(rng, n)
    if name.startswith(OF_DIMENSION):
        v = 2 * v + 2
    if name.startswith("concentration"):
        x = rng.uniform(0, 1, n)
    return v.astype(np.float32), np.maximum(x.astype(np.float32), np.float32(1e-37))


def _errors(result: Any, exact: Any) -> Any:
    """In units of eps max(1, |value|); values beyond float32 count as right if infinite."""
    inside = np.abs(exact) <= np.finfo(np.float32).max
    with np.errstate(invalid="ignore"):
        error = np.abs(result - exact) / np.maximum(1.0, np.abs(exact)) / EPS
    return np.where(inside, error, np.where(result == exact.astype(np.float32), 0.0, np.inf))


@pytest.mark.parametrize("draw", SETS)
@pytest.mark.parametrize("name", NAMES)
def test_error_against_the_core(library: ctypes.CDLL, name: str, draw: str) -> None:
    a, x = _points(name, draw, np.random.default_rng(), 20_000)
    with np.errstate(all="ignore"):
        exact = getattr(special, name)(a.astype(np.float64), x.astype(np.float64))
        error = _errors(_single(library, name, a, x).astype(np.float64), exact)
    worst = int(np.argmax(error))
    print(f"{name} {draw}: {error[worst]:.2f} eps")
    assert error[worst] <= BOUND, (a[worst], x[worst])


@pytest.mark.parametrize("draw", SETS)
@pytest.mark.parametrize("name", ["log_iv", "log_kv", "kv_ratio", "iv_ratio_c", "log_normalizer"])
def test_error_against_arb(library: ctypes.CDLL, name: str, draw: str) -> None:
    a, x = _points(name, draw, np.random.default_rng(), 40)
    exact = np.array(
        [sum(arb.reference(name, float(p), float(q))) for p, q in zip(a, x, strict=True)]
    )
    error = _errors(_single(library, name, a, x).astype(np.float64), exact)
    assert error.max() <= BOUND


@pytest.mark.parametrize("name", ["log_iv", "log_kv", "log_normalizer", "log_normalizer_e"])
def test_error_next_to_zeros(library: ctypes.CDLL, name: str) -> None:
    # Large terms cancel where the logarithm is 0: x from there, by bisection, and its neighbours.
    rng = np.random.default_rng()
    a = np.exp(rng.uniform(np.log(20), np.log(1e9), 400)).astype(np.float32).astype(np.float64)
    function = getattr(special, name)
    low, high = 1e-3 * a, 10 * a
    for _ in range(60):
        middle = 0.5 * (low + high)
        same = np.sign(function(a, middle)) == np.sign(function(a, low))
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    x = low.astype(np.float32)[:, np.newaxis] * (1 + EPS * np.arange(-8, 9, dtype=np.float32))
    x = x.astype(np.float32)
    exact = function(a[:, np.newaxis], x.astype(np.float64))
    result = _single(library, name, a[:, np.newaxis], x).astype(np.float64)
    assert _errors(result, exact).max() <= BOUND


@pytest.mark.parametrize("name", NAMES)
def test_limits(library: ctypes.CDLL, name: str) -> None:
    ends = np.array(
        [-1, -0.0, 0, 1e-45, 1e-38, 1e-10, 0.25, 1, 2, 15, 1e5, 2**25 + 4, 1e10, 1e20, 3e38,
         np.inf, np.nan], np.float32
    )  # fmt: skip
    a, x = (grid.ravel() for grid in np.meshgrid(ends, ends))
    with np.errstate(all="ignore"):
        exact = getattr(special, name)(a.astype(np.float64), x.astype(np.float64))
        expected = exact.astype(np.float32)
        result = _single(library, name, a, x)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    np.testing.assert_array_equal(result[np.isinf(expected)], expected[np.isinf(expected)])
    ordinary = np.isfinite(expected)
    with np.errstate(over="ignore"):
        assert _errors(result[ordinary].astype(np.float64), exact[ordinary]).max() <= BOUND


@pytest.mark.parametrize("name", NAMES)
def test_only_rare_points_take_the_double_path(library: ctypes.CDLL, name: str) -> None:
    if name.startswith("concentration"):
        pytest.skip("all of it is double")
    a, x = _points(name, "uniform150", np.random.default_rng(1), 4000)
    region = getattr(library, f"{name}_region")
    region.argtypes = (ctypes.c_float, ctypes.c_float)
    share = np.mean([region(p, q) == 0 for p, q in zip(a, x, strict=True)])
    assert share < 0.02


def test_regenerating_the_tables_changes_nothing() -> None:
    needs("flint")
    generator = ROOT / "scripts" / "generate_single_coefficients.py"
    checked = subprocess.run(
        [sys.executable, str(generator), "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
