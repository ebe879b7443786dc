"""Files of every kind that is read, whole and damaged, and what may come of reading them."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from vmf.distribution.model import Model, load_model, save_model
from vmf.embeddings import open_embeddings, registry
from vmf.embeddings.labels import read_labels
from vmf.embeddings.row_values import RowValues
from vmf.errors import EmbeddingError, ExperimentError, ModelFileError
from vmf.estimation import SufficientStatistics
from vmf.jobs.score_file import read_scores
from vmf.passes.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

ONE_LINE = (EmbeddingError, ModelFileError, ExperimentError)
"""What the command line turns into one line; no other exception may come of a file."""

Content = bytes | dict[str, bytes]
"""A file, or the files of a folder by name."""

SMALL = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
LABELS = np.arange(20) % 3


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    """The bytes of a .npy."""
    return _saved(lambda stream: np.save(stream, array))


def npz(**arrays: np.ndarray) -> bytes:
    """The bytes of a compressed .npz."""
    return _saved(lambda stream: np.savez_compressed(stream, **arrays))


def table_text(delimiter: str, header: bool = True) -> bytes:
    """A text table of three coordinates."""
    names = [delimiter.join("xyz")] if header else []
    rows = [delimiter.join(map(repr, row)) for row in SMALL.astype(float).tolist()]
    return ("\n".join([*names, *rows]) + "\n").encode()


def parquet(columns: dict[str, object], **options: Any) -> bytes:
    """The bytes of a .parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return _saved(lambda stream: pq.write_table(pa.table(columns), stream, **options))


def _parquets() -> list[Content]:
    if find_spec("pyarrow") is None:
        return []
    import pyarrow as pa

    fixed = pa.FixedSizeListArray.from_arrays(pa.array(SMALL.reshape(-1)), 3)
    columns = {name: SMALL[:, k] for k, name in enumerate("xyz")}
    return [
        parquet({"id": list(range(20)), "v": SMALL.tolist()}),
        parquet({"v": fixed}, compression="zstd"),
        parquet(columns, compression="none", use_dictionary=False),
        parquet({"label": [f"c{k}" for k in LABELS]}),
        parquet({"score": SMALL[:, 0]}, row_group_size=7),
    ]


def _arrows() -> list[Content]:
    if find_spec("pyarrow") is None:
        return []
    import pyarrow as pa

    fixed = pa.FixedSizeListArray.from_arrays(pa.array(SMALL.reshape(-1)), 3)
    table = pa.table({"id": list(range(20)), "v": fixed})
    found: list[Content] = []
    for opened in (pa.ipc.new_file, pa.ipc.new_stream):
        stream = io.BytesIO()
        with opened(stream, table.schema) as writer:
            writer.write_table(table, max_chunksize=8)
        found.append(stream.getvalue())
    return found


def _hdf5s() -> list[Content]:
    if find_spec("h5py") is None:
        return []
    import h5py

    def write(stream: io.BytesIO, **options: Any) -> None:
        with h5py.File(stream, "w") as file:
            file.create_dataset("embeddings", data=SMALL, **options)

    return [
        _saved(write),
        _saved(lambda stream: write(stream, chunks=(7, 3), compression="gzip")),
    ]


def _zarrs() -> list[Content]:
    if find_spec("zarr") is None:
        return []
    import tempfile

    import zarr

    found: list[Content] = []
    for version in (2, 3):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.zarr"
            array = zarr.create_array(
                str(path), shape=SMALL.shape, chunks=(7, 3), dtype=SMALL.dtype, zarr_format=version
            )
            array[:] = SMALL
            inside = sorted(one for one in path.rglob("*") if one.is_file())
            found.append({str(one.relative_to(path)): one.read_bytes() for one in inside})
    return found


def _safetensors() -> list[Content]:
    from safetensors.numpy import save

    return [
        save({"embeddings": SMALL}),
        save({"a": SMALL, "b": SMALL.astype(np.float16)}, {"key": "value"}),
    ]


