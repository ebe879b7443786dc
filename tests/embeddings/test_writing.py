"""Every format that is written reads back what was written, and appears complete or not at all."""

from __future__ import annotations

import gzip
import zipfile

import numpy as np
import pytest

from vmf.embeddings import open_embeddings, registry
from vmf.embeddings.row_values import RowValues
from vmf.embeddings.table_output import to_bfloat16, writable_extensions
from vmf.embeddings.writing import create_embeddings, int8_scale
from vmf.errors import EmbeddingError

LIBRARIES = {
    ".parquet": "pyarrow", ".pq": "pyarrow", ".arrow": "pyarrow", ".feather": "pyarrow",
    ".ipc": "pyarrow", ".h5": "h5py", ".hdf5": "h5py", ".zarr": "zarr", ".pt": "torch",
    ".pth": "torch", ".csv.zst": "zstandard", ".tsv.zst": "zstandard",
}  # fmt: skip
ENDINGS = writable_extensions()
WITH_TEXT = [e for e in ENDINGS if e not in (".npy", ".safetensors", ".pt", ".pth")]
WITH_SCALE = [e for e in ENDINGS if e != ".npy" and ".csv" not in e and ".tsv" not in e]
ROWS = np.random.default_rng(0).standard_normal((50, 4))
ROWS[3, 1], ROWS[4, 2] = np.nan, -0.0


@pytest.fixture
def target(request, tmp_path):
    def named(ending):
        if ending in LIBRARIES:
            pytest.importorskip(LIBRARIES[ending])
        return tmp_path / f"x{ending}"

    return named


def write(path, rows, dtype, **more):
    beside = more.pop("beside", {})
    types = {name: values.dtype for name, values in beside.items()}
    with create_embeddings(path, rows.shape, dtype, beside=types, **more) as writer:
        for part in (slice(0, 20), slice(20, 21), slice(21, 50)):
            writer.append(rows[part], **{name: values[part] for name, values in beside.items()})


def read(path, column=None):
    file = open_embeddings(path, column)
    return np.concatenate([block for _, block in file.chunks(rows=7)])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_numbers_read_back_exactly(target, ending, dtype):
    rows = ROWS.astype(dtype)
    path = target(ending)
    write(path, rows, dtype)
    found = read(path)
    np.testing.assert_array_equal(found, rows)
    if open_embeddings(path).format != "csv":
        assert found.dtype == rows.dtype
        np.testing.assert_array_equal(np.signbit(found), np.signbit(rows))


@pytest.mark.parametrize("ending", WITH_TEXT)
def test_ids_and_labels_stand_beside_the_rows(target, ending):
    ids = np.array([f"r{i}, ü" for i in range(50)])
    labels = np.arange(50) % 3
    path = target(ending)
    write(path, ROWS, "float32", beside={"id": ids, "label": labels})
    column = "x*" if ".csv" in ending or ".tsv" in ending else "embedding"
    np.testing.assert_array_equal(read(path, column), ROWS.astype(np.float32))
    assert RowValues(path).take(50).tolist() == ids.tolist()
    assert list(map(int, RowValues(path, "label").take(50))) == labels.tolist()


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_whole_labels_need_no_text(target, ending):
    labels = np.arange(50) % 3
    write(target(ending), ROWS, "float32", beside={"label": labels})
    np.testing.assert_array_equal(read(target(ending)), ROWS.astype(np.float32))
    assert RowValues(target(ending), "label").take(50).tolist() == labels.tolist()


@pytest.mark.parametrize("ending", WITH_SCALE)
def test_int8_is_as_close_as_it_says(target, ending):
    rows = np.random.default_rng(1).standard_normal((50, 4)) * [1, 1e-3, 0, 1e3]
    scale = int8_scale(np.abs(rows).max(axis=0))
    write(target(ending), rows, "int8", scale=scale)
    file = open_embeddings(target(ending))
    assert file.stored_as == "int8 with scale"
    error = np.abs(read(target(ending)) - rows)
    assert (error <= np.abs(rows).max(axis=0) / 254 * (1 + 1e-6)).all()
    assert error.max() > np.abs(rows).max() / 254 / 4


@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".pth"])
def test_bfloat16_is_rounded_to_the_nearest(target, ending):
    torch = pytest.importorskip("torch")
    rows = ROWS.astype(np.float32)
    rows[0] = [1 + 2**-8, 1 + 3 * 2**-8, np.inf, -3.4e38]
    write(target(ending), rows, "bfloat16")
    assert open_embeddings(target(ending)).stored_as == "bfloat16"
    expected = torch.tensor(rows).bfloat16()
    np.testing.assert_array_equal(read(target(ending)), expected.float().numpy())
    bits = expected.view(torch.int16).numpy().view(np.uint16)
    defined = ~np.isnan(rows)
    np.testing.assert_array_equal(to_bfloat16(rows)[defined], bits[defined])


