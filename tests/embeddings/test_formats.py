"""Every format of docs/embeddings.md: read, sniffed, streamed, chosen from, and refused."""

from __future__ import annotations

import gzip
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from vmf.embeddings import open_embeddings, registry
from vmf.embeddings.labels import read_labels
from vmf.embeddings.row_values import RowValues
from vmf.errors import EmbeddingError

ROWS = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
LABELS = np.arange(50) % 3


def text() -> bytes:
    return "\n".join(",".join(map(repr, map(float, row))) for row in ROWS).encode()


def table():
    pa = pytest.importorskip("pyarrow")
    lists = pa.FixedSizeListArray.from_arrays(pa.array(ROWS.ravel()), 4)
    return pa.table({"id": [f"r{i}" for i in range(50)], "v": lists, "y": LABELS})


def write_csv_gz(path: Path) -> None:
    path.write_bytes(gzip.compress(text()))


def write_csv_zst(path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    path.write_bytes(zstandard.compress(text()) + zstandard.compress(b"\n"))  # two frames


def write_arrow(path: Path) -> None:
    content = table()
    pytest.importorskip("pyarrow.feather").write_feather(content, path, chunksize=13)


def write_ipc(path: Path) -> None:
    content = table()
    with pytest.importorskip("pyarrow").ipc.new_stream(path, content.schema) as writer:
        writer.write_table(content, max_chunksize=13)


def write_h5(path: Path) -> None:
    with pytest.importorskip("h5py").File(path, "w") as file:
        file.create_dataset("v", data=ROWS, chunks=(8, 2), compression="gzip")
        file["y"] = LABELS


def write_zarr(path: Path, version: int = 3) -> None:
    group = pytest.importorskip("zarr").open_group(path, mode="w", zarr_format=version)
    group.create_array("v", data=ROWS, chunks=(8, 4))
    group.create_array("y", data=LABELS)


def write_safetensors(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"v": ROWS, "y": LABELS}, path)


def write_pt(path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"v": torch.tensor(ROWS), "y": torch.tensor(LABELS)}, path)


WRITE = {
    "x.csv.gz": write_csv_gz, "x.csv.zst": write_csv_zst, "x.feather": write_arrow,
    "x.ipc": write_ipc, "x.h5": write_h5, "x.zarr": write_zarr, "x.safetensors": write_safetensors,
    "x.pt": write_pt,
}  # fmt: skip
FILES = [name for name in WRITE if name != "x.zarr"]
TEXT = ("x.csv.gz", "x.csv.zst")
WITH_COLUMNS = [name for name in WRITE if name not in TEXT]


def read(path, column=None, **how) -> np.ndarray:
    file = open_embeddings(path, column, **how)
    blocks = [block for _, block in file.chunks(rows=7)]
    assert max(map(len, blocks)) <= 7
    assert {block.dtype for block in blocks} == {file.native_dtype}
    return np.concatenate(blocks)


@pytest.mark.parametrize("name", WRITE)
def test_rows_are_streamed(tmp_path, name):
    WRITE[name](tmp_path / name)
    assert open_embeddings(tmp_path / name).shape == (50, 4)
    np.testing.assert_array_equal(read(tmp_path / name), ROWS)


@pytest.mark.parametrize("name", FILES)
def test_the_content_tells_the_format(tmp_path, name):
    WRITE[name](tmp_path / name)
    os.rename(tmp_path / name, tmp_path / "x.bin")
    np.testing.assert_array_equal(read(tmp_path / "x.bin"), ROWS)


@pytest.mark.parametrize("name", WITH_COLUMNS)
def test_columns_and_labels_are_chosen(tmp_path, name):
    WRITE[name](tmp_path / name)
    np.testing.assert_array_equal(read(tmp_path / name, "v"), ROWS)
    with pytest.raises(EmbeddingError, match=r"has no .*'none'"):
        open_embeddings(tmp_path / name, "none")
    assert read_labels(f"{tmp_path / name}:y").codes.tolist() == LABELS.tolist()


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_in_a_folder_is_named(tmp_path, name):
    np.save(tmp_path / "a.npy", ROWS)
    np.save(tmp_path / "z.npy", ROWS)
    WRITE[name](tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EmbeddingError, match=f"{name}: is .*truncated"):
        read(tmp_path)


@pytest.mark.parametrize("name", WRITE)
def test_urls(tmp_path, name):
    memory = pytest.importorskip("fsspec").filesystem("memory")
    WRITE[name](tmp_path / name)
    memory.put(str(tmp_path / name), f"/{tmp_path.name}/{name}", recursive=True)
    np.testing.assert_array_equal(read(f"memory://{tmp_path.name}/{name}"), ROWS)


def test_folders_patterns_and_archives(tmp_path):
    pytest.importorskip("fsspec")
    (tmp_path / "d" / "sub").mkdir(parents=True)
    np.save(tmp_path / "d" / "b.npy", ROWS[:20])
    np.save(tmp_path / "d" / "sub" / "c.npy", ROWS[20:30])
    (tmp_path / "d" / "_SUCCESS").touch()
    (tmp_path / "d" / "z.csv").write_bytes(b"\n".join(text().split(b"\n")[30:]))
    file = open_embeddings(tmp_path / "d")
    np.testing.assert_array_equal(read(tmp_path / "d"), ROWS)
    assert file.locate(31, 1) == "z.csv, row 1 (line 2), column 1"
    np.testing.assert_array_equal(read(f"{tmp_path}/d/**/*.npy"), ROWS[:30])
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "d" / "b.npy", "d/b.npy")
    np.testing.assert_array_equal(read(f"zip://d::{tmp_path}/all.zip"), ROWS[:20])
    with pytest.raises(EmbeddingError, match=r"has '\.\.' in its path"):
        open_embeddings(f"zip://../b.npy::{tmp_path}/all.zip")
    np.save(tmp_path / "d" / "y.npy", ROWS[:, :3])
    with pytest.raises(EmbeddingError, match=r"y.npy: has dimension 3, but .*b.npy has 4"):
        open_embeddings(tmp_path / "d")