def _torch_files() -> list[Content]:
    if find_spec("torch") is None:
        return []
    import torch

    rows = torch.from_numpy(SMALL)
    return [
        _saved(lambda stream: torch.save(rows, stream)),
        _saved(lambda stream: torch.save({"embeddings": rows, "n": 3}, stream)),
        _saved(lambda stream: torch.save(rows, stream, _use_new_zipfile_serialization=False)),
    ]


def _zstd(data: bytes) -> list[Content]:
    if find_spec("pyarrow") is None:
        return []
    import pyarrow as pa

    return [pa.compress(data, codec="zstd", asbytes=True)]


def _npys() -> list[Content]:
    return [
        npy(SMALL),
        npy(np.asfortranarray(SMALL.astype(">f8"))),
        npy((100 * SMALL).astype(np.int8)),
        npy(SMALL.astype(np.float16)),
        npy(LABELS),
        npy(LABELS.astype("U5")),
        npy(SMALL[:, 0]),
        npy(np.array([(1, 0.5)] * 5, [("row", "i8"), ("log_density", "f8")])),
    ]


@cache
def samples(extension: str) -> list[Content]:
    """Whole files of this extension, from small arrays; empty where the library for it is missing."""
    text = [table_text(","), table_text(",", header=False), b"label\na\nb\n" + b"c\n" * 18]
    makers: dict[str, Callable[[], list[Content]]] = {
        ".npy": _npys,
        ".npz": lambda: [npz(x=SMALL, y=np.asfortranarray(SMALL)), npz(label=LABELS), npz(x=SMALL)],
        ".csv": lambda: [*text, table_text(";"), b'id,"a b",c\n"1",2,3\n"4,5",6,\n'],
        ".tsv": lambda: [table_text("\t"), table_text("\t", header=False)],
        ".txt": lambda: [table_text(" ", header=False), b"# saved\n" + table_text(" "), text[2]],
        ".gz": lambda: [gzip.compress(one) for one in text],
        ".zst": lambda: [packed for one in text for packed in _zstd(one)],
        ".parquet": _parquets,
        ".arrow": _arrows,
        ".h5": _hdf5s,
        ".zarr": _zarrs,
        ".safetensors": lambda: [*_safetensors(), *_model_files()],
        ".pt": _torch_files,
        ".vmf-model": _model_files,
        ".vmf-checkpoint": _checkpoint_files,
        ".vmf-mixture-checkpoint": _mixture_checkpoints,
    }
    same = {
        ".pq": ".parquet",
        ".feather": ".arrow",
        ".ipc": ".arrow",
        ".hdf5": ".h5",
        ".pth": ".pt",
    }
    ending = extension[extension.rindex(".") :]
    found = makers.get(same.get(ending, ending))
    return [] if found is None else found()


def _statistics() -> SufficientStatistics:
    return SufficientStatistics.from_rows(SMALL.astype(np.float64))


def _model_files() -> list[Content]:
    import tempfile

    one = _statistics()
    direction = one.mean_direction[np.newaxis]
    found: list[Content] = []
    with tempfile.TemporaryDirectory() as folder:
        for classes in ((None,), ("a", "b")):
            count = len(classes)
            model = Model(
                classes=classes,
                mean_direction=np.repeat(direction, count, axis=0),
                concentration=np.full(count, 2.5),
                standard_error=np.full(count, 0.5),
                statistics=(one,) * count,
                estimator="mle",
                sources=("x.npy",),
            )
            path = Path(folder) / "m.safetensors"
            save_model(model, path)
            found.append(path.read_bytes())
    return found


