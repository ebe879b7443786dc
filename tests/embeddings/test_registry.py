from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from tests.libraries import needs_format
from vmf.embeddings import EmbeddingFile, Format, open_embeddings, register, registry
from vmf.errors import EmbeddingError

ROWS = np.arange(12, dtype=np.float64).reshape(6, 2)


def test_content_decides_over_the_name(tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    os.rename(tmp_path / "x.npy", tmp_path / "x.csv")
    assert open_embeddings(tmp_path / "x.csv").format == "npy"
    os.rename(tmp_path / "x.csv", tmp_path / "no-ending")
    assert open_embeddings(tmp_path / "no-ending").format == "npy"


def test_endings_in_capitals_are_known(tmp_path):
    (tmp_path / "X.CSV").write_text("1,2\n3,4\n")
    assert open_embeddings(tmp_path / "X.CSV").shape == (2, 2)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.npy", b"", r"is empty \(0 bytes\)"),
        ("x.npy", b"1,2\n3,4\n", "is not a npy file although its name ends in .npy .*a text file"),
        ("x.npz", b"\x00\x01\x02", "is not a npz file .*a binary file"),
        ("x.parquet", b"hello", "is not a parquet file"),
        ("x.csv", b"\x00\x01\x02", "a binary file"),
        ("x.npy", pickle.dumps({"a": 1}), "a Python pickle, which is never loaded"),
        ("x.pt", b"\x80\x02}q\x00.", "a Python pickle, which is never loaded"),
        ("x.h5", b"\x89HDF\r\n\x1a\n....", "a damaged or truncated HDF5 file"),
        ("x.csv.gz", b"\x1f\x8b\x08....", "a damaged or truncated gzip-compressed file"),
        ("x.feather", b"ARROW1\0\0", "a damaged or truncated Arrow file"),
        ("x.safetensors", b'\x40\0\0\0\0\0\0\0{"a":', "is truncated: its header takes"),
        ("x.csv", b"\xff\xfe1\0,\0", "UTF-16 text"),
        ("x.png", b"\x89PNG\r\n", "a PNG picture"),
        ("x.json", b"[[1, 2]]", "looks like a text file; embeddings are read from"),
    ],
)
def test_foreign_files_are_named(tmp_path, name, content, message):
    needs_format(name)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EmbeddingError, match=message) as caught:
        open_embeddings(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(EmbeddingError, match="does not exist"):
        open_embeddings(tmp_path / "x.npy")
    with pytest.raises(EmbeddingError, match="is a folder"):
        open_embeddings(tmp_path)
    with pytest.raises(EmbeddingError, match="is not a regular file"):
        open_embeddings(os.devnull)


def test_files_that_may_not_be_read_are_named(tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    (tmp_path / "x.npy").chmod(0)
    if os.access(tmp_path / "x.npy", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(EmbeddingError, match="Permission denied"):
        open_embeddings(tmp_path / "x.npy")


def test_a_column_of_a_npy_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    with pytest.raises(EmbeddingError, match="column does not apply"):
        open_embeddings(tmp_path / "x.npy", "a")


class RawFile(EmbeddingFile):
    """Two float64 a row, nothing else."""

    format = "raw"

    def __init__(self, path):
        self._values = np.frombuffer(path.read_bytes()[4:]).reshape(-1, 2)
        super().__init__(path, self._values.shape, self._values.dtype)

    def read_blocks(self, rows, start, stop):
        for first in range(start, self.rows, rows):
            yield self._values[first : first + rows]


def test_a_format_can_be_added(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_FORMATS", list(registry._FORMATS))
    (tmp_path / "x.raw").write_bytes(b"RAW!" + ROWS.tobytes())
    with pytest.raises(EmbeddingError, match="looks like a binary file"):
        open_embeddings(tmp_path / "x.raw")
    register(Format("raw", (".raw",), b"RAW!", f"{__name__}:RawFile", takes_column=False))
    file = open_embeddings(tmp_path / "x.raw")
    assert repr(file) == f"RawFile({str(tmp_path / 'x.raw')!r}, (6, 2), float64)"
    np.testing.assert_array_equal(np.concatenate([r for _, r in file.chunks(rows=4)]), ROWS)


def test_messages_are_one_printable_line(tmp_path):
    name = tmp_path / "a\nb\x1b[31m.npy"
    with pytest.raises(EmbeddingError) as caught:
        open_embeddings(name)
    assert str(caught.value).isprintable()
