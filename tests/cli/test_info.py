from __future__ import annotations

import json

import numpy as np

from vmf.distribution.model import load_model


def test_embeddings(folder):
    out = folder.run("info", folder / "x.npy").stdout
    assert "rows       200\n" in out
    assert "stored as  float64\n" in out
    told = json.loads(folder.run("info", folder / "x.npy", "--json").stdout)
    assert (told["rows"], told["dimension"], told["format"]) == (200, 4, "npy")


def test_a_column_of_a_table(folder):
    (folder / "t.csv").write_text("id,x0,x1\n7,1,2\n8,3,4\n")
    told = json.loads(folder.run("info", folder / "t.csv", "--column", "x*", "--json").stdout)
    assert (told["rows"], told["dimension"]) == (2, 2)
    folder.refused("looks like a label or id", "info", folder / "t.csv")


def test_models(folder):
    assert "model of x.npy" in folder.run("info", folder / "m.safetensors").stdout
    told = json.loads(folder.run("info", folder / "c.safetensors", "--json").stdout)
    assert [one["class"] for one in told["classes"]] == ["cat", "dog"]
    np.testing.assert_array_equal(
        [one["kappa"] for one in told["classes"]],
        load_model(folder / "c.safetensors").concentration,
    )


def test_what_fit_printed_can_be_printed_again(folder):
    arguments = ["fit", folder / "x.npy", "-o", folder / "n.safetensors"]
    fitted, again = folder.run(*arguments), folder.run("info", folder / "n.safetensors")
    assert fitted.stdout.splitlines()[1:] == again.stdout.splitlines()[1:]


def test_neither(folder):
    folder.refused("does not exist", "info", folder / "missing.npy")
    (folder / "z.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    folder.refused("is truncated", "info", folder / "z.safetensors")
