"""Rows a second of every embedding format, beside the plain library that reads it.

    python -m benchmarks.formats
    python -m benchmarks.formats --formats npy parquet --megabytes 1024 --folder /mnt/scratch

Both sides read the same file, 2048 float32 a row, in chunks of 8 MB to NumPy arrays of their own, and
drop them. The files are in the page cache: what is compared is the work of the readers. The two
sides alternate, each number is a median. Ours checks what it reads besides (counts, changes of the
file, checksums); the plain side is what one writes by hand.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vmf.embeddings import open_embeddings
from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES
from vmf.embeddings.writing import create_embeddings
from vmf.experiments.timing import alternating, seconds

DIMENSION = 2048
CHUNK_ROWS = DEFAULT_CHUNK_BYTES // (4 * DIMENSION)
TEXT_SHARE = 8
"""Text is this many times slower, so its files have this many times fewer rows."""

Blocks = Iterator[np.ndarray]


def npy_fromfile(path: Path) -> Blocks:
    with open(path, "rb") as stream:
        version = np.lib.format.read_magic(stream)
        assert version == (1, 0)
        (rows, dimension), _, dtype = np.lib.format.read_array_header_1_0(stream)
        for start in range(0, rows, CHUNK_ROWS):
            count = min(CHUNK_ROWS, rows - start)
            yield np.fromfile(stream, dtype, count * dimension).reshape(count, dimension)


def npz(path: Path) -> Blocks:
    with np.load(path) as archive:
        yield archive["embedding"]


def csv_loadtxt(path: Path) -> Blocks:
    yield np.loadtxt(path, delimiter=",", skiprows=1)


def csv_pandas(path: Path) -> Blocks:
    import pandas as pd

    rows = DEFAULT_CHUNK_BYTES // (8 * DIMENSION)
    for frame in pd.read_csv(path, chunksize=rows):  # since pandas 3 exact by default
        yield frame.to_numpy()


def parquet(path: Path) -> Blocks:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(CHUNK_ROWS):
        yield batch.column(0).flatten().to_numpy().reshape(-1, DIMENSION)


def arrow(path: Path) -> Blocks:
    import pyarrow as pa

    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
        for number in range(reader.num_record_batches):
            column = reader.get_batch(number).column(0)
            values = column.flatten().to_numpy().reshape(-1, DIMENSION)
            for start in range(0, len(values), CHUNK_ROWS):
                yield values[start : start + CHUNK_ROWS]


def hdf5(path: Path) -> Blocks:
    import h5py

    with h5py.File(path) as file:
        dataset = file["embedding"]
        for start in range(0, len(dataset), CHUNK_ROWS):
            yield dataset[start : start + CHUNK_ROWS]


def zarr(path: Path) -> Blocks:
    import zarr

    array = zarr.open_array(path / "embedding", mode="r")
    for start in range(0, array.shape[0], CHUNK_ROWS):
        yield array[start : start + CHUNK_ROWS]


def safetensors(path: Path) -> Blocks:
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        tensor = file.get_slice("embedding")
        for start in range(0, tensor.get_shape()[0], CHUNK_ROWS):
            yield tensor[start : start + CHUNK_ROWS]


def pytorch(path: Path) -> Blocks:
    import torch

    tensor = torch.load(path, weights_only=True, mmap=True)
    for start in range(0, len(tensor), CHUNK_ROWS):
        yield tensor[start : start + CHUNK_ROWS].numpy().copy()


PLAIN: dict[str, dict[str, Callable[[Path], Blocks]]] = {
    "npy": {"np.fromfile": npy_fromfile},
    "npz": {"np.load": npz},
    "csv": {"pandas": csv_pandas, "np.loadtxt": csv_loadtxt},
    "csv.gz": {"pandas": csv_pandas},
    "parquet": {"pyarrow iter_batches": parquet},
    "arrow": {"pyarrow.ipc": arrow},
    "h5": {"h5py": hdf5},
    "zarr": {"zarr": zarr},
    "safetensors": {"safetensors": safetensors},
    "pt": {"torch.load (mmap)": pytorch},
}


def ours(path: Path) -> Blocks:
    for _, rows in open_embeddings(path).chunks():
        yield rows


def reading(read: Callable[[Path], Blocks], path: Path, rows: int) -> Callable[[], float]:
    """What measures the seconds of one pass over the file."""

    def whole() -> None:
        assert sum(len(block) for block in read(path)) == rows

    return lambda: seconds(whole)


def measure(ending: str, path: Path, rows: int, repeats: int) -> list[tuple[str, float, float]]:
    """Name, and the medians of rows a second of ours and of each plain reader."""
    readers = {"": ours, **PLAIN[ending]}
    sides = {name: reading(read, path, rows) for name, read in readers.items()}
    taken = alternating(sides, repeats)
    rate = {name: rows / statistics.median(times) for name, times in taken.items()}
    return [(name, rate[""], rate[name]) for name in PLAIN[ending]]


def write(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    with create_embeddings(path, (rows, DIMENSION), "float32") as writer:
        for start in range(0, rows, CHUNK_ROWS):
            count = min(CHUNK_ROWS, rows - start)
            writer.append(np.maximum(rng.standard_normal((count, DIMENSION), np.float32), 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--formats", nargs="+", choices=PLAIN, default=list(PLAIN))
    parser.add_argument("--megabytes", type=int, default=256, help="of float32 in a file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the temporary files go")
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    lines = [
        "| format | file, MB | plain reader | plain, rows/s | vmf, rows/s | vmf, MB/s of float32 | vmf / plain |",
        "|---|---|---|---|---|---|---|",
    ]
    for ending in arguments.formats:
        rows = (arguments.megabytes << 20) // (4 * DIMENSION)
        rows //= TEXT_SHARE if ending.startswith("csv") else 1
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            path = Path(folder) / f"x.{ending}"
            write(path, rows)
            files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
            size = sum(file.stat().st_size for file in files) / 1e6
            for name, mine, plain in measure(ending, path, rows, arguments.repeats):
                lines.append(
                    f"| `.{ending}` | {size:.0f} | {name} | {plain:,.0f} | {mine:,.0f} |"
                    f" {mine * 4 * DIMENSION / 1e6:,.0f} | {mine / plain:.2f} |"
                )
                print(lines[-1], flush=True)
    if arguments.markdown:
        head = (
            "# Reading embeddings: rows a second\n\n"
            f"`python -m benchmarks.formats --megabytes {arguments.megabytes}"
            f" --repeats {arguments.repeats}`: {DIMENSION} float32 a row, half of them 0 as after a"
            f" ReLU; text files have 1/{TEXT_SHARE} of the rows. Page cache warm, chunks of 8 MB, the"
            " sides alternating, medians; one thread of arithmetic,"
            f" {platform.machine()}, Python {platform.python_version()}.\n\n"
        )
        arguments.markdown.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
