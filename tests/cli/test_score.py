from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import vmf
from tests.libraries import needs_format
from vmf.distribution.model import load_model


@pytest.mark.parametrize("name", ["s.csv", "s.tsv", "s.npy", "s.parquet"])
def test_scores_of_every_format(folder, rows, name):
    needs_format(name)
    folder.run("score", folder / "m.safetensors", folder / "x.npy", "-o", folder / name)
    model = load_model(folder / "m.safetensors")
    expected = vmf.VonMisesFisher(model.mean_direction[0], model.concentration[0]).logpdf(rows)
    if name.endswith("npy"):
        found = np.load(folder / name)["log_density"]
    elif name.endswith("parquet"):
        pq = pytest.importorskip("pyarrow.parquet")
        found = pq.read_table(folder / name)["log_density"].to_numpy()
    else:
        with open(folder / name, newline="") as stream:
            lines = list(csv.DictReader(stream, delimiter="\t" if "tsv" in name else ","))
        found = np.array([line["log_density"] for line in lines], float)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_the_sign_is_stated(folder):
    arguments = ["score", folder / "c.safetensors", folder / "x.npy", "-o", folder / "s.csv"]
    assert "higher log_density and higher cosine = more in-dist" in folder.run(*arguments).stdout
    assert "class,probability" in (folder / "s.csv").read_text().splitlines()[0]


def test_json_and_quiet(folder):
    arguments = ["score", folder / "m.safetensors", folder / "x.npy", "-o", folder / "s.npy"]
    told = json.loads(folder.run(*arguments, "--json").stdout)
    scores = np.load(folder / "s.npy")
    assert told["rows"] == 200
    assert told["mean_cosine"] == pytest.approx(scores["cosine"].mean())
    assert folder.run(*arguments, "--quiet").output == ""


def test_bad_rows(folder, rows):
    rows[7] = np.nan
    np.save(folder / "bad.npy", rows)
    arguments = ["score", folder / "m.safetensors", folder / "bad.npy", "-o", folder / "s.npy"]
    folder.refused("row 7, column 0: the value is nan", *arguments)
    told = json.loads(folder.run(*arguments, "--on-bad-rows", "skip", "--json").stdout)
    assert told["skipped"] == 1
    np.testing.assert_array_equal(
        np.flatnonzero(np.isnan(np.load(folder / "s.npy")["cosine"])), [7]
    )


def test_no_scores_at_all_are_null_in_json(folder):
    np.save(folder / "bad.npy", np.zeros((3, 4)))
    arguments = ["score", folder / "m.safetensors", folder / "bad.npy", "-o", folder / "s.npy"]
    told = json.loads(folder.run(*arguments, "--on-bad-rows", "skip", "--json").stdout)
    assert (told["skipped"], told["mean_cosine"]) == (3, None)


def test_what_cannot_be_scored(folder, rows):
    np.save(folder / "narrow.npy", rows[:, :3])

    def refused(message, model, file, output):
        folder.refused(message, "score", folder / model, folder / file, "-o", folder / output)

    refused("has dimension 3, the model 4", "m.safetensors", "narrow.npy", "s.csv")
    refused("is not a model", "x.npy", "x.npy", "s.csv")
    refused("does not exist", "missing.safetensors", "x.npy", "s.csv")
    refused("does not exist", "m.safetensors", "missing.npy", "s.csv")
    refused("is also an input", "m.safetensors", "x.npy", "x.npy")
    refused("is also an input", "m.safetensors", "x.npy", "m.safetensors")
    refused("the output is one of .csv, .tsv", "m.safetensors", "x.npy", "s.json")
    refused("does not exist; create it first", "m.safetensors", "x.npy", "missing/s.csv")
    (folder / "m.safetensors").write_bytes((folder / "m.safetensors").read_bytes()[:-3])
    refused("is damaged", "m.safetensors", "x.npy", "s.csv")
