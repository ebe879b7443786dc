from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from vmf.embeddings import open_embeddings
from vmf.errors import EmbeddingError


def read(path: Path, **how: int) -> np.ndarray:
    return np.concatenate([rows for _, rows in open_embeddings(path).chunks(**how)])


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_every_float_type_and_order_reads_back(tmp_path, dtype, order, rows):
    stored = np.random.default_rng(0).standard_normal((97, 5)).astype(dtype, order=order)
    np.save(tmp_path / "x.npy", stored)
    file = open_embeddings(tmp_path / "x.npy")
    assert file.shape == (97, 5)
    assert file.dtype == np.dtype(dtype)
    starts, chunks = zip(*file.chunks(rows=rows), strict=True)
    assert list(starts) == list(range(0, 97, rows))
    assert all(c.dtype.isnative and c.flags.c_contiguous for c in chunks)
    np.testing.assert_array_equal(np.concatenate(chunks), stored)


@pytest.mark.parametrize(
    ("stored", "native"),
    [("i1", "f4"), ("u1", "f4"), ("i2", "f4"), ("i4", "f8"), ("i8", "f8"), ("g", "f8")],
)
def test_other_real_numbers_become_a_float_that_holds_them(tmp_path, stored, native):
    values = np.array([[1, 2, 3], [4, 5, 127]], dtype=stored)
    np.save(tmp_path / "x.npy", values)
    result = read(tmp_path / "x.npy")
    assert result.dtype == np.dtype(native)
    np.testing.assert_array_equal(result, values)


def test_memory_bounds_the_chunks(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((1000, 8), np.float32))
    sizes = [len(rows) for _, rows in open_embeddings(tmp_path / "x.npy").chunks(memory=3200)]
    assert sizes == [100] * 10
    # A row larger than the budget still comes, alone.
    assert {len(rows) for _, rows in open_embeddings(tmp_path / "x.npy").chunks(memory=1)} == {1}


def test_chunks_stay_valid_after_the_next_one(tmp_path):
    stored = np.random.default_rng(1).standard_normal((50, 3))
    np.save(tmp_path / "x.npy", stored)
    chunks = [rows for _, rows in open_embeddings(tmp_path / "x.npy").chunks(rows=9)]
    np.testing.assert_array_equal(np.concatenate(chunks), stored)


def test_rows_in_a_chunk_must_be_positive(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((2, 2)))
    with pytest.raises(ValueError, match="rows must be at least 1"):
        next(open_embeddings(tmp_path / "x.npy").chunks(rows=0))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(4), r"shape \(4,\), expected \(rows, dimension\)"),
        (np.float64(1), r"shape \(\), expected \(rows, dimension\); it is a single number"),
        (np.ones((2, 3, 4)), r"flatten each row first: X.reshape\(len\(X\), -1\)"),
        (np.ones((5, 1)), "has dimension 1; directions need at least 2 columns"),
        (np.ones((0, 4)), "holds no rows"),
        (np.ones((4, 0)), "has dimension 0"),
        (np.ones((3, 4), complex), "complex"),
        (np.ones((3, 4), bool), "dtype bool, not numbers"),
        (np.array([["a", "b"]]), "not numbers"),
        (np.zeros((3, 2), "M8[s]"), "not numbers"),
        (np.zeros(3, [("a", "f4"), ("b", "f4")]), "structured array of a, b"),
        (np.zeros((3, 2), "V2"), "bfloat16"),
        (np.array([[1, None], [2, 3]], object), "Python objects .* never loaded"),
    ],
)
def test_what_is_no_embedding_is_refused(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(EmbeddingError, match=message) as caught:
        open_embeddings(tmp_path / "x.npy")
    assert str(caught.value).startswith(str(tmp_path / "x.npy"))
    assert "\n" not in str(caught.value)


def test_truncated_and_overlong_files_name_both_sizes(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((10, 4), np.float32))
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-8])
    with pytest.raises(EmbeddingError, match=r"is truncated: .* 10 x 4 float32 = 160 .* holds 152"):
        open_embeddings(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(whole + b"12")
    with pytest.raises(EmbeddingError, match="bytes after its array"):
        open_embeddings(tmp_path / "x.npy")
    for size in range(7, 128, 11):
        (tmp_path / "x.npy").write_bytes(whole[:size])
        with pytest.raises(EmbeddingError, match="truncated"):
            open_embeddings(tmp_path / "x.npy")


def test_a_file_cut_while_it_is_read_is_an_error(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((100, 4)))
    chunks = open_embeddings(tmp_path / "x.npy").chunks(rows=10)
    next(chunks)
    with open(tmp_path / "x.npy", "rb+") as stream:
        stream.truncate(500)
    with pytest.raises(EmbeddingError, match="ended while its rows were read"):
        list(chunks)


def test_a_file_that_grows_while_it_is_read_is_an_error(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((100, 4)))
    chunks = open_embeddings(tmp_path / "x.npy").chunks(rows=10)
    next(chunks)
    with open(tmp_path / "x.npy", "ab") as stream:
        stream.write(b"more")
    with pytest.raises(EmbeddingError, match="changed while it was read"):
        list(chunks)


@pytest.mark.parametrize(
    "header",
    [
        b"not a dict",
        b"{'descr': '<f4', 'fortran_order': False}",
        b"{'descr': '<f4', 'fortran_order': 1, 'shape': (1, 2)}",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2)}",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': [1, 2]}",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (True, 2)}",
        b"{'descr': 'no such type', 'fortran_order': False, 'shape': (1, 2)}",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), 'more': 1}",
        b"(" * 5000,
        b"__import__('os').system('true')",
    ],
)
def test_damaged_headers_are_refused(tmp_path, header):
    text = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 8
    (tmp_path / "x.npy").write_bytes(text)
    with pytest.raises(EmbeddingError, match=r"damaged .npy header"):
        open_embeddings(tmp_path / "x.npy")


def test_huge_headers_and_unknown_versions_are_refused(tmp_path):
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x02\x00" + b"\xff\xff\xff\x7f" + b"{")
    with pytest.raises(EmbeddingError, match="header of 2147483647 bytes"):
        open_embeddings(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x09\x00" + b"\x10\x00" + b"{" * 16)
    with pytest.raises(EmbeddingError, match="format version 9"):
        open_embeddings(tmp_path / "x.npy")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_the_format_are_read(tmp_path, version):
    stored = np.arange(6.0).reshape(3, 2)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, stored, version=version)
    (tmp_path / "x.npy").write_bytes(stream.getvalue())
    np.testing.assert_array_equal(read(tmp_path / "x.npy"), stored)


def test_the_long_integers_of_python_2_are_read(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (3L, 2L), }"
    data = np.arange(6.0)
    (tmp_path / "x.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data.tobytes()
    )
    np.testing.assert_array_equal(read(tmp_path / "x.npy"), data.reshape(3, 2))


def test_values_are_passed_on_unjudged(tmp_path):
    stored = np.array([[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
    np.save(tmp_path / "x.npy", stored)
    np.testing.assert_array_equal(read(tmp_path / "x.npy"), stored)
