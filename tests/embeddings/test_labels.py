from __future__ import annotations

import zipfile

import numpy as np
import pytest

from vmf.embeddings.labels import join_labels, label_file, read_labels
from vmf.errors import EmbeddingError

WORDS = ["cat", "dog", "cat", "bird"]


def names(source) -> list[str]:
    labels = read_labels(source)
    assert labels.codes.dtype == np.int32
    return [labels.classes[code] for code in labels.codes]


@pytest.mark.parametrize(
    "array",
    [
        np.array(WORDS),
        np.array(WORDS, "S"),
        np.array(WORDS)[:, np.newaxis],
    ],
)
def test_npy_of_strings(tmp_path, array):
    np.save(tmp_path / "y.npy", array)
    assert names(tmp_path / "y.npy") == WORDS


@pytest.mark.parametrize("dtype", ["i1", "u2", ">i4", "i8"])
def test_npy_of_integers_in_numeric_order(tmp_path, dtype):
    np.save(tmp_path / "y.npy", np.array([10, 9, 10, 2], dtype))
    labels = read_labels(tmp_path / "y.npy")
    assert labels.classes == ["2", "9", "10"]
    np.testing.assert_array_equal(labels.codes, [2, 1, 2, 0])
    assert len(labels) == 4


def test_npz_members(tmp_path):
    np.savez(tmp_path / "y.npz", x=np.ones((4, 2)), y=np.array(WORDS))
    assert names(f"{tmp_path}/y.npz:y") == WORDS
    with pytest.raises(EmbeddingError, match=r"choose one: y.npz:NAME"):
        read_labels(tmp_path / "y.npz")
    with pytest.raises(EmbeddingError, match="has no member 'z'; it holds x, y"):
        read_labels(f"{tmp_path}/y.npz:z")
    np.savez_compressed(tmp_path / "y.npz", np.array(WORDS))
    assert names(tmp_path / "y.npz") == WORDS


def test_text_one_a_line(tmp_path):
    (tmp_path / "y.txt").write_text("label\ngreat white shark\n7\n\n")
    assert names(tmp_path / "y.txt") == ["label", "great white shark", "7"]


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("label\ncat\ndog\n", "", ["cat", "dog"]),
        ("Class\ncat\ndog\n", "", ["cat", "dog"]),
        ("cat\ndog\n", "", ["cat", "dog"]),
        ("species\n3\n1\n", "", ["3", "1"]),
        ("3\n1\n", "", ["3", "1"]),
        ("species\ncat\ndog\n", ":species", ["cat", "dog"]),
        ("great white\ntabby cat\n", "", ["great white", "tabby cat"]),
        ("id,label\n1,cat\n2,dog\n", ":label", ["cat", "dog"]),
        ("1,cat\n2,dog\n", ":1", ["cat", "dog"]),
        ('label,x\n"cat, black",1\ndog,2\n', ":label", ["cat, black", "dog"]),
    ],
)
def test_tables(tmp_path, text, column, expected):
    (tmp_path / "y.csv").write_text(text)
    assert names(f"{tmp_path}/y.csv{column}") == expected


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("id,label\n1,cat\n", "", r"has 2 columns \(id, label\); say which one .*y.csv:NAME"),
        ("id,label\n1,cat\n", ":species", "has no column 'species'; its 2 columns are"),
        ("id,label\n1,cat\n", ":*", "stands for 2 columns"),
        ("label\ncat\n", ":species", "has no column 'species'; its only one is 'label'"),
        ("id,label\n1,cat\n2,\n", ":label", "the label of row 1 is missing"),
        ("id,label\n" + "1,cat\n" * 30 + "2\n", ":label", "line 32 has 1 fields where 2"),
        ("", "", "every line is empty"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, column, message):
    (tmp_path / "y.csv").write_text(text)
    with pytest.raises(EmbeddingError, match=message):
        read_labels(f"{tmp_path}/y.csv{column}")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((4, 3)), r"holds an array of shape \(4, 3\); labels and ids have shape \(rows,\)"),
        (np.ones(4), "holds dtype float64; labels and ids are integers or strings"),
        (np.array(["a", None], object), "Python objects"),
        (np.array([], int), "holds no labels"),
        (np.array(["a", " "]), "the label of row 1 is missing"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, array, message):
    np.save(tmp_path / "y.npy", array, allow_pickle=True)
    with pytest.raises(EmbeddingError, match=message):
        read_labels(tmp_path / "y.npy")


def test_truncated_arrays_are_refused(tmp_path):
    np.save(tmp_path / "y.npy", np.arange(100))
    data = (tmp_path / "y.npy").read_bytes()
    (tmp_path / "y.npy").write_bytes(data[:-1])
    with pytest.raises(EmbeddingError, match="is truncated: 800 bytes of labels promised, 799"):
        read_labels(tmp_path / "y.npy")
    with zipfile.ZipFile(tmp_path / "y.npz", "w") as archive:
        archive.writestr("y.npy", data[:-1])
    with pytest.raises(EmbeddingError, match="damaged"):
        read_labels(tmp_path / "y.npz")


def test_parquet_columns(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "y.parquet"
    pq.write_table(
        pa.table(
            {
                "word": WORDS,
                "coded": pa.array(WORDS).dictionary_encode(),
                "number": [3, 1, 3, 2],
                "real": [1.0, 2.0, 3.0, 4.0],
                "gap": ["a", None, "b", "c"],
            }
        ),
        path,
    )
    assert names(f"{path}:word") == WORDS
    assert names(f"{path}:coded") == WORDS
    assert names(f"{path}:number") == ["3", "1", "3", "2"]
    with pytest.raises(
        EmbeddingError, match="holds double; labels and ids are integers or strings"
    ):
        read_labels(f"{path}:real")
    with pytest.raises(EmbeddingError, match="label of row 1 is missing"):
        read_labels(f"{path}:gap")
    with pytest.raises(EmbeddingError, match="has 5 columns"):
        read_labels(path)


def test_files_that_are_missing_or_of_another_kind(tmp_path):
    with pytest.raises(EmbeddingError, match=r"y.csv: does not exist"):
        read_labels(tmp_path / "y.csv")
    with pytest.raises(EmbeddingError, match=r"y.csv: does not exist"):
        read_labels(f"{tmp_path}/y.csv:label")
    (tmp_path / "y.json").write_text("[]")
    with pytest.raises(EmbeddingError, match=r"labels and ids are read from .npy"):
        read_labels(tmp_path / "y.json")
    (tmp_path / "a:b.txt").write_text("x\n")
    assert names(tmp_path / "a:b.txt") == ["x"]
    assert label_file(tmp_path / "a:b.txt") == tmp_path / "a:b.txt"


def test_labels_in_many_batches_keep_their_order(tmp_path):
    words = [f"w{i % 1009}" for i in range(200_000)]
    (tmp_path / "y.txt").write_text("\n".join(words))
    assert names(tmp_path / "y.txt") == words


def test_join(tmp_path):
    (tmp_path / "a.txt").write_text("3\n10\n")
    (tmp_path / "b.txt").write_text("7\n3\n")
    joined = join_labels([read_labels(tmp_path / "a.txt"), read_labels(tmp_path / "b.txt")])
    assert joined.classes == ["3", "7", "10"]
    np.testing.assert_array_equal(joined.codes, [0, 2, 1, 0])
