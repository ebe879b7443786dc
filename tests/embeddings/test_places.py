"""Folders with links and hidden files, several kinds of URL, and libraries that are not there."""

from __future__ import annotations

import functools
import gzip
import http.server
import io
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from vmf.cli import app
from vmf.distribution.model import load_model
from vmf.embeddings import open_embeddings, registry
from vmf.embeddings.labels import read_labels
from vmf.embeddings.writing import create_embeddings
from vmf.errors import EmbeddingError

ROWS = np.random.default_rng(0).standard_normal((30, 4))


def read(path, column=None):
    return np.concatenate([block for _, block in open_embeddings(path, column).chunks(rows=7)])


def test_links_are_followed_but_never_in_a_circle(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "elsewhere").mkdir()
    np.save(tmp_path / "a" / "one.npy", ROWS[:10])
    np.save(tmp_path / "elsewhere" / "two.npy", ROWS[10:])
    (tmp_path / "a" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "x").symlink_to(tmp_path / "elsewhere")
    np.testing.assert_array_equal(read(tmp_path / "a"), ROWS)
    (tmp_path / "a" / "z.npy").symlink_to(tmp_path / "nowhere.npy")
    with pytest.raises(EmbeddingError, match=r"z\.npy: does not exist"):
        read(tmp_path / "a")


def test_hidden_files_and_those_beside_are_passed_over(tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    np.save(tmp_path / "x.labels.npy", np.arange(30))
    (tmp_path / "notes.md").write_text("no rows\n")
    for name in (".x.npy", "_temporary.npy"):
        (tmp_path / name).write_bytes(b"not an array")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "y.npy").write_bytes(b"not an array")
    file = open_embeddings(tmp_path)
    assert [part.path.name for part in file.parts] == ["x.npy"]
    np.testing.assert_array_equal(read(tmp_path), ROWS)


def test_formats_and_types_are_mixed_without_loss(tmp_path):
    np.save(tmp_path / "a.npy", ROWS[:10].astype(np.float16))
    np.savez(tmp_path / "b.npz", v=ROWS[10:20].astype(np.float32))
    np.savetxt(tmp_path / "c.tsv", ROWS[20:], delimiter="\t", fmt="%.17g")
    file = open_embeddings(tmp_path)
    assert file.stored_as == "float16 and float32 and float64"
    expected = np.concatenate(
        [ROWS[:10].astype(np.float16), ROWS[10:20].astype(np.float32), ROWS[20:]]
    )
    np.testing.assert_array_equal(read(tmp_path), expected)
    assert [start for start, _ in file.chunks(rows=100)] == [0, 10, 20]
    np.testing.assert_array_equal(next(file.chunks(start=15))[1], expected[15:20])


