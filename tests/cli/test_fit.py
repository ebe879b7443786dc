from __future__ import annotations

import json
import pickle
import zipfile

import numpy as np
import pytest

import vmf
from tests.libraries import needs_format
from vmf.distribution.model import load_model
from vmf.estimation import concentration_interval, fit


def test_the_model_and_the_numbers_are_those_of_the_library(folder, rows):
    expected = fit(vmf.SufficientStatistics.from_rows(rows))
    result = folder.run("fit", folder / "x.npy", "-o", folder / "n.safetensors", "--json")
    told = json.loads(result.stdout)
    (one,) = told["classes"]
    assert one["kappa"] == expected.concentration
    assert one["standard_error"] == expected.concentration_standard_error
    assert tuple(one["interval"]) == concentration_interval(expected.statistics)
    assert one["class"] is None
    assert told["model"] == str(folder / "n.safetensors")
    assert told["sources"] == ["x.npy"]
    assert result.stderr == ""
    model = load_model(folder / "n.safetensors")
    assert model.concentration[0] == expected.concentration


def test_text_for_people(folder, rows):
    result = folder.run("fit", folder / "x.npy", "-o", folder / "n.safetensors")
    kappa = fit(vmf.SufficientStatistics.from_rows(rows)).concentration
    assert f"kappa (unbiased)           {kappa:.10g}\n" in result.stdout
    assert "mean resultant length R" in result.stdout
    assert "95 % interval of kappa" in result.stdout
    assert "rows                       200\n" in result.stdout
    assert "note:" not in result.stdout


def test_a_table_for_classes(folder):
    arguments = ["fit", folder / "x.npy", "--labels", f"{folder / 'y.csv'}:label"]
    result = folder.run(*arguments, "-o", folder / "n.safetensors")
    lines = result.stdout.splitlines()
    assert "200 in 2 classes" in lines[1]
    assert [line.split()[:2] for line in lines[-2:]] == [["cat", "100"], ["dog", "100"]]


def test_many_classes_are_cut_in_text_and_complete_in_json(folder, rows):
    np.save(folder / "many.npy", np.arange(200) % 50)
    arguments = ["fit", folder / "x.npy", "--labels", folder / "many.npy"]
    arguments += ["-o", folder / "n.safetensors"]
    assert "... and 10 more; --json prints all" in folder.run(*arguments).stdout
    assert len(json.loads(folder.run(*arguments, "--json").stdout)["classes"]) == 50


def test_quiet_prints_nothing(folder):
    result = folder.run("fit", folder / "x.npy", "-q", "-o", folder / "n.safetensors")
    assert result.output == ""
    assert (folder / "n.safetensors").exists()


@pytest.mark.parametrize("estimator", ["mle", "unbiased", "marginal", "map"])
def test_estimators(folder, rows, estimator):
    arguments = ["fit", folder / "x.npy", "--estimator", estimator, "-o", folder / "n.safetensors"]
    folder.run(*arguments)
    model = load_model(folder / "n.safetensors")
    assert model.estimator == estimator
    expected = fit(vmf.SufficientStatistics.from_rows(rows), estimator).concentration
    assert model.concentration[0] == expected


def test_normalised_and_skipped_rows_are_told(folder, rows):
    rows = rows * 2
    rows[[3, 5]] = [[np.nan] * 4, [0] * 4]
    np.save(folder / "b.npy", rows)
    arguments = ["fit", folder / "b.npy", "--on-bad-rows", "skip", "-o", folder / "n.safetensors"]
    out = folder.run(*arguments).stdout
    assert "note: 198 rows were not of unit length and were normalised.\n" in out
    assert "note: 2 rows held NaN or infinity or were zero and were skipped.\n" in out
    (one,) = json.loads(folder.run(*arguments, "--json").stdout)["classes"]
    assert (one["rows"], one["normalised"], one["skipped"]) == (198, 198, 2)


def test_every_format_gives_the_same_fit(folder, rows):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    np.savez_compressed(folder / "x.npz", a=rows, b=rows[:5])
    np.savetxt(folder / "x.txt", rows, fmt="%.17g")
    (folder / "x.csv").write_text(
        "id,x0,x1,x2,x3\n" + "".join(f"{i},{','.join(map(repr, r))}\n" for i, r in
                                     enumerate(rows.tolist()))
    )  # fmt: skip
    pq.write_table(pa.table({"id": range(200), "v": rows.tolist()}), folder / "x.parquet")
    expected = load_model(folder / "m.safetensors").concentration[0]
    for name, column in {
        "x.npz": ["--column", "a"], "x.txt": [], "x.csv": ["--column", "x*"], "x.parquet": []
    }.items():  # fmt: skip
        arguments = ["fit", folder / name, *column, "-o", folder / "n.safetensors", "-q"]
        folder.run(*arguments)
        assert load_model(folder / "n.safetensors").concentration[0] == expected


def bad_value(value):
    def change(rows):
        rows[117, 2] = value
        return rows

    return change


def zero_row(rows):
    rows[117] = 0
    return rows


