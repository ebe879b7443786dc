"""``.npy``: an array, or a structured one of several columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vmf.embeddings.table_output import Chunk, TableLayout, TableWriter
from vmf.errors import PathLike


class _NpyWriter:
    def __init__(self, stream: Any, layout: TableLayout) -> None:
        self._stream = stream
        self._columns = columns = layout.columns
        if len(columns) == 1:
            self._dtype = columns[0].dtype
            shape = columns[0].shape(layout.rows)
        else:
            self._dtype = np.dtype([(c.name, c.dtype, c.shape(0)[1:]) for c in columns])
            shape = (layout.rows,)
        write_header(stream, self._dtype, shape)

    def write(self, chunk: Chunk) -> None:
        if len(self._columns) == 1:
            block = chunk[self._columns[0].name]
            self._stream.write(np.ascontiguousarray(block, self._dtype).data)
            return
        table = np.empty(len(chunk[self._columns[0].name]), self._dtype)
        for column in self._columns:
            table[column.name] = chunk[column.name]
        self._stream.write(table.tobytes())


def write_header(stream: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """The beginning of an array in C order."""
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(stream, header)


@contextmanager
def open_writer(temporary: Path, path: PathLike, layout: TableLayout) -> Iterator[TableWriter]:
    """See :mod:`vmf.embeddings.writers`."""
    with open(temporary, "wb") as stream:
        yield _NpyWriter(stream, layout)