def test_torch_itself_reads_what_was_written(target):
    path = target(".pt")
    torch = pytest.importorskip("torch")
    for beside in ({}, {"label": np.arange(50)}):
        write(path, ROWS.astype(np.float32), "float32", beside=beside)
        for mapped in (False, True):
            found = torch.load(path, weights_only=True, mmap=mapped)
            rows = found["embedding"] if beside else found
            np.testing.assert_array_equal(rows.numpy(), ROWS.astype(np.float32))
            assert rows.data_ptr() % 64 == 0 or not mapped
        assert zipfile.ZipFile(path).testzip() is None


def test_other_libraries_read_what_was_written(target):
    from safetensors.numpy import load_file

    rows = ROWS.astype(np.float32)
    write(target(".safetensors"), rows, "float32", beside={"label": np.arange(50, dtype="i2")})
    found = load_file(target(".safetensors"))
    np.testing.assert_array_equal(found["embedding"], rows)
    np.testing.assert_array_equal(found["label"], np.arange(50))
    write(target(".npz"), rows, "float32", beside={"id": np.array([f"r{i}" for i in range(50)])})
    with np.load(target(".npz")) as archive:
        np.testing.assert_array_equal(archive["embedding"], rows)
        assert archive["id"][49] == "r49"


def write_and_stop(path, rows, error):
    with create_embeddings(path, (50, 4), "float32") as writer:
        writer.append(rows)
        if error is KeyboardInterrupt:
            raise error


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_appears_when_writing_fails(target, ending):
    path = target(ending)
    write(path, ROWS, "float32")
    before = sorted(path.parent.iterdir())
    for rows, error in ((ROWS[:49], ValueError), (ROWS, KeyboardInterrupt)):
        with pytest.raises(error):
            write_and_stop(path, rows, error)
    assert sorted(path.parent.iterdir()) == before
    np.testing.assert_array_equal(read(path), ROWS.astype(np.float32))


@pytest.mark.parametrize("ending", [".csv.gz", ".npz", ".safetensors", ".pt", ".npy"])
def test_the_same_rows_give_the_same_bytes(target, ending, monkeypatch):
    write(target(ending), ROWS, "float32")
    first = target(ending).read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    write(target(ending), ROWS, "float32")
    assert target(ending).read_bytes() == first


def test_what_a_format_has_no_place_for(target):
    text, whole = {"id": np.array(["a"] * 50)}, {"id": np.arange(50)}
    for ending, beside, dtype, message in [
        (".npy", whole, "float32", "has no place for id: a .npy holds one array; write .npz"),
        (".safetensors", text, "float32", "has no place for text .the column 'id'.*write .parquet"),
        (".pt", text, "float32", "has no place for text"),
        (".npz", {}, "bfloat16", "cannot hold bfloat16.*write .safetensors"),
        (".npy", {}, "int8", "has no place for the scale of integers"),
        (".csv.gz", {}, "int8", "has no place for the scale of integers"),
        (".xlsx", {}, "float32", "has '.xlsx'; the output is one of .npy, "),
    ]:
        with pytest.raises(EmbeddingError, match=message):
            write(target(ending), ROWS, dtype, beside=beside, scale=np.ones(4))
    with pytest.raises(EmbeddingError, match="int8 needs a scale"):
        write(target(".npz"), ROWS, "int8")
    assert list(target(".npy").parent.iterdir()) == []


def test_numbers_out_of_range_are_named(target):
    rows = np.ones((50, 4))
    rows[33, 2] = 70000.0
    with pytest.raises(EmbeddingError, match=r"row 33, column 2: 70000.0 is beyond float16"):
        write(target(".npy"), rows, "float16")
    with pytest.raises(EmbeddingError, match=r"row 33, column 2: 70000.0 is beyond int8"):
        write(target(".npz"), rows, "int8", scale=np.ones(4))
    rows[0, 0] = np.inf
    rows[33, 2] = 1
    write(target(".npy"), rows, "float16")
    assert read(target(".npy"))[0, 0] == np.inf


def test_a_zarr_store_replaces_only_a_zarr_store(target):
    from vmf.output import check_output

    path = target(".zarr")
    path.mkdir()
    (path / "mine.txt").touch()
    with pytest.raises(EmbeddingError, match="is a folder"):
        check_output(path)
    (path / "mine.txt").unlink()
    path.rmdir()
    write(path, ROWS, "float32")
    check_output(path)


def test_gzip_holds_no_name(target):
    write(target(".csv.gz"), ROWS, "float64")
    content = target(".csv.gz").read_bytes()
    assert content[3] == 0
    assert gzip.decompress(content).startswith(b"x0,x1,x2,x3\n")


def test_every_writer_is_registered():
    assert {f.name for f in registry._FORMATS if f.writing} >= {
        "npy", "npz", "csv", "parquet", "arrow", "hdf5", "zarr", "safetensors", "pytorch",
    }  # fmt: skip