def _checkpoint_files() -> list[Content]:
    plan = {
        "files": [{"name": "x.npy", "bytes": 100, "changed": 1}],
        "dimension": 3,
        "labels": None,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c"
        save_checkpoint(Checkpoint(plan, 20, (_statistics(),)), path)
        return [path.read_bytes()]


def _mixture_checkpoints() -> list[bytes]:
    """Those of a fit, and of one whose start and most likely state are others."""
    from vmf.jobs.mixture_checkpoint import MixtureCheckpoint, save_mixture_checkpoint
    from vmf.models.em import Standing, State

    def state(seed: int) -> State:
        rng = np.random.default_rng(seed)
        parts = [rng.standard_normal((9, 3)) for _ in range(2)]
        return State(
            np.full(2, 0.5),
            np.eye(3)[:2],
            np.array([1.0, 20.0]),
            [SufficientStatistics.from_rows(part) for part in parts],
            objectives=(0.5, 0.75),
        )

    found = []
    plan = {"files": [{"name": "x.npy", "bytes": 80, "changed": 1}], "seed": 0}
    random = tuple(np.random.RandomState(0).get_state(legacy=True))
    for standing in (
        Standing(0, one := state(0), one, None, random),
        Standing(1, state(0), state(1), state(2), random),
    ):
        with tempfile.TemporaryDirectory() as folder:
            save_mixture_checkpoint(MixtureCheckpoint(plan, standing), Path(folder) / "c")
            found.append((Path(folder) / "c").read_bytes())
    return found


def extensions() -> list[str]:
    """Of every format in the registry."""
    return sorted({one for known in registry._FORMATS for one in known.extensions})


def load_samples() -> None:
    """Make them all, so that no library that writes one is loaded later."""
    for extension in extensions():
        samples(extension)


# Damage

_LIES = [0, 1, 3, 7, 8, 127, 255, 1 << 15, (1 << 16) - 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 33,
         1 << 40, (1 << 60) + 1, (1 << 62), (1 << 63) - 1, 1 << 63, (1 << 64) - 1]  # fmt: skip


def damaged(rng: np.random.Generator, whole: bytes, other: bytes) -> bytes:
    """The file after one to four accidents: cut, flipped, inserted, repeated, spliced, lied about."""
    data = bytearray(whole)
    for _ in range(rng.integers(1, 5)):
        size = len(data)
        if not size:
            break
        # Headers and footers are where a reader decides, and short.
        near = rng.random()
        reach = min(size, 200) if near < 0.7 else size
        at = int(rng.integers(0, reach))
        if near < 0.25:
            at = size - 1 - at
        length = int(rng.integers(1, 17))
        kind = rng.integers(0, 9)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:
            data[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(0, 256))]))
        elif kind == 3:
            data[at:at] = rng.bytes(length)
        elif kind == 4:
            del data[at : at + length]
        elif kind == 5:
            data[at:at] = data[at : at + int(rng.integers(1, 300))]
        elif kind == 6:
            width = int(rng.choice([2, 4, 8]))
            lie = _LIES[rng.integers(0, len(_LIES))] & ((1 << 8 * width) - 1)
            data[at : at + width] = lie.to_bytes(width, rng.choice(["little", "big"]))  # type: ignore[arg-type]
        elif kind == 7:
            numbers = list(re.finditer(rb"\d+", bytes(data[:4096])))
            if numbers:
                one = numbers[rng.integers(0, len(numbers))]
                lie = _LIES[rng.integers(0, len(_LIES))] * int(rng.choice([1, -1]))
                data[one.start() : one.end()] = str(lie).encode()
        else:
            cut = int(rng.integers(0, len(other) + 1))
            data[at:] = other[cut:]
    return bytes(data)