@pytest.mark.parametrize("name", ["x.h5", "x.safetensors", "x.pt", "x.feather"])
def test_a_file_that_changes_while_it_is_read_is_named(tmp_path, name):
    WRITE[name](tmp_path / name)
    chunks = open_embeddings(tmp_path / name).chunks(rows=7)
    next(chunks)
    os.utime(tmp_path / name, (1, 1))
    with pytest.raises(EmbeddingError, match=f"{name}: changed while it was read"):
        list(chunks)


def test_bfloat16_and_int8_with_scale(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    short = torch.tensor(ROWS).bfloat16()
    save_file({"v": short}, tmp_path / "b.safetensors")
    torch.save(short, tmp_path / "b.pt")
    for name in ("b.safetensors", "b.pt"):
        assert open_embeddings(tmp_path / name).stored_as == "bfloat16"
        np.testing.assert_array_equal(read(tmp_path / name), short.float().numpy())
    whole = np.round(ROWS * 30).clip(-127, 127).astype(np.int8)
    scale = np.linspace(0.5, 2, 4, dtype=np.float32)
    save_file(
        {"v": torch.tensor(whole), "v_scale": torch.tensor(scale)}, tmp_path / "i.safetensors"
    )
    np.save(tmp_path / "i.npy", whole)
    np.testing.assert_array_equal(read(tmp_path / "i.safetensors"), whole * scale)
    np.testing.assert_array_equal(read(tmp_path / "i.npy", scale=scale), whole * scale)
    np.save(tmp_path / "i.scale.npy", np.arange(50, dtype=np.float32)[:, np.newaxis])
    np.testing.assert_array_equal(read(tmp_path / "i.npy"), whole * np.arange(50.0)[:, np.newaxis])
    with pytest.raises(EmbeddingError, match=r"a scale of shape \(3,\)"):
        open_embeddings(tmp_path / "i.npy", scale=np.ones(3))


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_bombs_are_refused(tmp_path, compression):
    content = (b"1," + b" " * 2000 + b"2\n") * 40_000
    library = gzip if compression == "gz" else pytest.importorskip("zstandard")
    packed = library.compress(content)
    (tmp_path / f"x.csv.{compression}").write_bytes(packed)
    with pytest.raises(EmbeddingError, match="expands more than 200-fold"):
        read(tmp_path / f"x.csv.{compression}")


def test_a_header_of_8_gb_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes((8 << 30).to_bytes(8, "little") + b'{"a":1}')
    with pytest.raises(EmbeddingError, match="header of 8589934592 bytes; the limit is 67108864"):
        open_embeddings(tmp_path / "x.safetensors")


@pytest.mark.parametrize("version", [2, 3])
def test_codecs_that_run_code_are_refused(tmp_path, version):
    write_zarr(tmp_path / "x.zarr", version)
    np.testing.assert_array_equal(read(tmp_path / "x.zarr"), ROWS)
    metadata = tmp_path / "x.zarr" / "v" / (".zarray" if version == 2 else "zarr.json")
    changed = metadata.read_text().replace('"zstd"', '"pickle"').replace('"blosc"', '"pickle"')
    assert "pickle" in changed
    metadata.write_text(changed)
    with pytest.raises(EmbeddingError, match="the codec 'pickle', which is never run"):
        open_embeddings(tmp_path / "x.zarr")


def test_objects_in_a_pt_are_never_loaded(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"v": torch.tensor(ROWS), "path": Path("x")}, tmp_path / "x.pt")
    with pytest.raises(EmbeddingError, match="holds Python objects beside tensors"):
        open_embeddings(tmp_path / "x.pt")


def test_identifiers_are_read(tmp_path):
    write_arrow(tmp_path / "x.feather")
    assert RowValues(tmp_path / "x.feather").take(50).tolist() == [f"r{i}" for i in range(50)]


def test_a_parquet_that_promises_other_rows(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(table(), tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    refused = 0
    for at in range(footer, len(content) - 8):  # 50 rows are the byte 100 in the footer
        if content[at] == 100:
            (tmp_path / "x.parquet").write_bytes(content[:at] + b"\x02" + content[at + 1 :])
            try:
                read(tmp_path / "x.parquet")
            except EmbeddingError as error:
                refused += "x.parquet: is damaged: it promises" in str(error)
    assert refused >= 1


def test_an_entry_point_adds_a_format(tmp_path, monkeypatch):
    from importlib import metadata

    class Point:
        name = value = "raw"

        def load(self):
            return registry.Format(
                "raw", (".raw",), b"RAW!", "tests.embeddings.test_registry:RawFile", False
            )

    monkeypatch.setattr(registry, "_FORMATS", list(registry._FORMATS))
    monkeypatch.setattr(registry, "_ADDED", set())
    monkeypatch.setattr(metadata, "entry_points", lambda group: [Point()])
    (tmp_path / "x.raw").write_bytes(b"RAW!" + np.ones((3, 2)).tobytes())
    assert open_embeddings(tmp_path / "x.raw").shape == (3, 2)
