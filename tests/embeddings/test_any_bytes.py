"""Whatever bytes a file holds, a reader gives rows or one line of error, and nothing else."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vmf.embeddings import EmbeddingError, open_embeddings
from vmf.embeddings.labels import read_labels

ENDINGS = [".npy", ".npz", ".csv", ".tsv", ".txt", ".parquet"]
SMALL = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)

quick = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def parquet(columns: dict[str, object]) -> bytes:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def read_or_refuse(path, column=None) -> None:
    """Read everything; the one error that may come is EmbeddingError, in one line."""
    try:
        file = open_embeddings(path, column)
        read = 0
        for start, rows in file.chunks(rows=7):
            assert start == read
            assert rows.shape == (len(rows), file.dimension)
            assert rows.dtype == file.native_dtype
            read += len(rows)
        assert read == file.rows > 0
    except EmbeddingError as error:
        assert str(error).isprintable()  # noqa: PT017
        assert path.name in str(error)  # noqa: PT017


def labels_or_refuse(source) -> None:
    try:
        labels = read_labels(source)
        assert len(labels) > 0
        assert labels.codes.max() < len(labels.classes)
    except EmbeddingError as error:
        assert str(error).isprintable()  # noqa: PT017


@quick
@given(st.sampled_from(ENDINGS), st.binary(max_size=300))
def test_random_bytes(tmp_path, ending, content):
    path = tmp_path / f"x{ending}"
    path.write_bytes(content)
    read_or_refuse(path)
    labels_or_refuse(path)


@quick
@given(
    st.sampled_from([".csv", ".tsv", ".txt"]),
    st.text(alphabet='0123456789.,;\t "\n\r-+einfaxN#_\x00\ufeff', max_size=200),
)
def test_random_text(tmp_path, ending, content):
    path = tmp_path / f"x{ending}"
    path.write_bytes(content.encode())
    read_or_refuse(path)
    labels_or_refuse(path)


@quick
@given(st.text(max_size=20), st.text(max_size=60))
def test_random_columns(tmp_path, column, header):
    path = tmp_path / "x.csv"
    path.write_text(f"a,b,{header!r}\n1,2,3\n4,5,6\n", encoding="utf-8", errors="replace")
    read_or_refuse(path, column)


def corrupted(whole: bytes):
    """The file cut short, with some bytes changed, or with something behind it."""
    position = st.integers(0, len(whole) - 1)
    change = st.lists(st.tuples(position, st.integers(0, 255)), min_size=1, max_size=4)

    def flip(changes: list[tuple[int, int]]) -> bytes:
        data = bytearray(whole)
        for where, value in changes:
            data[where] = value
        return bytes(data)

    return st.one_of(
        position.map(lambda size: whole[:size]),
        change.map(flip),
        st.binary(min_size=1, max_size=20).map(lambda tail: whole + tail),
    )


@quick
@given(corrupted(npy(SMALL)))
def test_corrupted_npy(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    read_or_refuse(tmp_path / "x.npy")
    labels_or_refuse(tmp_path / "x.npy")


@quick
@given(corrupted(npy(np.arange(9))))
def test_corrupted_npy_labels(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    labels_or_refuse(tmp_path / "x.npy")


@quick
@given(corrupted(npz(x=SMALL, y=np.asfortranarray(SMALL))), st.sampled_from([None, "x", "y"]))
def test_corrupted_npz(tmp_path, content, column):
    (tmp_path / "x.npz").write_bytes(content)
    read_or_refuse(tmp_path / "x.npz", column)


@quick
@given(
    st.text(alphabet="{}()[]'\":,<>|fiucOVSU0123456789LTrueFalsedshpatno_r ", max_size=80),
    st.binary(max_size=64),
)
def test_random_npy_headers(tmp_path, header, data):
    text = header.encode()
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data
    (tmp_path / "x.npy").write_bytes(content)
    read_or_refuse(tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", content)
    read_or_refuse(tmp_path / "x.npz")


@quick
@given(
    st.sampled_from(
        ["<f4", ">f8", "|i1", "<f2", "|V2", "<U3", "|O", "<c8", "<f16", "|b1", "<M8[s]"]
    ),
    st.booleans(),
    st.lists(st.integers(0, 2**70) | st.integers(0, 4), max_size=3).map(tuple),
)
@example("|i1", False, (2**63 - 1,))
@example("|i1", False, (2**40,))
@example("<f4", True, (2**62, 2**62))
def test_headers_that_promise_anything(tmp_path, descr, fortran_order, shape):
    header = repr({"descr": descr, "fortran_order": fortran_order, "shape": shape}).encode()
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(96)
    (tmp_path / "x.npy").write_bytes(content)
    read_or_refuse(tmp_path / "x.npy")
    labels_or_refuse(tmp_path / "x.npy")


@quick
@given(st.data())
def test_corrupted_parquet(tmp_path, data):
    whole = parquet({"id": list(range(20)), "v": SMALL.tolist()})
    (tmp_path / "x.parquet").write_bytes(data.draw(corrupted(whole)))
    read_or_refuse(tmp_path / "x.parquet")
    labels_or_refuse(f"{tmp_path / 'x.parquet'}:id")
