from __future__ import annotations

import json

import numpy as np

from vmf.distribution.model import load_model


def test_round_trip(folder):
    told = json.loads(
        folder.run(
            "sample", folder / "m.safetensors", "-n", 5000, "-o", folder / "d.npy", "--json"
        ).stdout
    )
    assert (told["rows"], told["dimension"]) == (5000, 4)
    folder.run("fit", folder / "d.npy", "-o", folder / "again.safetensors", "-q")
    model, again = load_model(folder / "m.safetensors"), load_model(folder / "again.safetensors")
    error = (again.concentration - model.concentration) / again.standard_error
    assert abs(error[0]) < 4


def test_seed_type_and_class(folder):
    arguments = ["sample", folder / "c.safetensors", "-n", 9, "--seed", 3, "--dtype", "float32"]
    folder.run(*arguments, "-o", folder / "a.npy")
    folder.run(*arguments, "-o", folder / "b.npy", "--quiet")
    a = np.load(folder / "a.npy")
    assert a.dtype == np.float32
    np.testing.assert_array_equal(a, np.load(folder / "b.npy"))
    out = folder.run(*arguments, "--class", "cat", "-o", folder / "c.csv").stdout
    assert "seed       3\n" in out
    lines = (folder / "c.csv").read_text().splitlines()
    assert lines[0] == "class,x0,x1,x2,x3"
    assert {line.split(",")[0] for line in lines[1:]} == {"cat"}


def test_what_cannot_be_drawn(folder):
    arguments = ["sample", folder / "c.safetensors", "-n", 9]
    folder.refused("has no class 'cow'", *arguments, "--class", "cow", "-o", folder / "d.npy")
    folder.refused("the output is one of", *arguments, "-o", folder / "d.txt")
    folder.refused("is also an input", *arguments, "-o", folder / "c.safetensors")
    folder.refused("is not a model", "sample", folder / "x.npy", "-n", 9, "-o", folder / "d.npy")
    result = folder.run(
        "sample", folder / "c.safetensors", "-n", 0, "-o", folder / "d.npy", exit_code=2
    )
    assert "--rows" in result.stderr
    assert not (folder / "d.npy").exists()
