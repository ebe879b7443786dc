from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from vmf.embeddings import open_embeddings
from vmf.errors import EmbeddingError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ROWS = np.random.default_rng(0).standard_normal((50, 4))


@pytest.fixture
def write(tmp_path):
    def write(columns: dict[str, object], **how: object) -> Path:
        path = tmp_path / "x.parquet"
        pq.write_table(pa.table(columns), path, **how)
        return path

    return write


def read(path: Path, column: str | None = None, **how: int) -> np.ndarray:
    return np.concatenate([rows for _, rows in open_embeddings(path, column).chunks(**how)])


def lists(kind: str, rows: np.ndarray = ROWS, item: object = None) -> object:
    item = item or pa.from_numpy_dtype(rows.dtype)
    list_type = {
        "list": pa.list_(item),
        "large_list": pa.large_list(item),
        "fixed_size_list": pa.list_(item, rows.shape[1]),
    }[kind]
    return pa.array(list(rows), list_type)


@pytest.mark.parametrize("kind", ["list", "large_list", "fixed_size_list"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i8"])
def test_list_columns_of_every_kind(write, kind, dtype):
    rows = (ROWS * 10).astype(dtype)
    path = write({"id": pa.array(range(50)), "v": lists(kind, rows)}, row_group_size=13)
    file = open_embeddings(path)
    assert (file.format, file.shape, file.dtype) == ("parquet", (50, 4), np.dtype(dtype))
    assert all(len(chunk) <= 7 for _, chunk in file.chunks(rows=7))
    np.testing.assert_array_equal(read(path, rows=7), rows)


def test_fixed_shape_tensors(write):
    kind = pa.fixed_shape_tensor(pa.float64(), [4])
    storage = pa.FixedSizeListArray.from_arrays(pa.array(ROWS.reshape(-1)), 4)
    path = write({"v": pa.ExtensionArray.from_storage(kind, storage)})
    np.testing.assert_array_equal(read(path), ROWS)


def test_one_column_a_dimension(write):
    columns = {f"x{i}": ROWS[:, i] for i in range(4)}
    np.testing.assert_array_equal(read(write(columns)), ROWS)
    np.testing.assert_array_equal(read(write(columns), "x2,x0"), ROWS[:, [2, 0]])
    mixed = {**columns, "x1": ROWS[:, 1].astype(np.float32)}
    assert open_embeddings(write(mixed)).dtype == np.float64


def test_names_with_dots_are_found(write):
    path = write({"v.0": ROWS[:, 0], "v.1": ROWS[:, 1]})
    np.testing.assert_array_equal(read(path), ROWS[:, :2])


def test_missing_rows_and_values_are_nan(write):
    path = write({"v": pa.array([[1.0, 2.0], None, [None, 4.0]], pa.list_(pa.float64()))})
    nan = np.nan
    np.testing.assert_array_equal(read(path), [[1, 2], [nan, nan], [nan, 4]])
    path = write({"v": pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float64(), 2))})
    np.testing.assert_array_equal(read(path), [[1, 2], [nan, nan], [3, 4]])
    path = write({"a": pa.array([1, None, 3]), "b": pa.array([1.0, 2.0, None])})
    np.testing.assert_array_equal(read(path), [[1, 1], [nan, 2], [3, nan]])


def test_several_list_columns_need_a_choice(write):
    path = write({"a": lists("list"), "b": lists("list", ROWS + 1)})
    with pytest.raises(EmbeddingError, match="several list columns: a, b; choose one"):
        open_embeddings(path)
    np.testing.assert_array_equal(read(path, "b"), ROWS + 1)


@pytest.mark.parametrize(
    ("columns", "column", "message"),
    [
        ({"v": [["a", "b"]]}, None, "column 'v' holds lists of string, expected lists of numbers"),
        ({"x": [1.0], "label": ["cat"]}, None, r"column 1 \('label'\) holds text \('string'\)"),
        ({"x": [1.0], "y": [2.0], "label": [3]}, None, "looks like a label or id.*column='0:2'"),
        ({"x": [1.0], "y": [2.0]}, "z", "has no column 'z'; its 2 columns are 'x', 'y'"),
        ({"v": [[1.0, 2.0]]}, "z", "has no column 'z'"),
        ({"v": [[1.0]]}, None, "dimension 1"),
        ({"x": [1.0]}, None, "dimension 1"),
        ({"v": [[1.0, 2.0]], "x": [1.0]}, "x", "dimension 1"),
        ({"v": pa.array([], pa.list_(pa.float64()))}, None, "holds no rows"),
        ({"v": pa.array([None, None], pa.list_(pa.float64()))}, None, "only missing values"),
        ({"b": pa.array([b"12"])}, None, "holds no numbers"),
    ],
)
def test_what_is_no_embedding_is_refused(write, columns, column, message):
    path = write(columns)
    with pytest.raises(EmbeddingError, match=message) as caught:
        open_embeddings(path, column)
    assert str(path) in str(caught.value)


def test_ragged_lists_name_the_row(write):
    path = write({"v": [[1.0, 2.0]] * 40 + [[1.0, 2.0, 3.0]] + [[1.0, 2.0]]})
    with pytest.raises(
        EmbeddingError, match="row 40 of column 'v' has 3 numbers where row 0 has 2"
    ):
        read(path, rows=7)


def test_truncated_files_are_refused(write):
    path = write({"v": lists("list")})
    whole = path.read_bytes()
    for size in (5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(EmbeddingError, match="damaged or truncated Parquet"):
            open_embeddings(path)


def test_without_pyarrow_the_message_says_what_to_install(write, monkeypatch):
    path = write({"v": lists("list")})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(EmbeddingError, match="pip install pyarrow"):
        open_embeddings(path)


def test_locate_names_the_column(write):
    file = open_embeddings(write({"a": [1.0, 2.0], "b": [1.0, 2.0]}))
    assert file.locate(1, 1) == "row 1, column 'b'"
    assert open_embeddings(write({"v": lists("list")})).locate(1, 3) == "row 1, column 3"