@pytest.fixture
def served(tmp_path):
    """The files of tmp_path over HTTP."""
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_http(served, tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    np.testing.assert_array_equal(read(f"{served}/x.npy"), ROWS)
    write_again(tmp_path / "x.npz")
    np.testing.assert_array_equal(read(f"{served}/x.npz"), ROWS)
    with pytest.raises(EmbeddingError, match=r"/none\.npy: (does not exist|cannot be read)"):
        open_embeddings(f"{served}/none.npy")


def test_a_bucket(tmp_path, monkeypatch):
    """By a file system that stands for that of s3fs."""
    fsspec = pytest.importorskip("fsspec")
    from fsspec.implementations.memory import MemoryFileSystem

    class Bucket(MemoryFileSystem):
        protocol = "s3"
        store: dict[str, object] = {}  # noqa: RUF012 - one for all, as fsspec has it
        pseudo_dirs = [""]  # noqa: RUF012

        @classmethod
        def _strip_protocol(cls, path):
            return "/" + str(path).removeprefix("s3://").strip("/")

    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "s3", Bucket)
    bucket = fsspec.filesystem("s3")
    for number, part in enumerate(np.array_split(ROWS, 3)):
        with bucket.open(f"/bucket/parts/{number}.npy", "wb") as stream:
            np.save(stream, part)
    bucket.pipe("/bucket/y.txt", b"a\nb\n" * 15)
    for place in ("s3://bucket/parts", "s3://bucket/parts/", "s3://bucket/parts/*.npy"):
        np.testing.assert_array_equal(read(place), ROWS)
    target = tmp_path / "m.safetensors"
    arguments = ["fit", "s3://bucket/parts", "--labels", "s3://bucket/y.txt", "-o", str(target)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert [one.count for one in load_model(target).statistics] == [15, 15]
    with pytest.raises(EmbeddingError, match=r"s3://bucket/none\.npy: does not exist"):
        open_embeddings("s3://bucket/none.npy")


def test_a_connection_that_breaks_is_one_line(monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    with memory.open("/broken.npy", "wb") as stream:
        np.save(stream, ROWS)
    chunks = open_embeddings("memory://broken.npy").chunks(rows=7)
    next(chunks)

    def broken(*arguments):
        raise TimeoutError("timed out")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile.read", broken, raising=False)
    with pytest.raises(EmbeddingError, match=r"memory://broken.npy: cannot be read .timed out"):
        list(chunks)


@pytest.fixture
def far(monkeypatch):
    """A bucket whose answers take 10 ms, and how many questions it was asked at most at a time."""
    fsspec = pytest.importorskip("fsspec")
    memory = type(fsspec.filesystem("memory"))
    asked = {"now": 0, "most": 0}
    counting = threading.Lock()

    class Far(memory):
        protocol = "far"
        async_impl = True
        store = {}  # noqa: RUF012
        pseudo_dirs = [""]  # noqa: RUF012

        @classmethod
        def _strip_protocol(cls, path):
            return "/" + str(path).removeprefix("far://").strip("/")

        def info(self, path, **how):
            with counting:
                asked["now"] += 1
                asked["most"] = max(asked["most"], asked["now"])
            time.sleep(0.01)
            with counting:
                asked["now"] -= 1
            return super().info(path, **how)

    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "far", Far)
    return fsspec.filesystem("far"), asked


def test_many_files_far_away_are_opened_at_the_same_time(far):
    bucket, asked = far
    for number, part in enumerate(np.array_split(ROWS, 10)):
        with bucket.open(f"/b/{number}.npy", "wb") as stream:
            np.save(stream, part)
    np.testing.assert_array_equal(read("far://b"), ROWS)
    assert asked["most"] > 4
    bucket.pipe("/b/3.npy", b"no array")
    bucket.pipe("/b/7.npy", b"")
    for _ in range(3):
        with pytest.raises(EmbeddingError, match=r"far://b/3\.npy: "):
            open_embeddings("far://b")


def test_a_member_of_an_archive(tmp_path):
    pytest.importorskip("fsspec")
    np.save(tmp_path / "x.npy", ROWS)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "x.npy", "inside/x.npy")
    np.testing.assert_array_equal(read(f"zip://inside/x.npy::{tmp_path}/all.zip"), ROWS)


def test_no_path_escapes(tmp_path):
    """Names of members that lead out of an archive: nothing is written, and no other file is read."""
    pytest.importorskip("fsspec")
    inside = tmp_path / "inside"
    inside.mkdir()
    np.save(tmp_path / "secret.npy", ROWS)
    member = io.BytesIO()
    np.save(member, ROWS * 2)
    for name, escaping in (("x.npz", "../../evil.npy"), ("y.npz", "/tmp/evil.npy")):
        with zipfile.ZipFile(inside / name, "w") as archive:
            archive.writestr(escaping, member.getvalue())
        np.testing.assert_array_equal(read(inside / name), ROWS * 2)
    with zipfile.ZipFile(inside / "all.zip", "w") as archive:
        archive.writestr("../secret.npy", member.getvalue())
    for url in (
        f"zip://../secret.npy::{inside}/all.zip",
        f"zip://*::{inside}/all.zip",
        f"zip://a/../../secret.npy::{inside}/all.zip",
    ):
        with pytest.raises(EmbeddingError) as caught:
            read(url)
        assert "\n" not in str(caught.value)
    found = sorted(path.name for path in tmp_path.rglob("*"))
    assert found == ["all.zip", "inside", "secret.npy", "x.npz", "y.npz"]
    assert not Path("/tmp/evil.npy").exists()


