"""Class labels, one a row, from a file of their own or a column of a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.arrays import check_label_array
from vmf.embeddings.arrow_table import is_label_type
from vmf.embeddings.columns import find_column
from vmf.embeddings.delimited import Layout, check_width, data_lines, read_layout, split
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.npy import Stream, read_npy_header
from vmf.embeddings.npz import open_member, read_members
from vmf.embeddings.parquet import open_parquet
from vmf.embeddings.places import (
    Place,
    exists,
    find_place,
    is_folder,
    is_pattern,
    is_url,
    open_binary,
)
from vmf.embeddings.registry import find_files, format_by_name

_Chunk = npt.NDArray[Any] | list[str]

_HEADERS = {"label", "labels", "class", "classes", "target", "category", "cluster", "y"}


@dataclass(frozen=True)
class Labels:
    """The class of every row.

    Attributes
    ----------
    classes : list of str
        The distinct labels; in numeric order when all are whole numbers, else alphabetical.
    codes : (rows,) int32 array
        For every row the position of its label in ``classes``.
    """

    classes: list[str]
    codes: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.codes)


def read_labels(source: str | os.PathLike[str]) -> Labels:
    """Read labels from ``FILE`` or ``FILE:COLUMN``.

    Parameters
    ----------
    source : path-like
        A ``.npy`` (one integer or string a row), a ``.npz`` (``FILE:MEMBER``), a ``.txt`` (one
        label a line, no header), a ``.csv`` or ``.tsv`` (``FILE:COLUMN`` by name or position unless
        it has a single column), a ``.parquet`` or Arrow file (likewise), an ``.h5``, Zarr,
        ``.safetensors`` or ``.pt`` (``FILE:NAME``), or a folder or pattern of these.

    Raises
    ------
    EmbeddingError
        When a label is missing or is no whole number or text, and for every damaged file.
    """
    path, column = _split_source(os.fspath(source))
    try:
        return _encode(path, _chunks(path, column))
    except OSError as error:
        raise EmbeddingError(path, f"cannot be read ({error.strerror or error})") from error


def read_column(source: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the values of ``FILE:COLUMN`` as text, one a row: identifiers, say.

    Parameters
    ----------
    source : path-like
        As of :func:`read_labels`. A value that is missing is "".

    Raises
    ------
    EmbeddingError
        For a column that holds neither whole numbers nor text, and for every damaged file.
    """
    path, column = _split_source(os.fspath(source))
    for chunk in _chunks(path, column):
        yield from map(_label_text, chunk.tolist() if isinstance(chunk, np.ndarray) else chunk)


def _chunks(path: Place, column: str | None) -> Iterator[_Chunk]:
    """The values of a column in parts; those of a folder or a pattern one file after the other."""
    store = format_by_name(path)
    if is_pattern(path) or (is_folder(path) and (store is None or not store.recognises)):
        for file in find_files(path):
            yield from _chunks(file, column)
        return
    readers: dict[str, Callable[[Place, str | None], Iterator[_Chunk]]] = {
        ".npy": _from_npy, ".npz": _from_npz, ".txt": _from_lines, ".csv": _from_table,
        ".tsv": _from_table, ".parquet": _from_parquet, ".pq": _from_parquet,
    }  # fmt: skip
    name = path.name.lower()
    if name.endswith((".gz", ".zst")):
        name = name.rpartition(".")[0]
    reader = readers.get(f".{name.rpartition('.')[2]}")
    if reader is not None:
        yield from reader(path, column)
    elif store is not None and store.labels:
        yield from store.read_labels(path, column)
    else:
        raise EmbeddingError(
            path,
            "labels are read from .npy, .npz, .txt, .csv, .tsv, .parquet, .arrow, .h5, .zarr,"
            " .safetensors, .pt",
        )


def label_file(source: str | os.PathLike[str]) -> Place:
    """The file of a ``FILE`` or ``FILE:COLUMN``; EmbeddingError when it does not exist."""
    return _split_source(os.fspath(source))[0]


def join_labels(parts: Iterable[Labels]) -> Labels:
    """The labels of several files one after the other, as one."""
    parts = list(parts)
    classes = _in_order({label for part in parts for label in part.classes})
    position = {label: code for code, label in enumerate(classes)}
    codes = [
        np.array([position[label] for label in part.classes], np.int32)[part.codes]
        for part in parts
    ]
    return Labels(classes, np.concatenate(codes))


def _split_source(source: str) -> tuple[Place, str | None]:
    place = find_place(source)
    if exists(place) or (is_pattern(place) and ":" not in source.rpartition("/")[2]):
        return place, None
    name, colon, column = source.rpartition(":")
    if colon and not (is_url(source) and column.startswith("//")):
        place = find_place(name)
        if exists(place) or is_pattern(place):
            return place, column
    raise EmbeddingError(name if colon and Path(name).suffix else source, "does not exist")


