"""`vmf fit` and `vmf score` on more rows than memory holds, beside reading alone.

    python -m benchmarks.large_files --gigabytes 50 --folder /mnt/scratch
    python -m benchmarks.large_files --gigabytes 6      # from the page cache, where reading is fastest

Reading alone is a process that does nothing but take the chunks of the file, by this toolkit's reader
and by the plain library. The commands run with `--memory 1GB`. Rounds alternate between the sides;
rates are of whole processes, from start to end; the peak is the resident memory that the system
counted. `.npy` is one file, Parquet a folder of files of 1 GB, 2048 float32 a row. The folder needs room for
the rows of one format at a time. The exit code is 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.fit_file import run_command
from vmf.embeddings.writing import create_embeddings

DIMENSION = 2048
ROW_BYTES = 4 * DIMENSION
CHUNK_ROWS = 1024
MEMORY = "1GB"
MEMORY_BAR_MB = 1000.0
RATE_BAR = 0.8
_POOL_ROWS = 64 * CHUNK_ROWS

READ_BY_VMF = """
import sys
from vmf.embeddings import open_embeddings
print(sum(len(rows) for _, rows in open_embeddings(sys.argv[1]).chunks()))
"""

READ_PLAIN = {
    "npy": """
import sys
import numpy as np
with open(sys.argv[1], "rb") as stream:
    np.lib.format.read_magic(stream)
    (rows, dimension), _, dtype = np.lib.format.read_array_header_1_0(stream)
    for start in range(0, rows, 1024):
        np.fromfile(stream, dtype, min(1024, rows - start) * dimension)
""",
    "parquet": """
import pathlib, sys
import pyarrow.parquet as pq
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    for batch in pq.ParquetFile(path).iter_batches(1024):
        batch.column(0).flatten().to_numpy()
""",
}


def row_blocks(rows: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows about a mean direction; drawing them all would take longer than all that is measured.

    Blocks begin anywhere in a pool of rows and are shifted by a vector of their own, so no two are alike.
    """
    mean = rng.standard_normal(DIMENSION, dtype=np.float32)
    pool = mean + rng.standard_normal((_POOL_ROWS, DIMENSION), dtype=np.float32)
    for start in range(0, rows, CHUNK_ROWS):
        count = min(CHUNK_ROWS, rows - start)
        first = rng.integers(0, _POOL_ROWS - count + 1)
        yield pool[first : first + count] + 0.1 * rng.standard_normal(DIMENSION, dtype=np.float32)


def write_rows(folder: Path, ending: str, rows: int, rng: np.random.Generator) -> Path:
    """Write the rows; the file, or the folder of files."""
    parts = 1 if ending == "npy" else max(1, round(rows * ROW_BYTES / 1e9))
    place = folder / ("rows.npy" if ending == "npy" else "parts")
    if ending != "npy":
        place.mkdir()
    for part in range(parts):
        count = rows * (part + 1) // parts - rows * part // parts
        path = place if ending == "npy" else place / f"part-{part:04d}.{ending}"
        with create_embeddings(path, (count, DIMENSION)) as writer:
            for block in row_blocks(count, rng):
                writer.append(block)
    os.sync()  # or the first process would share the disk with what is still to be written
    return place


def measure(
    folder: Path, ending: str, rows: int, repeats: int, rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Median rows a second and the largest peak of each side."""
    place = write_rows(folder, ending, rows, rng)
    model, scores = folder / "model.safetensors", folder / "scores.parquet"
    program = [sys.executable, "-c", "from vmf.cli import app; app()"]
    quiet = ["--memory", MEMORY, "--quiet", "-o"]
    sides = {
        "plain reader": [sys.executable, "-c", READ_PLAIN[ending], str(place)],
        "reading alone": [sys.executable, "-c", READ_BY_VMF, str(place)],
        "vmf fit": [*program, "fit", str(place), *quiet, str(model)],
        "vmf score": [*program, "score", str(model), str(place), *quiet, str(scores)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    peaks = dict.fromkeys(sides, 0.0)
    for _ in range(repeats):
        for name, command in sides.items():
            took, peak = run_command(command)
            seconds[name].append(took)
            peaks[name] = max(peaks[name], peak)
            print(f"  {ending} {name}: {took:.1f} s, {peak:.0f} MB", flush=True)
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    # Against the reading of its own round: what a shared disk gives changes from minute to minute.
    reading = seconds["reading alone"]
    return {
        name: {
            "rows_per_second": rows / statistics.median(taken),
            "of_reading": statistics.median(r / t for r, t in zip(reading, taken, strict=True)),
            "peak_mb": peaks[name],
        }
        for name, taken in seconds.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, default=50.0)
    parser.add_argument("--formats", nargs="+", choices=READ_PLAIN, default=list(READ_PLAIN))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="default: the system's temporary folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args(arguments)
    rows = int(options.gigabytes * 1e9 / ROW_BYTES)
    rng = np.random.default_rng(options.seed)
    head = "| format | side | rows/s | GB/s | of reading alone | peak, MB |"
    lines = [head, "|---|---|---:|---:|---:|---:|"]
    record, met = {}, True
    for ending in options.formats:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            found = measure(Path(name), ending, rows, options.repeats, rng)
        record[ending] = found
        for side, one in found.items():
            if side.startswith("vmf "):
                met &= one["of_reading"] >= RATE_BAR and one["peak_mb"] <= MEMORY_BAR_MB
            lines.append(
                f"| `.{ending}` | {side} | {one['rows_per_second']:,.0f} |"
                f" {one['rows_per_second'] * ROW_BYTES / 1e9:.2f} | {one['of_reading']:.2f} |"
                f" {one['peak_mb']:.0f} |"
            )
    print("\n".join(lines))
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        text = (
            f"# {options.gigabytes:g} GB of embeddings within {MEMORY} of memory\n\n"
            f"`python -m benchmarks.large_files --gigabytes {options.gigabytes:g} --repeats"
            f" {options.repeats}`: {rows:,} rows of {DIMENSION} float32, whole processes, median of"
            f" {options.repeats} rounds; {os.cpu_count()} cores, Python {platform.python_version()}."
            f" Bars: {RATE_BAR} of reading alone, {MEMORY_BAR_MB:.0f} MB.\n\n"
        )
        options.markdown.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    print("bars met" if met else "a bar was missed")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
