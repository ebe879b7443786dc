"""Accuracy, tests and throughput on the GPU of this machine, written to benchmarks/results/.

    python -m benchmarks.gpu
    python -m benchmarks.gpu --arguments 10000000 --rows 100000 --skip-tests

Throughput is given as a share of the card's limit for the work: the larger of bytes over copy
bandwidth and float64 operations over the rate of multiply-adds, both measured here, on this card.
Exit code 0 if every bar is met, 1 if one is missed, 2 where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.operations import operations
from vmf import SufficientStatistics, _core, special
from vmf.arrays.gpu import require_cupy
from vmf.errors import GPUUnavailableError
from vmf.experiments import accuracy, point_sets
from vmf.experiments.timing import nanoseconds, seconds_on_gpu
from vmf.special._table import NAMES

RESULTS = Path(__file__).resolve().parent / "results"
ONE_ORDER_BAR, MIXED_BAR, FIT_BAR = 0.50, 0.25, 0.80
SINGLE_BAR, SINGLE_EPS = 4.0, 2.0**-23
TIMED = ("log_iv", "log_kv", "log_normalizer")
ONE_ORDER = 255.0  # p = 512

MULTIPLY_ADDS = r"""
extern "C" __global__ void multiply_adds(double* out, double a, double b, int rounds) {
    double s[8];
    for (int k = 0; k < 8; ++k) s[k] = threadIdx.x + k;
    for (int i = 0; i < rounds; ++i)
#pragma unroll
        for (int k = 0; k < 8; ++k) s[k] = fma(s[k], a, b);
    double sum = 0.0;
    for (int k = 0; k < 8; ++k) sum += s[k];
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
"""

Row = dict[str, Any]


class OnDevice:
    """`vmf.special` for NumPy arrays, computed on the GPU."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(special, name)

        def on_device(a: Any, x: Any) -> Any:
            return self._cupy.asnumpy(function(self._cupy.asarray(a), self._cupy.asarray(x)))

        return on_device


def limits(cupy: Any) -> dict[str, float]:
    """Measured copy bandwidth (bytes read and written, GB/s) and float64 GFLOP/s of multiply-adds."""
    n = 2**27
    source, target = cupy.ones(n), cupy.empty(n)
    copy = seconds_on_gpu(cupy, lambda: cupy.copyto(target, source))
    kernel = cupy.RawKernel(MULTIPLY_ADDS, "multiply_adds")
    blocks = 16 * cupy.cuda.Device().attributes["MultiProcessorCount"]
    rounds, out = 4096, cupy.empty(blocks * 256)
    arguments = (out, np.float64(0.999), np.float64(1e-3), np.int32(rounds))
    adding = seconds_on_gpu(cupy, lambda: kernel((blocks,), (256,), arguments))
    return {
        "copy_gb_s": 16 * n / copy / 1e9,
        "float64_gflop_s": 2.0 * 8 * rounds * blocks * 256 / adding / 1e9,
    }


def environment(cupy: Any) -> Row:
    """Device, driver and versions."""
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        driver = "unknown"
    return {
        "device": properties["name"].decode(),
        "compute_capability": f"{properties['major']}.{properties['minor']}",
        "memory_gib": round(properties["totalGlobalMem"] / 2**30, 1),
        "driver": driver,
        "cuda_runtime": cupy.cuda.runtime.runtimeGetVersion(),
        "nvrtc": ".".join(map(str, cupy.cuda.nvrtc.getVersion())),
        "cupy": cupy.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "vmf": metadata.version("vmf-toolkit"),
    }


def accuracy_double(cupy: Any, seed: int, n: int, jobs: int) -> list[accuracy.Row]:
    """Rows of `vmf.experiments.accuracy`, the bars of the core, for values computed on the GPU."""
    references = accuracy.References(jobs)
    rng = np.random.default_rng(seed)
    of_order = [name for name in NAMES if name in accuracy.arb.ORDER_FUNCTIONS]
    of_dimension = [name for name in NAMES if name in accuracy.arb.DIMENSION_FUNCTIONS]
    rows: list[accuracy.Row] = []
    try:
        for points in (*point_sets.RANGES, "zero_order", "borders"):
            names = ["log_iv"] if points == "zero_order" else of_order
            rows += accuracy.measure(points, names, OnDevice(cupy), rng, n, references)
        rows += accuracy.measure("dimensions", of_dimension, OnDevice(cupy), rng, n, references)
        inverses = ["concentration", "concentration_c"]
        rows += accuracy.measure("concentration", inverses, OnDevice(cupy), rng, n, references)
    finally:
        references.close()
    return rows


def accuracy_single(cupy: Any, seed: int, n: int) -> list[Row]:
    """Largest float32 error in units of 2^-23 max(1, |value|), against float64 on the host."""
    rows = []
    rng = np.random.default_rng(seed)
    for name in NAMES:
        for points, draw in point_sets.RANGES.items():
            v, x = draw(rng, n)
            if name not in accuracy.arb.ORDER_FUNCTIONS:
                v = 2 * v + 2
            if name.startswith("concentration"):
                x = rng.uniform(0, 1, n)
            v, x = v.astype(np.float32), np.maximum(x.astype(np.float32), np.float32(1e-37))
            with np.errstate(all="ignore"):
                exact = getattr(special, name)(v.astype(np.float64), x.astype(np.float64))
                found = getattr(OnDevice(cupy), name)(v, x).astype(np.float64)
                error = np.abs(found - exact) / np.maximum(1.0, np.abs(exact)) / SINGLE_EPS
            error = np.where(np.abs(exact) <= np.finfo(np.float32).max, error, 0.0)
            error = np.where(np.isnan(error), np.inf, error)
            worst = float(error.max())
            rows.append(
                {"function": name, "points": points, "max_eps": worst, "met": worst <= SINGLE_BAR}
            )
    return rows


def throughput(cupy: Any, card: dict[str, float], seed: int, n: int) -> list[Row]:
    """Values a second of the special functions, as shares of the card's limit, and beside peers."""
    rng = np.random.default_rng(seed)
    rows = []
    m = min(n, 2**22)  # drawn on the host and repeated: what matters is the mixture

    def spread(values: Any, dtype: Any) -> Any:
        return cupy.resize(cupy.asarray(values.astype(dtype)), n)

    for name in TIMED:
        of_order = name in accuracy.arb.ORDER_FUNCTIONS
        kappa = point_sets.log_uniform(rng, 1e-1, 1e6, m)
        v, x = point_sets.vmf(rng, m)
        wide, narrow = point_sets.uniform1e4(rng, m)
        order = np.argsort(_core.region(name, v if of_order else 2 * v + 2, x), kind="stable")
        cases = {
            "one order": (np.full(m, ONE_ORDER), kappa),
            "mixed": (v, x),
            "mixed, one region": (wide + 2500.0, narrow),
            "mixed, sorted by region": (v[order], x[order]),
        }
        for case, (first, second) in cases.items():
            given = first if of_order else 2 * first + 2
            work = operations(name, given[:20_000], second[:20_000])
            for dtype in (np.float64, np.float32):
                a: Any = float(given[0]) if case == "one order" else spread(given, dtype)
                argument = spread(second, dtype)
                if case == "mixed, sorted by region":
                    # Repeated as runs, so that the whole array is sorted.
                    a = cupy.repeat(cupy.asarray(given.astype(dtype)), -(-n // m))[:n]
                    argument = cupy.repeat(cupy.asarray(second.astype(dtype)), -(-n // m))[:n]
                out = cupy.empty(n, dtype)
                function = getattr(special, name)
                taken = seconds_on_gpu(
                    cupy, lambda f=function, p=a, q=argument, o=out: f(p, q, out=o)
                )
                size = np.dtype(dtype).itemsize * (2 if case == "one order" else 3)
                by_bytes = size * n / card["copy_gb_s"] / 1e9
                row: Row = {
                    "function": name, "case": case, "dtype": np.dtype(dtype).name, "values": n,
                    "ns_a_value": 1e9 * taken / n, "share_of_bandwidth": by_bytes / taken,
                }  # fmt: skip
                if dtype is np.float64 and work is not None:
                    by_work = work * n / card["float64_gflop_s"] / 1e9
                    row |= {
                        "operations": work,
                        "share_of_limit": max(by_bytes, by_work) / taken,
                    }
                    if name in ("log_iv", "log_kv") and case in ("one order", "mixed"):
                        row["bar"] = ONE_ORDER_BAR if case == "one order" else MIXED_BAR
                        row["met"] = row["share_of_limit"] >= row["bar"]
                    row["times_scipy_one_core"] = _scipy(name, first, second, taken / n)
                del out, a, argument
                rows.append(row)
    return rows


def _scipy(name: str, v: Any, x: Any, seconds_a_value: float) -> float | None:
    if name not in ("log_iv", "log_kv"):
        return None
    try:
        from vmf.experiments.implementations import SCIPY as peer
    except ImportError:
        return None
    v, x = v[:20_000], x[:20_000]
    with np.errstate(all="ignore"):
        taken = nanoseconds(getattr(peer, name), v, x)
    return 1e-9 * taken / seconds_a_value


def peers(cupy: Any, seed: int, n: int) -> list[Row]:
    """The same card, the same points: log I_0 and log I_1 of other libraries, log I_v where offered."""
    x = point_sets.log_uniform(np.random.default_rng(seed), 1e-1, 1e6, n)
    on_device = cupy.asarray(x)
    rows: list[Row] = []
    for order in (0.0, 1.0, ONE_ORDER):
        taken = seconds_on_gpu(cupy, lambda v=order: special.log_ive(v, on_device))
        rows.append(
            {"library": "vmf", "function": f"log_ive, v = {order:g}", "ns_a_value": taken / n * 1e9}
        )
    calls: dict[tuple[str, str], Callable[[], Callable[[], object]]] = {
        ("cupyx", "log(i0e)"): lambda: _cupyx(cupy, "i0e", on_device),
        ("cupyx", "log(i1e)"): lambda: _cupyx(cupy, "i1e", on_device),
        ("torch", "log(i0e)"): lambda: _torch("i0e", on_device),
        ("torch", "log(i1e)"): lambda: _torch("i1e", on_device),
        ("tensorflow_probability on jax", f"log_bessel_ive, v = {ONE_ORDER:g}"): lambda: _tfp(x),
    }
    for (library, function), prepare in calls.items():
        row: Row = {"library": library, "function": function}
        try:
            row["ns_a_value"] = seconds_on_gpu(cupy, prepare()) / n * 1e9
        except (ImportError, AttributeError) as error:
            row["not_measured"] = str(error).splitlines()[0]
        rows.append(row)
    return rows


def _cupyx(cupy: Any, name: str, x: Any) -> Callable[[], object]:
    function = getattr(import_module("cupyx.scipy.special"), name)
    return lambda: cupy.log(function(x))


def _torch(name: str, x: Any) -> Callable[[], object]:
    torch = import_module("torch")
    if not torch.cuda.is_available():
        raise ImportError("this torch has no CUDA")
    tensor = torch.from_dlpack(x)
    function = getattr(torch.special, name)

    def call() -> None:
        torch.log(function(tensor))
        torch.cuda.synchronize()

    return call


def _tfp(x: Any) -> Callable[[], object]:
    jax = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    if jax.default_backend() != "gpu":
        raise ImportError("this jax has no GPU")
    tfp = import_module("tensorflow_probability.substrates.jax")
    argument = jax.numpy.asarray(x)
    function = jax.jit(lambda z: tfp.math.log_bessel_ive(ONE_ORDER, z))
    return lambda: function(argument).block_until_ready()


def fit(cupy: Any, card: dict[str, float], count: int, dim: int) -> Row:
    """Sufficient statistics of float32 rows on the device; bytes read once over copy bandwidth."""
    free = int(cupy.cuda.Device().mem_info[0])
    count = min(count, int(0.8 * free) // (4 * dim))
    rows = cupy.empty((count, dim), np.float32)
    generator = cupy.random.default_rng(1)
    for start in range(0, count, 2**14):
        part = rows[start : start + 2**14]
        part[...] = generator.standard_normal(part.shape, dtype=np.float32) + np.float32(0.02)
    taken = seconds_on_gpu(cupy, lambda: SufficientStatistics.from_rows(rows), repeats=5)
    share = rows.nbytes / taken / 1e9 / card["copy_gb_s"]
    return {
        "rows": count, "dim": dim, "dtype": "float32", "seconds": taken,
        "share_of_copy_bandwidth": share, "bar": FIT_BAR, "met": share >= FIT_BAR,
    }  # fmt: skip


def gpu_tests() -> Row:
    """Run tests/gpu, the kernels on the GPU among them."""
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "pytest", "-q", str(root / "tests" / "gpu")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    summary = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "no output"
    return {"command": "pytest tests/gpu", "summary": summary, "met": done.returncode == 0}


def _table(rows: list[Row]) -> list[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))

    def cell(value: Any) -> str:
        if isinstance(value, bool):
            return "met" if value else "MISSED"
        return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)

    return [
        "| " + " | ".join(column.replace("_", " ") for column in columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(cell(row.get(column)) for column in columns) + " |" for row in rows),
    ]


def markdown(report: Row) -> str:
    """Return the report as tables."""
    lines = [f"# {report['environment']['device']}", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in report["environment"].items()]
    lines += [
        f"- measured {key.replace('_', ' ')}: {value:.5g}"
        for key, value in report["limits"].items()
    ]
    lines += [f"- seed: {report['seed']}", f"- command: `{report['command']}`", ""]
    for title in ("tests", "fit", "throughput", "peers", "float32", "float64"):
        if title in report:
            rows = report[title] if isinstance(report[title], list) else [report[title]]
            lines += [f"## {title}", "", *_table(rows), ""]
    return "\n".join(lines)


def missed(report: Row) -> list[Row]:
    """Return the rows of the report whose bar is not met."""
    rows = [row for part in report.values() for row in (part if isinstance(part, list) else [part])]
    return [row for row in rows if isinstance(row, dict) and row.get("met") is False]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--arguments", type=int, default=10**8, help="values a call (default 1e8)")
    parser.add_argument("--rows", type=int, default=10**6, help="rows of the fit (default 1e6)")
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--points", type=int, default=20_000, help="points of an accuracy set")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes for references"
    )
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--skip-tests", action="store_true")
    parser.add_argument("--skip-accuracy", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    try:
        cupy = require_cupy()
    except GPUUnavailableError as error:
        print(f"benchmarks.gpu: {error}", file=sys.stderr)
        return 2
    seed = options.seed if options.seed is not None else secrets.randbits(32)
    report: Row = {
        "command": " ".join(["python -m benchmarks.gpu", *(arguments or sys.argv[1:])]),
        "seed": seed,
        "environment": environment(cupy),
        "limits": limits(cupy),
    }
    card = report["limits"]
    report["throughput"] = throughput(cupy, card, seed, options.arguments)
    report["peers"] = peers(cupy, seed, min(options.arguments, 10**7))
    cupy.get_default_memory_pool().free_all_blocks()
    report["fit"] = fit(cupy, card, options.rows, options.dim)
    cupy.get_default_memory_pool().free_all_blocks()
    if not options.skip_accuracy:
        report["float32"] = accuracy_single(cupy, seed, options.points)
        double = accuracy_double(cupy, seed, options.points, options.jobs)
        report["float64"] = [{**asdict(row), "met": row.ok} for row in double]
    if not options.skip_tests:
        report["tests"] = gpu_tests()
    options.output.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", report["environment"]["device"].lower()).strip("-")
    target = options.output / f"gpu-{name}"
    target.with_suffix(".json").write_text(json.dumps(report, indent=1, default=str) + "\n")
    target.with_suffix(".md").write_text(markdown(report))
    print(markdown(report))
    late = missed(report)
    for row in late:
        print(f"missed: {row}", file=sys.stderr)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