ABSENT = [
    ("x.parquet", "pyarrow", "pip install"), ("x.arrow", "pyarrow", r"vmf-toolkit\[io\]"),
    ("x.h5", "h5py", r"vmf-toolkit\[io\]"), ("x.zarr", "zarr", r"vmf-toolkit\[io\]"),
    ("x.csv.zst", "zstandard", r"vmf-toolkit\[io\]"), ("x.pt", "torch", r"vmf-toolkit\[torch\]"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "module", "cure"), ABSENT)
def test_a_library_that_is_not_installed_is_named_with_its_cure(
    tmp_path, monkeypatch, name, module, cure
):
    pytest.importorskip(module)
    with create_embeddings(tmp_path / name, ROWS.shape, "float64") as writer:
        writer.append(ROWS)
    for loaded in [one for one in sys.modules if one == module or one.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EmbeddingError, match=f"reading .* needs {module}.*pip install.*") as caught:
        read(tmp_path / name)
    assert cure.replace("\\", "") in str(caught.value)
    with pytest.raises(EmbeddingError, match=rf"writing .* needs {module}.*{cure}"):
        write_again(tmp_path / name)


def write_again(path):
    with create_embeddings(path, ROWS.shape, "float64") as writer:
        writer.append(ROWS)


def test_fsspec_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(EmbeddingError, match=r"reading a URL needs fsspec: pip install .*\[io\]"):
        open_embeddings("s3://bucket/x.npy")


def test_a_protocol_whose_library_is_not_installed():
    pytest.importorskip("fsspec")
    with pytest.raises(EmbeddingError, match=r"^nosuch://x.npy: cannot be read"):
        open_embeddings("nosuch://x.npy")


def test_a_chunk_of_a_zarr_store_that_is_lost_or_cut(tmp_path):
    zarr = pytest.importorskip("zarr")
    array = zarr.open_array(
        tmp_path / "x.zarr", mode="w", shape=(30, 4), chunks=(10, 4), dtype="f8"
    )
    array[...] = ROWS
    chunk = tmp_path / "x.zarr" / "c" / "1" / "0"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EmbeddingError, match=r"x\.zarr: is a damaged or truncated Zarr store"):
        read(tmp_path / "x.zarr")
    chunk.unlink()
    target = str(tmp_path / "m.safetensors")
    result = CliRunner().invoke(app, ["fit", str(tmp_path / "x.zarr"), "-o", target])
    assert result.exit_code == 2
    assert "row 10: all values are zero" in result.stderr


@pytest.mark.parametrize("name", ["x.npy", "x.csv", "x.csv.gz", "x.npz", "x.parquet", "x.zarr"])
def test_a_file_that_grows_while_it_is_read(tmp_path, name):
    if name in ("x.parquet", "x.zarr"):
        pytest.importorskip({"x.parquet": "pyarrow", "x.zarr": "zarr"}[name])
    write_again(tmp_path / name)
    chunks = open_embeddings(tmp_path / name).chunks(rows=7)
    next(chunks)
    target = tmp_path / name
    target = target / "zarr.json" if target.is_dir() else target
    with open(target, "ab") as stream:
        stream.write(gzip.compress(b"1,2,3,4\n") if name.endswith(".gz") else b"1,2,3,4\n")
    with pytest.raises(EmbeddingError, match=f"{name}: changed while it was read"):
        list(chunks)


