"""The table of formats in docs/embeddings.md, cell by cell."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vmf.embeddings import open_embeddings, registry
from vmf.embeddings.writing import create_embeddings
from vmf.errors import EmbeddingError

ROOT = Path(__file__).parents[2]
ROWS = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
COLUMNS = ("read", "write", "sniff", "stream", "column choice", "bad file")


def table() -> dict[str, dict[str, str]]:
    """Extension to the cells of its row."""
    text = (ROOT / "docs" / "embeddings.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heading, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert heading == ["format", *COLUMNS]
    return {
        extension: dict(zip(COLUMNS, cells, strict=True))
        for first, *cells in body
        for extension in re.findall(r"`([^`]+)`", first)
    }


TABLE = table() if (ROOT / "docs").is_dir() else {}
EXTENSIONS = registry.extensions()
WRITTEN = registry.extensions(lambda known: known.writing is not None)
every = pytest.mark.parametrize("ending", EXTENSIONS)
LIBRARIES = {
    ".parquet": "pyarrow", ".pq": "pyarrow", ".arrow": "pyarrow", ".feather": "pyarrow",
    ".ipc": "pyarrow", ".h5": "h5py", ".hdf5": "h5py", ".zarr": "zarr", ".pt": "torch",
    ".pth": "torch", ".zst": "zstandard",
}  # fmt: skip


def known(ending: str) -> registry.Format:
    found = registry.format_by_name(Path(f"x{ending}"))
    assert found is not None
    return found


def library(ending: str) -> None:
    """Skip where the library of a format is not installed."""
    for name, module in LIBRARIES.items():
        if ending.endswith(name):
            pytest.importorskip(module)


# What other libraries write: the tensor v, and beside it w of another dimension.


def text(rows: np.ndarray, delimiter: str = ",") -> bytes:
    lines = [delimiter.join(map(repr, map(float, row))) for row in rows]
    return "\n".join([delimiter.join(f"x{i}" for i in range(rows.shape[1])), *lines]).encode()


def write_text(path: Path, rows: np.ndarray, both: bool = False) -> None:
    rows = np.hstack([rows, rows[:, :3]]) if both else rows
    content = text(rows, "\t" if ".tsv" in path.name else ",")
    if path.suffix == ".gz":
        content = gzip.compress(content)
    elif path.suffix == ".zst":
        content = pytest.importorskip("zstandard").compress(content)
    path.write_bytes(content)


def write_npz(path: Path, rows: np.ndarray, both: bool = False) -> None:
    np.savez_compressed(path, v=rows, **({"w": rows[:, :3]} if both else {}))


def write_arrow(path: Path, rows: np.ndarray, both: bool = False) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def lists(values):
        flat = pa.array(np.ascontiguousarray(values).ravel())
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])

    content = pa.table({"v": lists(rows), **({"w": lists(rows[:, :3])} if both else {})})
    band = max(1, len(rows) // 16)
    if path.suffix in (".parquet", ".pq"):
        pq.write_table(content, path, row_group_size=band, use_dictionary=False)
        return
    opener = pa.ipc.new_stream if path.suffix == ".ipc" else pa.ipc.new_file
    with opener(str(path), content.schema) as writer:
        writer.write_table(content, max_chunksize=band)


def write_h5(path: Path, rows: np.ndarray, both: bool = False) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        band = max(1, len(rows) // 16)
        file.create_dataset("v", data=rows, chunks=(band, rows.shape[1]), compression="lzf")
        if both:
            file["w"] = rows[:, :3]


def write_zarr(path: Path, rows: np.ndarray, both: bool = False) -> None:
    import zarr

    group = zarr.open_group(path, mode="w")
    group.create_array("v", data=rows, chunks=(max(1, len(rows) // 16), rows.shape[1]))
    if both:
        group.create_array("w", data=rows[:, :3])


def write_safetensors(path: Path, rows: np.ndarray, both: bool = False) -> None:
    from safetensors.numpy import save_file

    save_file({"v": rows, **({"w": rows[:, :3].copy()} if both else {})}, path)


def write_pt(path: Path, rows: np.ndarray, both: bool = False) -> None:
    import torch

    v = torch.tensor(rows)
    torch.save({"v": v, "w": v[:, :3].clone()} if both else v, path)


def write_npy(path: Path, rows: np.ndarray) -> None:
    np.save(path, rows)


WRITERS = {
    "npy": write_npy, "npz": write_npz, "csv": write_text, "parquet": write_arrow,
    "arrow": write_arrow, "arrow stream": write_arrow, "hdf5": write_h5, "zarr": write_zarr,
    "safetensors": write_safetensors, "pytorch": write_pt,
}  # fmt: skip


@pytest.fixture
def made(tmp_path):
    """Write a file by another library than this one."""

    def make(ending, rows=ROWS, **how):
        library(ending)
        WRITERS[known(ending).name](tmp_path / f"x{ending}", rows, **how)
        return tmp_path / f"x{ending}"

    return make


def read(path, column=None) -> np.ndarray:
    return np.concatenate([block for _, block in open_embeddings(path, column).chunks(rows=7)])


@pytest.mark.skipif(not TABLE, reason="the documentation is not in this distribution")
def test_the_page_and_the_registry_agree():
    assert list(TABLE) != []
    assert set(TABLE) == set(EXTENSIONS)
    for ending, cells in TABLE.items():
        one = known(ending)
        writing = one.writing
        said = "no" if writing is None else "yes"
        assert re.split(r"\W", cells["write"])[0] == said, ending
        if writing is not None:
            assert ("no int8" in cells["write"]) == (not writing.scale and one.name != "npy")
            assert ("no text beside" in cells["write"]) == (not writing.text)
        by_content = bool(one.signature or one.recognises)
        expected = "by its metadata" if one.name == "zarr" else "by content"
        assert cells["sniff"] == (expected if by_content else "by ending"), ending
        assert (cells["column choice"] == "-") == (not one.takes_column), ending
        assert cells["bad file"].startswith("one line")


@every
def test_read(made, ending):
    file = open_embeddings(made(ending))
    assert file.shape == (50, 4)
    np.testing.assert_array_equal(read(made(ending)), ROWS)


@every
def test_write(tmp_path, ending):
    library(ending)
    path = tmp_path / f"x{ending}"
    if ending not in WRITTEN:
        with pytest.raises(EmbeddingError, match="the output is one of"):
            write_ours(path)
        return
    write_ours(path)
    np.testing.assert_array_equal(read(path), ROWS)
    assert os.listdir(tmp_path) == [path.name]


def write_ours(path):
    with create_embeddings(path, ROWS.shape, "float32") as writer:
        writer.append(ROWS[:30])
        writer.append(ROWS[30:])


@every
def test_sniff(made, tmp_path, ending):
    path = made(ending)
    os.rename(path, tmp_path / "x.bin")
    if known(ending).signature or known(ending).recognises:
        np.testing.assert_array_equal(read(tmp_path / "x.bin"), ROWS)
        assert open_embeddings(tmp_path / "x.bin").format in known(ending).name
    else:
        with pytest.raises(EmbeddingError, match="looks like a text file"):
            open_embeddings(tmp_path / "x.bin")


@every
def test_column_choice(made, ending):
    if not known(ending).takes_column:
        with pytest.raises(EmbeddingError, match="column does not apply"):
            open_embeddings(made(ending), "v")
        return
    path = made(ending, both=True)
    first, second = ("x0,x1,x2,x3", "4:7") if known(ending).name == "csv" else ("v", "w")
    np.testing.assert_array_equal(read(path, first), ROWS)
    np.testing.assert_array_equal(read(path, second), ROWS[:, :3])
    with pytest.raises(EmbeddingError, match=r"has no .*'none'"):
        open_embeddings(path, "none")
    if known(ending).name != "csv":
        with pytest.raises(EmbeddingError, match=r"choose one|has several list columns"):
            open_embeddings(path)


def spoil_by_half(path: Path) -> None:
    """Cut a file in the middle; of a store the largest of its files."""
    target = path
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file() and "json" not in file.name]
        target = max(files, key=lambda file: file.stat().st_size)
    content = target.read_bytes()
    half = content[: len(content) // 2]
    if path.suffix in (".csv", ".tsv", ".txt"):  # a text that ends between two lines is whole
        half = half[: half.rindex(b"\t" if path.suffix == ".tsv" else b",")]
    target.write_bytes(half)


def spoil_the_beginning(path: Path) -> None:
    target = next(path.rglob("zarr.json")) if path.is_dir() else path
    content = target.read_bytes()
    target.write_bytes(b"\0" * 64 + content[64:])


@pytest.mark.parametrize("spoil", [spoil_by_half, spoil_the_beginning])
@every
def test_bad_file(made, ending, spoil):
    path = made(ending)
    spoil(path)
    with pytest.raises(EmbeddingError) as caught:
        read(path)
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith(str(path))


# Memory: one process reads files of 32 MB (text 15, .pt 96) in chunks of 1 MB, one after the other.

CHUNK = 1 << 20
ROWS_OF = {".csv": 1500, ".csv.gz": 1500, ".csv.zst": 1500, ".pt": 49152}
LIMIT = {".parquet": 20 << 20, ".h5": 20 << 20, ".pt": 44 << 20}
"""Decoders hold a row group, a band of chunks or a buffer of 2 MB here, some of it twice; what is
mapped of a .pt counts until it is mapped anew, every 32 MB."""
MEASURE = """
import json, sys
from importlib.util import find_spec
from vmf.embeddings import open_embeddings

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) << 10