def _encode(path: Place, chunks: Iterator[_Chunk]) -> Labels:
    """Number the labels as they appear, then renumber them in the order of the classes."""
    seen: dict[str, int] = {}
    codes: list[npt.NDArray[np.int32]] = []
    row = 0
    for chunk in chunks:
        distinct, inverse = np.unique(np.asarray(chunk), return_inverse=True)
        names = [_label_text(value) for value in distinct.tolist()]
        if "" in names:
            missing = row + int(np.flatnonzero(inverse == names.index(""))[0])
            raise EmbeddingError(
                path, f"the label of row {missing} is missing; label every row or drop the row"
            )
        codes.append(
            np.array([seen.setdefault(name, len(seen)) for name in names], np.int32)[inverse]
        )
        row += len(inverse)
    if not row:
        raise EmbeddingError(path, "holds no labels")
    classes = _in_order(seen)
    renumbered = np.empty(len(classes), np.int32)
    for code, label in enumerate(classes):
        renumbered[seen[label]] = code
    return Labels(classes, renumbered[np.concatenate(codes)])


def _label_text(value: object) -> str:
    if value is None:
        return ""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()


def _in_order(labels: Iterable[str]) -> list[str]:
    labels = list(labels)
    try:
        return sorted(labels, key=lambda label: (int(label), label))
    except ValueError:
        return sorted(labels)


def _from_npy(path: Place, column: str | None) -> Iterator[_Chunk]:
    _no_column(path, column)
    with open_binary(path) as stream:
        yield _read_array(stream, path)


def _from_npz(path: Place, column: str | None) -> Iterator[_Chunk]:
    headers = read_members(path)
    if column is None and len(headers) > 1:
        listing = ", ".join(f"{name} ({header.summary()})" for name, header in headers.items())
        raise EmbeddingError(path, f"holds {listing}; choose one with --labels {path.name}:NAME")
    member = next(iter(headers)) if column is None else column
    if member not in headers:
        raise EmbeddingError(path, f"has no member {member!r}; it holds {', '.join(headers)}")
    with open_member(path, member) as stream:
        yield _read_array(stream, path)


def _read_array(stream: Stream, path: Place) -> npt.NDArray[Any]:
    header = read_npy_header(stream, path)
    shape, dtype = header.shape, header.dtype
    check_label_array(path, shape, dtype)
    # In pieces, so that a false promise of many bytes asks for no more memory than there are.
    data = bytearray()
    while piece := stream.read(min(1 << 20, header.data_bytes - len(data))):
        data += piece
    if len(data) != header.data_bytes:
        raise EmbeddingError(
            path, f"is truncated: {header.data_bytes} bytes of labels promised, {len(data)} found"
        )
    return np.frombuffer(data, dtype)


def _from_lines(path: Place, column: str | None) -> Iterator[_Chunk]:
    _no_column(path, column)
    yield from _batches(line for _, line in data_lines(path))


def _from_table(path: Place, column: str | None) -> Iterator[_Chunk]:
    layout = read_layout(path)
    if layout.delimiter is None or len(layout.names) == 1:
        lines = (line.strip().strip('"') for _, line in data_lines(path))
        if column is not None or _is_label_header(layout):
            name = next(lines)
            if column not in (None, name, "0"):
                raise EmbeddingError(path, f"has no column {column!r}; its only one is {name!r}")
        yield from _batches(lines)
        return
    if column is None:
        raise EmbeddingError(
            path,
            f"has {len(layout.names)} columns ({', '.join(layout.names[:8])}); say which one holds"
            f" the labels: --labels {path.name}:NAME",
        )
    position = find_column(path, layout.names, column)

    def fields() -> Iterator[str]:
        for number, line in data_lines(path, layout.first_line):
            check_width(path, number, line, layout)
            yield split(line, layout.delimiter)[position]

    yield from _batches(fields())


def _is_label_header(layout: Layout) -> bool:
    """Whether a single column begins with its name: a usual one, or a word above numbers."""
    return layout.has_header and (
        layout.names[0].strip('"').lower() in _HEADERS or not layout.text_columns()
    )


def _from_parquet(path: Place, column: str | None) -> Iterator[_Chunk]:
    with open_parquet(path) as file:
        names = file.schema_arrow.names
        if column is None and len(names) > 1:
            raise EmbeddingError(
                path,
                f"has {len(names)} columns ({', '.join(names[:8])}); say which one holds the"
                f" labels: --labels {path.name}:NAME",
            )
        name = names[0 if column is None else find_column(path, names, column)]
        kind = file.schema_arrow.field(name).type
        if not is_label_type(kind):
            raise EmbeddingError(
                path, f"column {name!r} holds {kind}; labels are integers or strings"
            )
        for batch in file.iter_batches(1 << 16, columns=[name]):
            yield ["" if value is None else str(value) for value in batch.column(0).to_pylist()]


def _batches(labels: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(labels, 1 << 16)):
        yield batch


def _no_column(path: Place, column: str | None) -> None:
    if column is not None:
        raise EmbeddingError(path, f"holds one label a row; leave out :{column}")
