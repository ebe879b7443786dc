"""The commands take folders, patterns and URLs, columns in place, and stored integers."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from vmf.cli import options
from vmf.cli.progress import stored_bytes
from vmf.distribution.model import load_model
from vmf.embeddings import registry


@pytest.fixture
def shards(folder, rows):
    """The rows of x.npy in three Parquet files, with their ids and classes beside them."""
    pa, pq = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet"))
    (folder / "shards").mkdir()
    for number, part in enumerate(np.array_split(np.arange(200), 3)):
        table = pa.table(
            {
                "id": [f"r{i}" for i in part],
                "v": list(rows[part]),
                "class": [("cat", "dog")[i % 2] for i in part],
            }
        )
        pq.write_table(table, folder / "shards" / f"part-{number}.parquet")
    return folder / "shards"


def put(source, target: str) -> str:
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.put(str(source), f"/{target}", recursive=source.is_dir())
    return f"memory://{target}"


def test_help_names_every_format_that_is_read():
    named = options.FORMATS.replace(",", " ").replace("(", " ").split()
    endings = {e.removesuffix(".gz").removesuffix(".zst") for e in registry.extensions()}
    assert endings <= set(named)
    assert set(named) - endings == {"or", "also", ".gz", ".zst)"}


@pytest.mark.parametrize("kind", ["folder", "pattern", "memory"])
def test_shards_are_fitted_as_one_file_with_classes_in_place(folder, shards, kind):
    source = {"folder": shards, "pattern": f"{shards}/*.parquet"}.get(kind) or put(shards, "shards")
    arguments = [source, "--column", "v", "--labels", f"{source}:class"]
    folder.run("fit", *arguments, "-o", folder / "n.safetensors")
    whole, parts = load_model(folder / "c.safetensors"), load_model(folder / "n.safetensors")
    np.testing.assert_array_equal(parts.concentration, whole.concentration)
    scored = ["score", folder / "c.safetensors", source, "--column", "v"]
    folder.run(*scored, "--ids", f"{source}:id", "-o", folder / "s.csv")
    folder.run("score", folder / "c.safetensors", folder / "x.npy", "-o", folder / "w.csv")
    with open(folder / "s.csv") as one, open(folder / "w.csv") as other:
        found, expected = list(csv.reader(one))[1:], list(csv.reader(other))[1:]
    assert [row[0] for row in found] == [f"r{row[0]}" for row in expected]
    assert [row[1:] for row in found] == [row[1:] for row in expected]


def test_one_label_file_for_each_folder(folder, shards, rows):
    (folder / "more").mkdir()
    np.save(folder / "more" / "x.npy", rows + 0.01)
    (folder / "z.txt").write_text("cat\n" * 200)
    labels = ["--labels", f"{shards}:class", "--labels", folder / "z.txt"]
    arguments = ["fit", shards, folder / "more", *labels, "-o", folder / "n.safetensors"]
    three = ["--labels", folder / "z.txt"] * 3
    folder.refused("3 label files for 4", *arguments[:3], *three, "-o", folder / "n.safetensors")
    folder.run(*arguments)
    assert [s.count for s in load_model(folder / "n.safetensors").statistics] == [300, 100]


def test_info_of_a_folder_and_of_a_url(folder, shards):
    size = sum(path.stat().st_size for path in shards.iterdir())
    told = json.loads(folder.run("info", shards, "--column", "v", "--json").stdout)
    assert (told["format"], told["files"], told["rows"], told["bytes"]) == ("parquet", 3, 200, size)
    out = folder.run("info", put(folder / "x.npy", "x.npy")).stdout
    assert "rows       200\n" in out
    assert "stored as  float64\n" in out


def test_scale_of_stored_integers(folder, rows):
    scale = np.array([1.0, 2.0, 0.5, 1.0]) / 127
    whole = np.round(rows / scale).clip(-127, 127).astype(np.int8)
    np.save(folder / "i.npy", whole)
    np.save(folder / "w.npy", (whole * scale.astype(np.float32)).astype(np.float32))
    np.save(folder / "scale.npy", scale)
    (folder / "scale.txt").write_text("\n".join(map(repr, scale.tolist())))
    folder.run("fit", folder / "w.npy", "-o", folder / "w.safetensors")
    expected = load_model(folder / "w.safetensors")
    for given in ("scale.npy", "scale.txt"):
        arguments = [folder / "i.npy", "--scale", folder / given]
        folder.run("fit", *arguments, "-o", folder / "n.safetensors")
        fitted = load_model(folder / "n.safetensors")
        assert fitted.concentration[0] == expected.concentration[0]
        folder.run("score", folder / "m.safetensors", *arguments, "-o", folder / "s.npy")
        folder.run("score", folder / "m.safetensors", folder / "w.npy", "-o", folder / "t.npy")
        found, same = np.load(folder / "s.npy"), np.load(folder / "t.npy")
        np.testing.assert_array_equal(found["log_density"], same["log_density"])
    refused = ["fit", folder / "i.npy", "-o", folder / "k.safetensors", "--scale"]
    folder.refused("is neither a number nor a file", *refused, "big")
    folder.refused("is no scale", *refused, folder / "y.csv")
    folder.refused("has a scale of shape (200, 4)", *refused, folder / "w.npy")
    refused[1] = folder / "x.npy"
    folder.refused("a scale belongs to stored integers", *refused, 0.5)


def test_options_that_do_not_go_together(folder):
    arguments = ["fit", folder / "x.npy", "-o", folder / "n.safetensors"]
    folder.refused("--resume needs the file to go on from", *arguments, "--resume")
    folder.refused("--new-classes needs the model to add to", *arguments, "--new-classes")


def test_a_url_of_nothing(folder):
    pytest.importorskip("fsspec")
    folder.refused("does not exist", "fit", "memory://none.npy", "-o", folder / "n.safetensors")


def test_a_file_of_the_folder_is_not_written_over(folder, shards):
    scored = ["score", folder / "m.safetensors", shards, "--column", "v", "-o"]
    folder.refused("is also an input", *scored, shards / "part-0.parquet")


def test_the_bar_knows_the_bytes_of_every_place(folder, shards, monkeypatch):
    assert stored_bytes([str(shards)]) is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    size = sum(path.stat().st_size for path in shards.iterdir())
    one = (folder / "x.npy").stat().st_size
    places = [f"{shards}/*.parquet", str(shards), put(folder / "x.npy", "y.npy")]
    assert stored_bytes(places) == 2 * size + one
    assert stored_bytes(["missing.npy"]) is None