found = {}
for path in sys.argv[2:]:
    next(open_embeddings(path).chunks(rows=1))  # the library is loaded now
    if ".csv" in path and find_spec("pyarrow"):  # which a single row is not worth
        import pyarrow.csv
        pyarrow.csv.read_csv(pyarrow.BufferReader(b"x\\n1"))
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    before = peak()
    largest = rows = 0
    for _, block in open_embeddings(path).chunks(memory=int(sys.argv[1])):
        largest, rows = max(largest, block.nbytes), rows + len(block)
    found[path] = [peak() - before, largest, rows]
print(json.dumps(found))
"""
STREAMED = [".npy", ".npz", ".parquet", ".arrow", ".ipc", ".h5", ".zarr", ".safetensors", ".pt",
            ".csv", ".csv.gz", ".csv.zst"]  # fmt: skip


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this system does not reset the peak of the memory")
    folder = tmp_path_factory.mktemp("large")
    rows = np.random.default_rng(0).standard_normal((max(ROWS_OF.values()), 512), np.float32)
    paths = []
    for ending in STREAMED:
        try:
            library(ending)
        except pytest.skip.Exception:
            continue
        path = folder / f"x{ending}"
        few = rows[: ROWS_OF.get(ending, 16384)]
        if known(ending).name == "npz":
            np.savez(path, v=few)
        else:
            WRITERS[known(ending).name](path, few)
        paths.append(str(path))
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, str(CHUNK), *paths],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    measured = {Path(path).name[1:]: values for path, values in json.loads(result.stdout).items()}
    for path in paths:
        if Path(path).is_file():
            os.unlink(path)
    return measured


@pytest.mark.parametrize("ending", STREAMED)
def test_stream(peaks, ending):
    if ending not in peaks:
        pytest.skip("its library is not installed")
    growth, largest, rows = peaks[ending]
    assert largest <= CHUNK
    assert rows == ROWS_OF.get(ending, 16384)
    assert growth < LIMIT.get(ending, 12 << 20), growth


@every
def test_a_chunk_has_as_many_rows_as_were_asked_for(made, ending):
    file = open_embeddings(made(ending))
    for rows in (1, 13, 50, 51):
        sizes = [len(block) for _, block in file.chunks(rows=rows)]
        assert max(sizes) <= rows
        assert sum(sizes) == 50
    starts = partial(file.chunks, memory=1)
    assert [start for start, _ in starts()] == list(range(50))
