"""Rows from the middle of a file, in every format: the same as those of the whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.embeddings.test_formats import ROWS, WRITE, text
from vmf.embeddings import open_embeddings
from vmf.errors import EmbeddingError


def write_parquet(path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    lists = pa.FixedSizeListArray.from_arrays(pa.array(ROWS.ravel()), 4)
    pq.write_table(pa.table({"v": lists}), path, row_group_size=13)


def write_folder(path):
    path.mkdir()
    for number, part in enumerate(np.array_split(ROWS, 4)):
        np.save(path / f"{number}.npy", part)
    (path / "5.csv").write_bytes(text())


EVERY = WRITE | {
    "x.npy": lambda path: np.save(path, ROWS),
    "fortran.npy": lambda path: np.save(path, np.asfortranarray(ROWS)),
    "x.npz": lambda path: np.savez_compressed(path, v=ROWS),
    "fortran.npz": lambda path: np.savez(path, v=np.asfortranarray(ROWS)),
    "x.csv": lambda path: path.write_bytes(text()),
    "x.parquet": write_parquet,
    "folder": write_folder,
}


@pytest.mark.parametrize("name", EVERY)
def test_ranges(tmp_path, name):
    path = tmp_path / name
    EVERY[name](path)
    every = np.concatenate([ROWS, ROWS]) if name == "folder" else ROWS
    column = "v" if name in WRITE and ".csv" not in name else None
    edges = (0, 1, 12, 13, 14, 39, 49, 50, 55, None)
    for start, stop in itertools.product(edges[:-1], edges):
        if stop is not None and stop < start:
            continue
        file = open_embeddings(path, column)  # anew: a text file must not have been counted
        chunks = list(file.chunks(7, start=start, stop=stop))
        begins = [first for first, _ in chunks]
        assert begins == list(np.cumsum([start, *(len(c) for _, c in chunks)])[:-1])
        assert all(0 < len(chunk) <= 7 for _, chunk in chunks)
        found = np.concatenate([np.empty((0, 4)), *(chunk for _, chunk in chunks)])
        np.testing.assert_array_equal(found, every[start:stop])


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (4, 3)])
def test_ranges_out_of_order_are_refused(tmp_path, start, stop):
    np.save(tmp_path / "x.npy", ROWS)
    with pytest.raises(ValueError, match="start and stop must be rows in order"):
        next(open_embeddings(tmp_path / "x.npy").chunks(start=start, stop=stop))


def test_one_scale_a_row_follows_the_range(tmp_path):
    stored = np.arange(20, dtype=np.int8).reshape(10, 2)
    scale = np.linspace(0.5, 3, 10, dtype=np.float32)[:, np.newaxis]
    np.save(tmp_path / "x.npy", stored)
    file = open_embeddings(tmp_path / "x.npy", scale=scale)
    ((first, rows),) = file.chunks(start=4, stop=6)
    assert first == 4
    np.testing.assert_array_equal(rows, (stored * scale)[4:6])


def test_rows_before_the_start_are_not_decoded(tmp_path):
    pytest.importorskip("pyarrow")
    write_parquet(tmp_path / "x.parquet")
    whole = bytearray((tmp_path / "x.parquet").read_bytes())
    whole[10:60] = bytes(50)  # inside the first row group
    (tmp_path / "x.parquet").write_bytes(whole)
    file = open_embeddings(tmp_path / "x.parquet")
    with pytest.raises(EmbeddingError):
        list(file.chunks())
    found = np.concatenate([rows for _, rows in file.chunks(start=13)])
    np.testing.assert_array_equal(found, ROWS[13:])