BAD_ARRAYS = {
    "nan": (bad_value(np.nan), "row 117, column 2: the value is nan; correct or remove the row"),
    "infinity": (bad_value(np.inf), "row 117, column 2: the value is inf"),
    "zero row": (zero_row, "row 117: all values are zero"),
    "dimension 1": (lambda rows: rows[:, :1], "has dimension 1"),
    "a vector": (lambda rows: rows[0], "has shape (4,), expected (rows, dimension)"),
    "three axes": (lambda rows: rows.reshape(50, 4, 4), "flatten each row first"),
    "no rows": (lambda rows: rows[:0], "holds no rows"),
    "one row": (lambda rows: rows[:1], "one single usable row"),
    "equal rows": (lambda rows: np.tile(rows[:1], (9, 1)), "same direction (R = 1)"),
    "cancelling rows": (lambda rows: np.vstack([rows, -rows]), "cancel (R = 0)"),
    "complex": (lambda rows: rows + 1j, "is complex"),
    "text": (lambda rows: rows.astype(str), "not numbers"),
    "objects": (lambda rows: rows.astype(object), "Python objects (a pickle), which are never"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_arrays(folder, rows, case):
    change, message = BAD_ARRAYS[case]
    np.save(folder / "bad.npy", change(rows), allow_pickle=True)
    said = folder.refused(message, "fit", folder / "bad.npy", "-o", folder / "n.safetensors")
    assert str(folder / "bad.npy") in said


def bad_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


BAD_FILES = {
    "bad.npy": (lambda path: path.write_bytes(path.with_name("x.npy").read_bytes()[:-9]),
                "is truncated: the header promises 200 x 4 float64"),
    "empty.npy": (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
    "text.npy": (lambda path: path.write_text("1,2\n3,4\n"), "is not a npy file although"),
    "bad.pkl": (lambda path: path.write_bytes(pickle.dumps([1])), "a Python pickle, which is"),
    "bad.h5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), "damaged or truncated HDF5 file"),
    "bad.npz": (bad_zip, "without .npy members"),
    "cut.npz": (lambda path: path.write_bytes(b"PK\x03\x04half"), "damaged or truncated"),
    "cut.parquet": (lambda path: path.write_bytes(b"PAR1half"), "damaged or truncated"),
    "ragged.csv": (lambda path: path.write_text("a,b,c\n1,2,3\n1,2\n"), "line 3 has 2 fields"),
    "late.csv": (lambda path: path.write_text("a,b\n" + "1,2\n" * 999 + "1,x\n"),
                 "line 1001, column 'b': 'x' is not a number"),
    "text.csv": (lambda path: path.write_text("a,b,label\n1,2,cat\n3,4,dog\n"),
                 "column 2 ('label') holds text ('cat'), not a coordinate"),
    "gap.csv": (lambda path: path.write_text("a,b\n1,2\n3,\n"),
                "row 1 (line 3), column 'b': the value is nan"),
    "folder.npy": (lambda path: path.mkdir(), "is a folder"),
    "missing.npy": (lambda path: None, "does not exist"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(folder, name):
    needs_format(name)
    make, message = BAD_FILES[name]
    make(folder / name)
    said = folder.refused(message, "fit", folder / name, "-o", folder / "n.safetensors")
    assert str(folder / name) in said


def test_a_model_in_the_place_of_embeddings(folder):
    arguments = ["fit", folder / "m.safetensors", "-o", folder / "n.safetensors"]
    folder.refused("looks like a safetensors file (a model?)", *arguments)


def test_bad_labels(folder):
    def refused(message, labels):
        arguments = ["fit", folder / "x.npy", "--labels", labels, "-o", folder / "n.safetensors"]
        folder.refused(message, *arguments)

    np.save(folder / "short.npy", np.arange(150) % 2)
    refused(f"has 150 labels, but {folder / 'x.npy'} has 200 rows", folder / "short.npy")
    np.save(folder / "alone.npy", np.arange(200) // 199)
    refused("class '1': holds one single usable row", folder / "alone.npy")
    refused("does not exist", folder / "missing.csv")
    refused("has no column 'species'", f"{folder / 'y.csv'}:species")
    np.save(folder / "real.npy", np.arange(200.0))
    refused("labels and ids are integers or strings", folder / "real.npy")


def test_bad_outputs(folder):
    def refused(message, output, *more):
        folder.refused(message, "fit", folder / "x.npy", *more, "-o", output)

    refused("missing does not exist; create it first", folder / "missing" / "m.safetensors")
    refused("the output is one of .safetensors", folder / "m.npy")
    refused("is also an input", folder / "x.npy")
    refused("is also an input", folder / "y.csv", "--labels", f"{folder / 'y.csv'}:label")
    (folder / "d.safetensors").mkdir()
    refused("is a folder", folder / "d.safetensors")


def test_files_that_do_not_belong_together(folder, rows):
    np.save(folder / "narrow.npy", rows[:, :3])
    arguments = ["fit", folder / "x.npy", folder / "narrow.npy", "-o", folder / "n.safetensors"]
    folder.refused("has dimension 3, but", *arguments)
    arguments = ["fit", folder / "x.npy", folder / "x.npy", "-o", folder / "n.safetensors"]
    folder.refused("is given twice", *arguments)


def test_a_failed_fit_keeps_the_model_that_was_there(folder):
    before = (folder / "m.safetensors").read_bytes()
    np.save(folder / "bad.npy", np.zeros((5, 4)))
    folder.refused("all values are zero", "fit", folder / "bad.npy", "-o", folder / "m.safetensors")
    assert (folder / "m.safetensors").read_bytes() == before
