"""Names of rows, read beside them and in step with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.arrow_table import is_label_type
from vmf.embeddings.atomic_output import PathLike
from vmf.embeddings.columns import find_column
from vmf.embeddings.delimited import check_width, data_lines, read_layout, split
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.labels import label_file
from vmf.embeddings.parquet import open_parquet
from vmf.embeddings.places import Place

_AT_ONCE = 1 << 16

Chunk = npt.NDArray[Any]


class Ids:
    """The ids of rows in the order of a file, a chunk in memory at a time.

    Parameters
    ----------
    source : path-like
        ``FILE`` or ``FILE:COLUMN``: a ``.npy`` of whole numbers or strings, a ``.txt`` with one id
        a line, a ``.csv``, ``.tsv`` or ``.parquet``; of several columns the one called ``id``
        unless COLUMN says which.
    with_width : bool
        Read the file once before to find the longest id, which a fixed-width table needs.

    Attributes
    ----------
    dtype : numpy.dtype
        int64 for whole numbers in ``.npy`` and ``.parquet``, else text.

    Raises
    ------
    EmbeddingError
        For a file or a column that holds no ids; from :meth:`take` and :meth:`end` when there is
        not one id a row.
    """

    name = "id"

    def __init__(self, source: PathLike, *, with_width: bool = False) -> None:
        self.path = label_file(source)
        self._column = os.fspath(source)[len(str(self.path)) + 1 :] or None
        self._reader = {
            ".npy": _from_npy, ".txt": _from_lines, ".csv": _from_table, ".tsv": _from_table,
            ".parquet": _from_parquet, ".pq": _from_parquet,
        }.get(self.path.suffix.lower())  # fmt: skip
        if self._reader is None:
            raise EmbeddingError(self.path, "ids are read from .npy, .txt, .csv, .tsv, .parquet")
        first = next(self._chunks(), np.empty(0, np.int64))
        self.dtype = np.dtype(np.int64) if first.dtype.kind in "iu" else np.dtype("U1")
        if with_width and self.dtype.kind == "U":
            width = max((max(map(len, c.tolist()), default=1) for c in self._chunks()), default=1)
            self.dtype = np.dtype(f"U{max(width, 1)}")
        self._rest = self._chunks()
        self._held: list[Chunk] = []
        self._taken = 0

    def take(self, count: int) -> Chunk:
        """The next ``count`` ids."""
        while sum(map(len, self._held)) < count:
            chunk = next(self._rest, None)
            if chunk is None:
                have = self._taken + sum(map(len, self._held))
                raise EmbeddingError(self.path, f"has only {have} ids; there must be one id a row")
            self._held.append(chunk)
        joined = self._held[0] if len(self._held) == 1 else np.concatenate(self._held)
        self._held = [joined[count:]]
        self._taken += count
        return joined[:count]

    def end(self) -> None:
        """Check that no id is left."""
        if any(map(len, self._held)) or next(self._rest, None) is not None:
            raise EmbeddingError(
                self.path, f"has more ids than the {self._taken} rows; there must be one id a row"
            )

    def _chunks(self) -> Iterator[Chunk]:
        assert self._reader is not None
        try:
            for chunk in self._reader(self.path, self._column):
                if len(chunk):
                    yield chunk
        except OSError as error:
            raise EmbeddingError(
                self.path, f"cannot be read ({error.strerror or error})"
            ) from error


def _from_npy(path: Place, column: str | None) -> Iterator[Chunk]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise EmbeddingError(path, f"is no array of ids ({error})") from error
    if array.ndim != 1 or array.dtype.kind not in "iuU" or column is not None:
        raise EmbeddingError(
            path, f"holds {array.dtype} {array.shape}; ids are whole numbers or strings, (rows,)"
        )
    kind = np.int64 if array.dtype.kind in "iu" else array.dtype
    for start in range(0, len(array), _AT_ONCE):
        yield array[start : start + _AT_ONCE].astype(kind)


def _from_lines(path: Place, column: str | None) -> Iterator[Chunk]:
    if column is not None:
        raise EmbeddingError(path, f"holds one id a line; leave out :{column}")
    return _batches(line.strip() for _, line in data_lines(path))


def _from_table(path: Place, column: str | None) -> Iterator[Chunk]:
    layout = read_layout(path)
    delimiter = layout.delimiter
    if delimiter is None:
        raise EmbeddingError(path, "has a single column; give ids without a header as .txt")
    position = _position(path, list(layout.names), column)

    def fields() -> Iterator[str]:
        for number, line in data_lines(path, layout.first_line):
            check_width(path, number, line, layout)
            yield split(line, delimiter)[position]

    return _batches(fields())


def _from_parquet(path: Place, column: str | None) -> Iterator[Chunk]:
    with open_parquet(path) as file:
        names = file.schema_arrow.names
        name = names[_position(path, names, column)]
        kind = file.schema_arrow.field(name).type
        if not is_label_type(kind):
            raise EmbeddingError(path, f"column {name!r} holds {kind}; ids are integers or text")
        for batch in file.iter_batches(_AT_ONCE, columns=[name]):
            values = batch.column(0)
            if values.null_count:
                raise EmbeddingError(path, f"column {name!r} has rows without an id")
            listed = values.to_pylist()
            yield (
                np.array(listed, np.int64)
                if isinstance(listed[0], int)
                else np.array([str(value) for value in listed])
            )


def _position(path: Place, names: list[str], column: str | None) -> int:
    if column is not None:
        return find_column(path, names, column)
    if len(names) > 1 and "id" not in names:
        raise EmbeddingError(
            path,
            f"has {len(names)} columns ({', '.join(names[:8])}); say which one holds the ids:"
            f" --ids {path.name}:NAME",
        )
    return 0 if len(names) == 1 else names.index("id")


def _batches(values: Iterator[str]) -> Iterator[Chunk]:
    from itertools import islice

    while batch := list(islice(values, _AT_ONCE)):
        yield np.array(batch)
