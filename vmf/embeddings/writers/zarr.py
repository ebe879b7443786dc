"""Zarr: a group of one array a column, in chunks of whole rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.table_output import Chunk, Column, TableLayout, TableWriter
from vmf.errors import EmbeddingError, PathLike

_CHUNK_BYTES = 8 << 20


class _ZarrColumn:
    """Writes whole chunks, so that none is compressed twice."""

    def __init__(self, column: Column, array: Any, chunk_rows: int) -> None:
        self._array = array
        self._column = column
        self._buffer: npt.NDArray[Any] = np.empty(column.shape(chunk_rows), column.dtype)
        self._held = 0
        self._row = 0

    def write(self, values: npt.NDArray[Any]) -> None:
        while len(values):
            count = min(len(values), len(self._buffer) - self._held)
            self._buffer[self._held : self._held + count] = values[:count]
            self._held += count
            values = values[count:]
            if self._held == len(self._buffer):
                self.flush()

    def flush(self) -> None:
        values = self._buffer[: self._held]
        stored = values.astype(object) if self._column.is_text else self._column.stored(values)
        if self._held:
            self._array[self._row : self._row + self._held] = stored
        self._row += self._held
        self._held = 0


class _ZarrWriter:
    def __init__(self, columns: dict[str, _ZarrColumn]) -> None:
        self._columns = columns

    def write(self, chunk: Chunk) -> None:
        for name, column in self._columns.items():
            column.write(chunk[name])

    def flush(self) -> None:
        for column in self._columns.values():
            column.flush()


@contextmanager
def open_writer(temporary: Path, path: PathLike, layout: TableLayout) -> Iterator[TableWriter]:
    """See :mod:`vmf.embeddings.writers`."""
    try:
        import zarr
    except ImportError as error:
        raise EmbeddingError(
            path, "writing Zarr needs zarr: pip install 'vmf-toolkit[io]'"
        ) from error
    if int(zarr.__version__.partition(".")[0]) < 3:
        raise EmbeddingError(path, "writing Zarr needs zarr 3: pip install 'zarr>=3'")
    group = zarr.open_group(str(temporary), mode="w")
    columns = {}
    for column in layout.columns:
        row_bytes = (column.width or 1) * column.stored_dtype.itemsize
        rows = max(1, min(layout.rows, _CHUNK_BYTES // row_bytes))
        shape = column.shape(layout.rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # strings are not in the first edition of version 3
            array = group.create_array(
                column.name,
                shape=shape,
                dtype=str if column.is_text else column.stored_dtype,
                chunks=(rows, *shape[1:]),
            )
        columns[column.name] = _ZarrColumn(column, array, rows)
    if layout.scale is not None:
        group.create_array(f"{layout.vectors}_scale", data=layout.scale)
    writer = _ZarrWriter(columns)
    yield writer
    writer.flush()
