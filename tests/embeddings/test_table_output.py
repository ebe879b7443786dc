from __future__ import annotations

import csv
import os

import numpy as np
import pytest

from tests.libraries import needs_format
from vmf.embeddings.table_output import TABLE_EXTENSIONS, Column, open_table
from vmf.errors import EmbeddingError

F8 = np.dtype(np.float64)
VALUES = np.array([0.1, -1e-300, 5e-324, np.nan, 1e300])
VECTORS = np.random.default_rng(0).standard_normal((5, 3))
WORDS = np.array(["a", 'b, "c"', "", "d\ne", "ü"])
COLUMNS = [
    Column("row", np.dtype(np.int64)),
    Column("value", F8),
    Column("word", WORDS.dtype),
    Column("x", F8, 3),
]


def write(path, columns=COLUMNS):
    with open_table(path, columns, 5) as table:
        for part in (slice(0, 2), slice(2, 5)):
            table.write(
                {
                    "row": np.arange(5)[part],
                    "value": VALUES[part],
                    "word": WORDS[part],
                    "x": VECTORS[part],
                }
            )


def test_npy_is_a_structured_array_without_pickle(tmp_path):
    write(tmp_path / "t.npy")
    table = np.load(tmp_path / "t.npy", allow_pickle=False)
    np.testing.assert_array_equal(table["row"], np.arange(5))
    np.testing.assert_array_equal(table["value"], VALUES)
    np.testing.assert_array_equal(table["word"], WORDS)
    np.testing.assert_array_equal(table["x"], VECTORS)


def test_npy_of_one_column_is_a_plain_array(tmp_path):
    write(tmp_path / "x.npy", [COLUMNS[3]])
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), VECTORS)
    write(tmp_path / "v.npy", [Column("row", np.dtype(np.float32))])
    stored = np.load(tmp_path / "v.npy")
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, np.arange(5))


@pytest.mark.parametrize(("ending", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_text_reads_back_exactly(tmp_path, ending, delimiter):
    write(tmp_path / f"t{ending}")
    with open(tmp_path / f"t{ending}", newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream, delimiter=delimiter)
    assert header == ["row", "value", "word", "x0", "x1", "x2"]
    assert [int(row[0]) for row in rows] == list(range(5))
    np.testing.assert_array_equal([float(row[1]) for row in rows], VALUES)
    assert [row[2] for row in rows] == WORDS.tolist()
    np.testing.assert_array_equal([[float(f) for f in row[3:]] for row in rows], VECTORS)


def test_parquet_has_lists_and_missing_words(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    write(tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet").to_pydict()
    assert table["row"] == list(range(5))
    np.testing.assert_array_equal(table["value"], VALUES)
    assert table["word"] == [word or None for word in WORDS.tolist()]
    np.testing.assert_array_equal(table["x"], VECTORS)


def test_parquet_gathers_small_chunks_into_one_row_group(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    with open_table(tmp_path / "t.parquet", [Column("value", F8)], 1000) as table:
        for start in range(0, 1000, 10):
            table.write({"value": np.arange(start, start + 10.0)})
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert file.num_row_groups == 1
    np.testing.assert_array_equal(file.read()["value"].to_numpy(), np.arange(1000.0))


@pytest.mark.parametrize("ending", TABLE_EXTENSIONS)
def test_an_error_leaves_no_file(tmp_path, ending):
    needs_format(ending)
    with pytest.raises(RuntimeError), open_table(tmp_path / f"t{ending}", COLUMNS, 5):
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_other_endings_are_refused(tmp_path):
    with (
        pytest.raises(EmbeddingError, match=r"has '.xlsx'; the output is one of"),
        open_table(tmp_path / "t.xlsx", COLUMNS, 5),
    ):
        pass
