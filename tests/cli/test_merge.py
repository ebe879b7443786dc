from __future__ import annotations

import json

import numpy as np


def kappa(result) -> list[float]:
    return [one["kappa"] for one in json.loads(result.stdout)["classes"]]


def test_update_and_merge_print_the_model_of_all_rows(folder, rows):
    np.save(folder / "first.npy", rows[:70])
    np.save(folder / "rest.npy", rows[70:])
    whole = kappa(folder.run("info", folder / "m.safetensors", "--json"))
    first, rest = folder / "f.safetensors", folder / "r.safetensors"
    folder.run("fit", folder / "first.npy", "-o", first)
    folder.run("fit", folder / "rest.npy", "-o", rest)
    out = folder / "o.safetensors"
    updated = folder.run("fit", "--update", first, folder / "rest.npy", "-o", out, "--json")
    assert kappa(updated) == whole
    assert kappa(folder.run("merge", rest, first, "-o", out, "--json")) == whole
    text = folder.run("merge", rest, first, "-o", out).stdout
    assert text.startswith(f"2 models -> {out}\n")
    assert "rows                       200\n" in text
    assert folder.run("merge", rest, first, "-o", out, "--quiet").output == ""


def test_adding_a_file_twice_is_remarked_on(folder):
    result = folder.run(
        "fit",
        "--update",
        folder / "m.safetensors",
        folder / "x.npy",
        "-o",
        folder / "o.safetensors",
    )
    assert "note: x.npy is the name of a file that" in result.stdout
    assert "rows count double" in result.stdout


def test_what_does_not_fit_is_one_line(folder):
    m, c, out = folder / "m.safetensors", folder / "c.safetensors", folder / "o.safetensors"
    folder.refused("has no classes, but", "merge", m, c, "-o", out)
    folder.refused("is also an input", "merge", m, c, "-o", m)
    folder.refused("has classes; give", "fit", folder / "x.npy", "--update", c, "-o", out)
    folder.refused("--checkpoint FILE", "fit", folder / "x.npy", "--resume", "-o", out)