@pytest.mark.parametrize(
    "dtype", ["<f2", ">f2", ">f4", ">f8", "<f8", "i1", "u1", ">i2", "<i4", ">i8"]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_type_and_order_of_a_npy_is_exact(tmp_path, dtype, order):
    values = np.asarray(np.round(ROWS * 10), dtype, order=order)
    np.save(tmp_path / "x.npy", values)
    found = read(tmp_path / "x.npy")
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, values.astype(found.dtype))


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
@pytest.mark.parametrize("kind", ["list", "large_list", "fixed", "columns", "half", "nulls"])
def test_every_layout_of_columns_is_exact(tmp_path, arrow, kind, ending):
    pa, pq = arrow
    number = pa.float16() if kind == "half" else pa.float64()
    rows = [list(row) for row in (ROWS.astype(np.float16) if kind == "half" else ROWS)]
    types = {"list": pa.list_(number), "large_list": pa.large_list(number)}
    expected = np.array(rows)
    if kind == "columns":
        table = pa.table({f"x{i}": ROWS[:, i] for i in range(4)})
    else:
        if kind == "nulls":
            rows[12] = None
            expected[12] = np.nan
        listed = pa.array(rows, types.get(kind, pa.list_(number, 4)))
        table = pa.table({"v": listed, "y": pa.array(["a", "b"] * 15).dictionary_encode()})
    path = tmp_path / f"x{ending}"
    if ending == ".parquet":
        pq.write_table(table, path, row_group_size=11)
        assert pq.ParquetFile(path).num_row_groups == 3
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=11)
    np.testing.assert_array_equal(read(path), expected)
    if kind != "columns":
        assert read_labels(f"{path}:y").codes.tolist() == [0, 1] * 15


def test_feather_of_version_1_is_named(tmp_path):
    (tmp_path / "x.feather").write_bytes(b"FEA1" + bytes(100) + b"FEA1")
    with pytest.raises(EmbeddingError, match=r"a Feather file of version 1 .write version 2"):
        open_embeddings(tmp_path / "x.feather")


def test_another_package_adds_a_format_to_every_command(tmp_path, monkeypatch):
    """An installed distribution with an entry point, from the files on the path on."""
    site = tmp_path / "site"
    (site / "raw_rows-1.0.dist-info").mkdir(parents=True)
    (site / "raw_rows-1.0.dist-info" / "METADATA").write_text("Name: raw-rows\nVersion: 1.0\n")
    (site / "raw_rows-1.0.dist-info" / "entry_points.txt").write_text(
        "[vmf.embeddings]\nraw = raw_rows:FORMAT\n"
    )
    (site / "raw_rows.py").write_text(
        "import numpy as np\n"
        "from vmf.embeddings import EmbeddingFile, Format\n"
        "class RawFile(EmbeddingFile):\n"
        "    format = 'raw'\n"
        "    def __init__(self, path):\n"
        "        self._values = np.frombuffer(path.read_bytes()[4:]).reshape(-1, 4)\n"
        "        super().__init__(path, self._values.shape, self._values.dtype)\n"
        "    def read_blocks(self, rows, start, stop):\n"
        "        for first in range(start, self.rows if stop is None else stop, rows):\n"
        "            yield self._values[first : first + rows]\n"
        "FORMAT = Format('raw', ('.raw',), b'RAW!', 'raw_rows:RawFile', takes_column=False)\n"
    )
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(registry, "_FORMATS", list(registry._FORMATS))
    monkeypatch.setattr(registry, "_ADDED", set())
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x.raw").write_bytes(b"RAW!" + ROWS.tobytes())
    for source in (tmp_path / "d", tmp_path / "d" / "x.raw"):
        target = str(tmp_path / "m.safetensors")
        result = CliRunner().invoke(app, ["fit", str(source), "-o", target])
        assert result.exit_code == 0, result.output
        assert load_model(target).statistics[0].count == 30
    result = CliRunner().invoke(app, ["info", str(tmp_path / "d")])
    assert "format     raw\n" in result.stdout
