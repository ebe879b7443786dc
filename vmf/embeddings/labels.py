"""Class labels, one a row, from a file of their own or a column of a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.labels import label_order
from vmf.embeddings.places import Place, exists, find_place, is_folder, is_pattern, is_url
from vmf.embeddings.registry import extensions, find_files, format_by_name
from vmf.errors import EmbeddingError

Values = npt.NDArray[Any] | list[str]


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
    path, column = split_source(source)
    try:
        return _encode(path, read_values(path, column))
    except OSError as error:
        raise EmbeddingError(path, f"cannot be read ({error.strerror or error})") from error


def read_values(path: Place, column: str | None) -> Iterator[Values]:
    """Yield the values of a column of labels or identifiers in parts.

    Parameters
    ----------
    path : Path or RemoteFile
        A file, or a folder or pattern of files, which are read one after the other.
    column : str, optional
        As after the colon in :func:`read_labels`.

    Raises
    ------
    EmbeddingError
        For a column that holds neither whole numbers nor text, and for every damaged file.
    """
    known = format_by_name(path)
    if is_pattern(path) or (is_folder(path) and (known is None or not known.recognises)):
        for file in find_files(path):
            yield from read_values(file, column)
        return
    if known is None or not known.labels:
        readable = ", ".join(extensions(lambda one: one.labels))
        raise EmbeddingError(path, f"labels and ids are read from {readable}")
    for values in known.read_labels(path, column):
        if len(values):
            yield values


def label_file(source: str | os.PathLike[str]) -> Place:
    """The file of a ``FILE`` or ``FILE:COLUMN``; EmbeddingError when it does not exist."""
    return split_source(source)[0]


def join_labels(parts: Iterable[Labels]) -> Labels:
    """The labels of several files one after the other, as one."""
    parts = list(parts)
    classes = label_order({label for part in parts for label in part.classes})
    position = {label: code for code, label in enumerate(classes)}
    codes = [
        np.array([position[label] for label in part.classes], np.int32)[part.codes]
        for part in parts
    ]
    return Labels(classes, np.concatenate(codes))


def split_source(source: str | os.PathLike[str]) -> tuple[Place, str | None]:
    """File and column of ``FILE`` or ``FILE:COLUMN``; EmbeddingError when there is no such file."""
    source = os.fspath(source)
    place = find_place(source)
    if exists(place) or (is_pattern(place) and ":" not in source.rpartition("/")[2]):
        return place, None
    name, colon, column = source.rpartition(":")
    if colon and not (is_url(source) and column.startswith("//")):
        place = find_place(name)
        if exists(place) or is_pattern(place):
            return place, column
    raise EmbeddingError(name if colon and Path(name).suffix else source, "does not exist")


def _encode(path: Place, chunks: Iterator[Values]) -> Labels:
    """Number the labels as they appear, then renumber them in the order of the classes."""
    seen: dict[str, int] = {}
    codes: list[npt.NDArray[np.int32]] = []
    row = 0
    for chunk in chunks:
        distinct, inverse = np.unique(np.asarray(chunk), return_inverse=True)
        names = [value_text(value) for value in distinct.tolist()]
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
    classes = label_order(seen)
    renumbered = np.empty(len(classes), np.int32)
    for code, label in enumerate(classes):
        renumbered[seen[label]] = code
    return Labels(classes, renumbered[np.concatenate(codes)])


def value_text(value: object) -> str:
    """A label or identifier as text; a missing one is ""."""
    if value is None:
        return ""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