def write(path: Path, content: Content) -> None:
    """Put the file, or the folder of files, in the place of what was there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    for name, data in content.items():
        inside = path / name
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_bytes(data)


_TEXT = list('0123456789.,;\t "\n\r-+einfaxN#_:{}[]()<>|&*!\x00\ufeff')


def draw_content(rng: np.random.Generator, extension: str) -> Content:
    """A damaged file of this extension; sometimes another format, random text or random bytes."""
    kind = rng.random()
    if kind < 0.04:
        return rng.bytes(int(rng.integers(0, 300)))
    if kind < 0.08:
        return "".join(rng.choice(_TEXT, int(rng.integers(0, 200)))).encode()
    anything = [one for name in extensions() for one in samples(name)]
    own = samples(extension) if kind < 0.95 else anything
    chosen = (own or anything)[rng.integers(0, len(own or anything))]
    other = anything[rng.integers(0, len(anything))]
    other_bytes = other if isinstance(other, bytes) else next(iter(other.values()))
    if isinstance(chosen, bytes):
        return damaged(rng, chosen, other_bytes)
    broken = dict(chosen)
    name = sorted(broken)[rng.integers(0, len(broken))]
    if rng.random() < 0.15:
        del broken[name]
    else:
        broken[name] = damaged(rng, broken[name], other_bytes)
    return broken


# Checks


def one_line(error: Exception, path: Path) -> None:
    """The message is a line that a terminal shows, and names the file."""
    message = str(error)
    assert message.isprintable(), message
    assert path.name in message, message
    assert len(message) < 4000, message[:200]


def check_embeddings(path: Path, column: str | None = None) -> None:
    """Rows of the promised shape and type, or one line."""
    try:
        file = open_embeddings(path, column)
        read = 0
        for start, rows in file.chunks(rows=7):
            assert start == read
            assert rows.shape == (len(rows), file.dimension)
            assert rows.dtype == file.native_dtype
            read += len(rows)
        assert read == file.rows > 0
    except EmbeddingError as error:
        one_line(error, path)


def check_labels(source: str, path: Path) -> None:
    """A class for every row, or one line."""
    try:
        labels = read_labels(source)
        assert len(labels) > 0
        assert labels.codes.max() < len(labels.classes)
    except EmbeddingError as error:
        one_line(error, path)


def check_ids(source: str, path: Path) -> None:
    """Twenty ids, or one line."""
    try:
        ids = RowValues(source, with_width=True)
        assert len(ids.take(20)) == 20
        ids.end()
    except EmbeddingError as error:
        one_line(error, path)
    except OSError as error:
        # The command line names the file of these.
        assert error.strerror  # noqa: PT017


def check_scores(source: str, path: Path) -> None:
    """Columns of numbers, or one line."""
    try:
        for values in read_scores(source).values():
            assert values.ndim == 1
            assert not np.isnan(values).any()
    except EmbeddingError as error:
        one_line(error, path)


def check_model(path: Path) -> None:
    """A model of unit directions and finite concentrations, or one line."""
    try:
        model = load_model(path)
        assert model.mean_direction.shape == (len(model.classes), model.dimension)
        assert np.isfinite(model.concentration).all()
    except ModelFileError as error:
        one_line(error, path)


def check_checkpoint(path: Path) -> None:
    """A state to go on from, or one line."""
    try:
        state = load_checkpoint(path)
        assert state.rows >= 0
        assert isinstance(state.plan, dict)
        assert len({one.dimension for one in state.statistics}) == 1
    except EmbeddingError as error:
        one_line(error, path)


def check_mixture_checkpoint(path: Path) -> None:
    """A state to go on from, or one line."""
    from vmf.jobs.mixture_checkpoint import load_mixture_checkpoint

    try:
        standing = load_mixture_checkpoint(path).standing
        count = len(standing.state.weights)
        assert standing.state.objectives
        for state in (standing.state, standing.likeliest, standing.best or standing.state):
            assert state.mean_directions.shape[0] == len(state.statistics) == count
    except EmbeddingError as error:
        one_line(error, path)


COLUMNS = [
    None,
    None,
    None,
    "x",
    "v",
    "x,y",
    "0:2",
    "*",
    "label",
    "embeddings",
    "",
    "7",
    "\n",
    "é" * 40,
]


def check_reading(folder: Path, extension: str, seed: int) -> int:
    """One damaged file, read as embeddings, labels, ids and scores."""
    rng = np.random.default_rng(seed)
    path = folder / f"x{extension}"
    write(path, draw_content(rng, extension))
    column = COLUMNS[rng.integers(0, len(COLUMNS))]
    check_embeddings(path, column)
    source = str(path) if rng.random() < 0.6 else f"{path}:{column}"
    check_labels(source, path)
    check_ids(source, path)
    check_scores(source, path)
    return 1


def check_models(folder: Path, seed: int) -> int:
    """A damaged model and two damaged checkpoints."""
    rng = np.random.default_rng(seed)
    path = folder / "m.safetensors"
    write(path, draw_structured(rng, ".vmf-model"))
    check_model(path)
    path = folder / "fit.checkpoint"
    write(path, draw_structured(rng, ".vmf-checkpoint"))
    check_checkpoint(path)
    path = folder / "mixture.checkpoint"
    write(path, draw_structured(rng, ".vmf-mixture-checkpoint"))
    check_mixture_checkpoint(path)
    return 3


_VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    2,
    1 << 40,
    1 << 63,
    1e400,
    0.5,
    "",
    "text",
    [],
    [None],
    {},
    {"a": 1},
]


def draw_structured(rng: np.random.Generator, kind: str) -> Content:
    """A damaged file, or one whose header is sound JSON that says something else."""
    if rng.random() < 0.5:
        return draw_content(rng, kind)
    known = samples(kind)
    whole = known[rng.integers(0, len(known))]
    assert isinstance(whole, bytes)
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    inner = next(key for key in ("model", "state") if key in header["__metadata__"])
    description = json.loads(header["__metadata__"][inner])
    for _ in range(rng.integers(1, 4)):
        target = [header, description][rng.integers(0, 2)]
        while True:  # walk down to some entry and replace or remove it
            keys = list(target) if isinstance(target, dict) else list(range(len(target)))
            if not keys:
                break
            key = keys[rng.integers(0, len(keys))]
            below = target[key]
            if isinstance(below, (dict, list)) and below and rng.random() < 0.7:
                target = below
                continue
            if rng.random() < 0.2 and isinstance(target, dict):
                del target[key]
            else:
                target[key] = deepcopy(_VALUES[rng.integers(0, len(_VALUES))])
            break
    metadata = header.get("__metadata__")
    if isinstance(metadata, dict) and inner in metadata:
        metadata[inner] = json.dumps(description)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + whole[8 + size :]


def check_npy_headers(folder: Path, header: str, data: bytes) -> int:
    """A .npy, and a .npz of it, with any text for a header."""
    text = header.encode()
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data
    (folder / "x.npy").write_bytes(content)
    for check in (check_embeddings, check_model):
        check(folder / "x.npy")
    check_labels(str(folder / "x.npy"), folder / "x.npy")
    check_scores(str(folder / "x.npy"), folder / "x.npy")
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        archive.writestr("a.npy", content)
    check_embeddings(folder / "x.npz")
    return 2


def check_columns(folder: Path, column: str, header: str) -> int:
    """Any choice of columns of any header."""
    path = folder / "x.csv"
    path.write_text(f"a,b,{header!r}\n1,2,3\n4,5,6\n", encoding="utf-8", errors="replace")
    check_embeddings(path, column)
    return 1


def check_text(folder: Path, extension: str, text: str) -> int:
    """A table of any text."""
    path = folder / f"x{extension}"
    path.write_bytes(text.encode())
    check_embeddings(path)
    check_labels(str(path), path)
    check_ids(str(path), path)
    check_scores(str(path), path)
    return 1


npy_headers = st.one_of(
    st.text(alphabet="{}()[]'\":,<>|fiucOVSU0123456789LTrueFalsedshpatno_r ", max_size=80),
    st.builds(
        lambda descr, order, shape: repr({"descr": descr, "fortran_order": order, "shape": shape}),
        st.sampled_from(
            [
                "<f4",
                ">f8",
                "|i1",
                "<f2",
                "|V2",
                "<U3",
                "|O",
                "<c8",
                "<f16",
                "|b1",
                "<M8[s]",
                "<U0",
                "|V0",
            ]
        ),
        st.booleans(),
        st.lists(st.integers(0, 2**70) | st.integers(0, 4), max_size=3).map(tuple),
    ),
)
table_texts = st.text(alphabet='0123456789.,;\t "\n\r-+einfaxN#_\x00\ufeff', max_size=200)
