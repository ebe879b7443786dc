"""Tables of scores with ids, in the order of the rows."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import vmf
from tests.libraries import needs_format
from vmf.distribution.model import load_model
from vmf.errors import EmbeddingError
from vmf.jobs.fit import fit_to_file
from vmf.jobs.score import score_to_file
from vmf.passes.engine import Reading

COUNT = 300


@pytest.fixture
def folder(tmp_path):
    rows = vmf.VonMisesFisher(np.eye(6)[0], 9.0).sample(COUNT, 0)
    np.save(tmp_path / "x.npy", rows)
    np.save(tmp_path / "a.npy", rows[:110])
    np.save(tmp_path / "b.npy", rows[110:])
    fit_to_file([tmp_path / "x.npy"], tmp_path / "m.safetensors")
    return tmp_path


def table(path) -> dict[str, list]:
    if path.suffix == ".npy":
        array = np.load(path)
        return {name: array[name].tolist() for name in array.dtype.names}
    if path.suffix == ".parquet":
        return pytest.importorskip("pyarrow.parquet").read_table(path).to_pydict()
    with open(path, newline="") as stream:
        lines = list(csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))
    return {
        name: [line[name] if name == "id" else float(line[name]) for line in lines]
        for name in lines[0]
    }


def score(folder, output: str, **how):
    paths = how.pop("paths", [folder / "a.npy", folder / "b.npy"])
    score_to_file(load_model(folder / "m.safetensors"), paths, folder / output, **how)
    return table(folder / output)


def write_ids(folder, kind: str, names: list[str]) -> str:
    path = folder / f"ids{kind.removesuffix('+column')}"
    if kind == ".txt":
        path.write_text("".join(f"{name}\n" for name in names))
    elif kind.startswith(".csv"):
        path.write_text("split,id\n" + "".join(f"test,{name}\n" for name in names))
    elif kind == ".npy":
        np.save(path, np.array(names))
    else:
        pa = pytest.importorskip("pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({"n": range(len(names)), "id": names}), path, row_group_size=70)
    return f"{path}:id" if kind.endswith("+column") else str(path)


@pytest.mark.parametrize("output", ["s.csv", "s.tsv", "s.npy", "s.parquet"])
@pytest.mark.parametrize(
    "kind", [".txt", ".csv", ".csv+column", ".npy", ".parquet", ".parquet+column"]
)
def test_ids_stand_beside_their_scores(folder, output, kind):
    needs_format(output)
    whole = score(folder, "w.npy", paths=[folder / "x.npy"])
    names = [f"image-{'x' * (k % 7)}{k}" for k in range(COUNT)]
    found = score(
        folder, output, ids=write_ids(folder, kind, names), reading=Reading(chunk_bytes=37 * 8 * 6)
    )
    assert list(found) == ["id", "log_density", "cosine"]
    assert found["id"] == names
    assert found["log_density"] == whole["log_density"]


@pytest.mark.parametrize("output", ["s.csv", "s.npy", "s.parquet"])
def test_without_ids_rows_are_numbered_over_all_files(folder, output):
    needs_format(output)
    found = score(folder, output)
    assert [int(k) for k in found["id"]] == list(range(COUNT))


@pytest.mark.parametrize("kind", [".npy", ".parquet"])
def test_whole_numbers_stay_whole_numbers(folder, kind):
    needs_format(".parquet")
    numbers = [10**15 + 7 * k for k in range(COUNT)]
    assert score(folder, "s.npy", ids=write_ids(folder, kind, numbers))["id"] == numbers
    assert score(folder, "s.parquet", ids=write_ids(folder, kind, numbers))["id"] == numbers


@pytest.mark.parametrize(
    ("count", "said"), [(COUNT - 1, "has only 299 ids"), (COUNT + 1, "has more ids than the 300")]
)
def test_one_id_a_row(folder, count, said):
    ids = write_ids(folder, ".txt", [str(k) for k in range(count)])
    with pytest.raises(EmbeddingError, match=rf"ids\.txt: {said}"):
        score(folder, "s.csv", ids=ids)
    assert not (folder / "s.csv").exists()


def test_what_holds_no_ids_is_refused(folder):
    with pytest.raises(EmbeddingError, match=r"x\.npy: holds .*; labels and ids have shape"):
        score(folder, "s.csv", ids=folder / "x.npy")
    (folder / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(EmbeddingError, match=r"say which one is meant: t\.csv:NAME"):
        score(folder, "s.csv", ids=folder / "t.csv")
    np.save(folder / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(EmbeddingError, match=r"o\.npy: holds Python objects"):
        score(folder, "s.csv", ids=folder / "o.npy")
    (folder / "t.xml").write_text("1\n")
    with pytest.raises(EmbeddingError, match="ids are read from"):
        score(folder, "s.csv", ids=folder / "t.xml")
    with pytest.raises(EmbeddingError, match="is also an input"):
        score(folder, "t.csv", ids=f"{folder / 't.csv'}:a")
