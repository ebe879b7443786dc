from __future__ import annotations

import json

import numpy as np
import pytest

from vmf.cli import options
from vmf.distribution.model import load_model
from vmf.embeddings import open_embeddings
from vmf.embeddings.row_values import RowValues
from vmf.embeddings.table_output import writable_extensions


def read(path, column=None):
    return np.concatenate([rows for _, rows in open_embeddings(path, column).chunks()])


def test_help_names_every_format_that_is_written():
    named = options.WRITTEN.replace(",", " ").replace("(", " ").replace(")", " ").split()
    endings = {e.removesuffix(".gz").removesuffix(".zst") for e in writable_extensions()}
    assert set(named) - {"or", "also", ".gz", ".zst"} == endings


@pytest.mark.parametrize("target", ["d.parquet", "d.h5", "d.zarr", "d.npz", "d.csv.gz", "d.arrow"])
def test_a_folder_becomes_one_file_with_ids_and_labels(folder, rows, target):
    pytest.importorskip({"d.h5": "h5py", "d.zarr": "zarr"}.get(target, "pyarrow"))
    (folder / "parts").mkdir()
    for number, part in enumerate(np.array_split(rows, 3)):
        np.save(folder / "parts" / f"{number}.npy", part)
    (folder / "ids.txt").write_text("".join(f"r{i}\n" for i in range(200)))
    arguments = ["--ids", folder / "ids.txt", "--labels", f"{folder / 'y.csv'}:label"]
    folder.run("convert", folder / "parts", *arguments, "-o", folder / target)
    column = "x*" if "csv" in target else "embedding"
    np.testing.assert_array_equal(read(folder / target, column), rows)
    assert RowValues(folder / target).take(200).tolist() == [f"r{i}" for i in range(200)]
    again = ["fit", folder / target, "--column", column, "--labels", f"{folder / target}:label"]
    folder.run(*again, "-o", folder / "n.safetensors")
    found, expected = load_model(folder / "n.safetensors"), load_model(folder / "c.safetensors")
    np.testing.assert_array_equal(found.concentration, expected.concentration)


def test_int8_says_how_far_it_is_off(folder, rows):
    arguments = ["convert", folder / "x.npy", "--dtype", "int8", "-o", folder / "i.safetensors"]
    told = json.loads(folder.run(*arguments, "--json").stdout)
    assert (told["rows"], told["dimension"], told["dtype"]) == (200, 4, "int8")
    error = np.abs(read(folder / "i.safetensors") - rows).max()
    assert told["largest_error"] / 2 < error <= told["largest_error"] * (1 + 1e-6)
    assert "stored as  int8 with scale\n" in folder.run("info", folder / "i.safetensors").stdout
    folder.run("convert", folder / "i.safetensors", "-o", folder / "f.npy", "-q")
    np.testing.assert_array_equal(np.load(folder / "f.npy"), read(folder / "i.safetensors"))
    assert np.load(folder / "f.npy").dtype == np.float32
    rows[7, 1] = np.nan
    np.save(folder / "n.npy", rows)
    arguments[1], arguments[-1] = folder / "n.npy", folder / "j.safetensors"
    folder.refused("row 7, column 1: the value is nan; no integer stands for it", *arguments)
    folder.run(*arguments[:2], "-o", folder / "n.npz")
    np.testing.assert_array_equal(read(folder / "n.npz"), rows)


def test_what_cannot_be_converted(folder):
    convert = ["convert", folder / "x.npy", "-o"]
    folder.refused("has '.xml'; the output is one of", *convert, folder / "d.xml")
    folder.refused("is also an input", *convert, folder / "x.npy")
    ids = ["--ids", folder / "y.csv"]
    folder.refused("has no place for id: a .npy holds one array", *convert, folder / "d.npy", *ids)
    folder.refused("has no place for text", *convert, folder / "d.safetensors", *ids)
    folder.refused("cannot hold bfloat16", *convert, folder / "d.npz", "--dtype", "bfloat16")
    (folder / "short.txt").write_text("a\nb\n")
    ids[1] = folder / "short.txt"
    folder.refused("has only 2 ids; there must be one a row", *convert, folder / "d.npz", *ids)
