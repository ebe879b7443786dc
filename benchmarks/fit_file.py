"""`vmf fit` on a file: its time beside a plain NumPy pass, and its peak memory on a large file.

    python -m benchmarks.fit_file
    python -m benchmarks.fit_file --large-gb 0          # the time only
    python -m benchmarks.fit_file --folder /mnt/scratch # where the temporary files go

The NumPy pass loads the file, divides every row by its norm and sums the rows; nothing else.

    X = np.load(path); S = (X / np.linalg.norm(X, axis=1, keepdims=True)).sum(axis=0)

Both sides are timed twice over: as commands, from the shell's prompt to its return (so with the
time that Python takes to start and to import), and as calls in one process. Repeats alternate
between the sides; the files are in the page cache. The exit code is 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from vmf.experiments.timing import alternating, seconds
from vmf.jobs.fit import fit_files

TIME_BAR, MEMORY_BAR_MB = 1.3, 500.0
ROWS, DIMENSION = 20_000, 2048

NUMPY_COMMAND = """
import sys
import numpy as np
X = np.load(sys.argv[1])
S = (X / np.linalg.norm(X, axis=1, keepdims=True)).sum(axis=0)
"""

# Between fork and exec a child counts its parent's memory as its own, so the parent is a small one.
LAUNCHER = """
import os, sys, time
begin = time.perf_counter()
child = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - begin
print([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss])
"""


def write_rows(path: Path, rows: int, dimension: int, rng: np.random.Generator) -> None:
    """Write random float32 rows about a mean direction, a block at a time."""
    mean = rng.standard_normal(dimension, dtype=np.float32)
    with open(path, "wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, dimension)}
        np.lib.format.write_array_header_1_0(stream, header)
        for start in range(0, rows, 4096):
            count = min(4096, rows - start)
            stream.write(mean + rng.standard_normal((count, dimension), dtype=np.float32))


def numpy_pass(path: Path) -> None:
    """Normalise and sum, as one would at the prompt."""
    rows = np.load(path)
    (rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=0)


def run_command(command: list[str]) -> tuple[float, float]:
    """Seconds and peak resident memory in MB of a child process."""
    launcher = [sys.executable, "-S", "-E", "-c", LAUNCHER, *command]
    done = subprocess.run(launcher, stdout=subprocess.PIPE, text=True, check=True)
    code, took, peak = json.loads(done.stdout.splitlines()[-1])
    if code:
        raise SystemExit(f"{' '.join(command)} ended with exit code {code}")
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return took, peak / unit


def time_fit(folder: Path, repeats: int, rng: np.random.Generator) -> dict[str, float]:
    """Print and return the ratios of medians, `vmf fit` over NumPy."""
    path, model = folder / "rows.npy", folder / "model.safetensors"
    write_rows(path, ROWS, DIMENSION, rng)
    vmf = [sys.executable, "-c", "from vmf.cli import app; app()", "fit", str(path)]
    vmf += ["--quiet", "-o", str(model)]
    plain = [sys.executable, "-c", NUMPY_COMMAND, str(path)]
    print(f"{ROWS} x {DIMENSION} float32, {path.stat().st_size / 1e6:.0f} MB, {repeats} repeats")
    ratios = {}
    for kind, sides in {
        "command": {
            "vmf fit": lambda: run_command(vmf)[0],
            "NumPy": lambda: run_command(plain)[0],
        },
        "call": {
            "vmf fit": lambda: seconds(lambda: fit_files([path])),
            "NumPy": lambda: seconds(lambda: numpy_pass(path)),
        },
    }.items():
        found = alternating(sides, repeats)
        median = {name: statistics.median(times) for name, times in found.items()}
        for name, times in found.items():
            print(
                f"  {kind:7}  {name:7}  {median[name]:.3f} s  ({min(times):.3f} to {max(times):.3f})"
            )
        ratios[kind] = median["vmf fit"] / median["NumPy"]
        print(f"  {kind:7}  ratio    {ratios[kind]:.2f}  (bar: {TIME_BAR})")
    path.unlink()
    return ratios


def measure_memory(folder: Path, gigabytes: float, rng: np.random.Generator) -> dict[str, float]:
    """Print and return rows/s and the peak memory of `vmf fit` on a file of this size."""
    rows = int(gigabytes * 1e9 / (4 * DIMENSION))
    path, model = folder / "large.npy", folder / "large.safetensors"
    write_rows(path, rows, DIMENSION, rng)
    command = [sys.executable, "-c", "from vmf.cli import app; app()", "fit", str(path)]
    took, peak = run_command([*command, "--quiet", "-o", str(model)])
    print(f"{rows} x {DIMENSION} float32, {path.stat().st_size / 1e9:.2f} GB:")
    rate = rows / took
    print(f"  {took:.1f} s, {rate:,.0f} rows/s, {4e-9 * DIMENSION * rate:.2f} GB/s")
    print(f"  peak resident memory {peak:.0f} MB  (bar: {MEMORY_BAR_MB:.0f} MB)")
    path.unlink()
    return {"seconds": took, "rows": rows, "peak_mb": peak}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--large-gb", type=float, default=6.0, help="0 leaves the large file out")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="default: the system's temporary folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)

    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        ratios = time_fit(folder, options.repeats, rng)
        record: dict[str, object] = {"ratios": ratios}
        met = all(ratio <= TIME_BAR for ratio in ratios.values())
        if options.large_gb:
            large = measure_memory(folder, options.large_gb, rng)
            record["large"] = large
            met &= large["peak_mb"] < MEMORY_BAR_MB
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    print("bars met" if met else "a bar was missed")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
