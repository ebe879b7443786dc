"""``.npz``: one member a column, not compressed, for floating-point features hardly shrink."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vmf.embeddings.table_output import Chunk, Column, TableLayout, TableWriter
from vmf.embeddings.writers.npy import write_header
from vmf.errors import PathLike

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same rows give the same bytes


class _NpzWriter:
    """The vectors go to the archive at once; an archive takes one member at a time, so the others
    wait in temporary files."""

    def __init__(self, streams: dict[str, Any], columns: dict[str, Column]) -> None:
        self._streams = streams
        self._columns = columns

    def write(self, chunk: Chunk) -> None:
        for name, stream in self._streams.items():
            stream.write(np.ascontiguousarray(chunk[name], self._columns[name].dtype).tobytes())


@contextmanager
def open_writer(temporary: Path, path: PathLike, layout: TableLayout) -> Iterator[TableWriter]:
    """See :mod:`vmf.embeddings.writers`."""
    columns = {column.name: column for column in layout.columns}
    first, *others = sorted(columns.values(), key=lambda column: column.width is None)
    with ExitStack() as stack:
        archive = stack.enter_context(zipfile.ZipFile(temporary, "w", allowZip64=True))
        streams: dict[str, Any] = {
            column.name: stack.enter_context(tempfile.TemporaryFile()) for column in others
        }
        with _member(archive, first.name) as stream:
            write_header(stream, first.dtype, first.shape(layout.rows))
            yield _NpzWriter({first.name: stream, **streams}, columns)
        for column in others:
            with _member(archive, column.name) as stream:
                write_header(stream, column.dtype, column.shape(layout.rows))
                streams[column.name].seek(0)
                shutil.copyfileobj(streams[column.name], stream, 1 << 20)
        if layout.scale is not None:
            with _member(archive, f"{layout.vectors}_scale") as stream:
                write_header(stream, layout.scale.dtype, layout.scale.shape)
                stream.write(layout.scale.tobytes())


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    return archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True)
