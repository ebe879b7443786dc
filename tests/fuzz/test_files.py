"""Whatever bytes a file holds, a reader gives rows or one line of error, and nothing else."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.libraries import needs_format
from vmf.embeddings import open_embeddings
from vmf.errors import EmbeddingError
from vmf.jobs.score_file import read_scores
from vmf.passes.checkpoint import load_checkpoint

from . import files
from .profiles import few

seeds = st.integers(0, 2**63)


@pytest.mark.parametrize("extension", files.extensions())
@few(30)
@given(seeds)
def test_damaged_files(tmp_path, extension, seed):
    needs_format(extension)
    files.check_reading(tmp_path, extension, seed)


@pytest.mark.parametrize("extension", files.extensions())
def test_whole_files_are_read(tmp_path, extension):
    """So that what is damaged is damage to something."""
    needs_format(extension)
    for number, content in enumerate(files.samples(extension)):
        path = tmp_path / f"{number}{extension}"
        files.write(path, content)
        files.check_embeddings(path)


@few(100)
@given(seeds)
def test_damaged_models_and_checkpoints(tmp_path, seed):
    files.check_models(tmp_path, seed)


@few(60)
@given(files.npy_headers, st.binary(max_size=96))
def test_any_npy_header(tmp_path, header, data):
    files.check_npy_headers(tmp_path, header, data)


@few(60)
@given(st.text(max_size=20), st.text(max_size=60))
def test_any_choice_of_columns(tmp_path, column, header):
    files.check_columns(tmp_path, column, header)


@few(60)
@given(st.sampled_from([".csv", ".tsv", ".txt"]), files.table_texts)
def test_any_text(tmp_path, extension, text):
    files.check_text(tmp_path, extension, text)


# What fuzzing found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (files.npz(x=np.ones(3)), "does not begin with the .npy signature"),
        (files.npy(np.ones(3))[:100], "is truncated"),
        (files.npy(np.ones(3))[:-4], "is damaged: 24 bytes of scores promised, 20 found"),
        (files.npy(np.ones(3)).replace(b"(3,), }", b"(3,, } "), "has a damaged .npy header"),
        (files.npy(np.ones(3)).replace(b"(3,), }" + b" " * 25, b"(9" + b"0" * 22 + b",), }   "), "promised"),
    ],
)  # fmt: skip
def test_damaged_score_files(tmp_path, content, message):
    (tmp_path / "s.npy").write_bytes(content)
    with pytest.raises(EmbeddingError, match=message):
        read_scores(str(tmp_path / "s.npy"))


def test_scores_between_spaces(tmp_path):
    (tmp_path / "s.tsv").write_text("a b\n1 2\n3 4\n")
    scores = read_scores(str(tmp_path / "s.tsv"))
    assert {name: values.tolist() for name, values in scores.items()} == {"a": [1, 3], "b": [2, 4]}


def test_labels_of_a_table_without_columns(tmp_path):
    pa = pytest.importorskip("pyarrow")
    with pa.ipc.new_file(str(tmp_path / "y.arrow"), pa.schema([])):
        pass
    with pytest.raises(EmbeddingError, match="has no column"):
        files.read_labels(tmp_path / "y.arrow")


def test_text_that_is_no_text(tmp_path):
    path = tmp_path / "y.npy"
    path.write_bytes(files.npy(np.array([0x110000, 65], np.uint32)).replace(b"<u4", b"<U1"))
    with pytest.raises(EmbeddingError, match="no characters"):
        files.read_labels(path)


@pytest.mark.parametrize("extension", [".npz", ".pt"])
def test_members_whose_names_are_no_text(tmp_path, extension):
    needs_format(extension)
    path = tmp_path / f"x{extension}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("é.npy", files.npy(files.SMALL))
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(EmbeddingError, match="damaged"):
        open_embeddings(path)


@pytest.mark.parametrize("extension", [".arrow", ".ipc", ".parquet"])
def test_columns_whose_names_are_no_text(tmp_path, extension):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path, table = tmp_path / f"x{extension}", pa.table({"é": pa.array([1.0, 2.0]), "b": [3, 4]})
    if extension == ".parquet":
        pq.write_table(table, path, store_schema=False)
    else:
        opener = pa.ipc.new_file if extension == ".arrow" else pa.ipc.new_stream
        with opener(str(path), table.schema) as writer:
            writer.write_table(table)
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    for read in (open_embeddings, files.read_labels):
        with pytest.raises(EmbeddingError, match=r"name is not UTF-8 text|damaged"):
            read(path)


@pytest.mark.parametrize("extension", [".arrow", ".ipc", ".parquet"])
@pytest.mark.parametrize("column", [None, "0:2"])
def test_tables_without_columns(tmp_path, extension, column):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path, table = tmp_path / f"x{extension}", pa.table({})
    if extension == ".parquet":
        pq.write_table(table, path)
    else:
        opener = pa.ipc.new_file if extension == ".arrow" else pa.ipc.new_stream
        with opener(str(path), table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(EmbeddingError, match="has no columns"):
        open_embeddings(path, column)


@pytest.mark.parametrize("rows", ["-1", "1e400", "true", "null"])
def test_checkpoints_of_no_number_of_rows(tmp_path, rows):
    (whole,) = files.samples(".vmf-checkpoint")
    assert b'\\"rows\\": 20' in whole
    path = tmp_path / "fit.checkpoint"
    whole = whole.replace(b'"checksum"', b'"nothing_"')  # as those of before, which had none
    changed = whole.replace(b'\\"rows\\": 20', b'\\"rows\\":' + f"{rows:>3}".encode())
    size = int.from_bytes(whole[:8], "little") + len(changed) - len(whole)
    path.write_bytes(size.to_bytes(8, "little") + changed[8:])
    with pytest.raises(EmbeddingError, match="its plan or its number of rows"):
        load_checkpoint(path)
