"""HDF5: one contiguous dataset a column."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vmf.embeddings.table_output import Chunk, Column, TableLayout, TableWriter
from vmf.errors import EmbeddingError, PathLike


class _Hdf5Writer:
    def __init__(self, datasets: dict[str, tuple[Column, Any]]) -> None:
        self._datasets = datasets
        self._row = 0

    def write(self, chunk: Chunk) -> None:
        for name, (column, dataset) in self._datasets.items():
            values = chunk[name]
            stored = values.astype(object) if column.is_text else column.stored(values)
            dataset[self._row : self._row + len(values)] = stored
        self._row += len(values)


@contextmanager
def open_writer(temporary: Path, path: PathLike, layout: TableLayout) -> Iterator[TableWriter]:
    """See :mod:`vmf.embeddings.writers`."""
    try:
        import h5py
    except ImportError as error:
        raise EmbeddingError(
            path, "writing HDF5 needs h5py: pip install 'vmf-toolkit[io]'"
        ) from error
    with _told_as_os_error(path), h5py.File(temporary, "w") as file:
        datasets = {}
        for column in layout.columns:
            kind = h5py.string_dtype() if column.is_text else column.stored_dtype
            made = file.create_dataset(column.name, column.shape(layout.rows), kind)
            datasets[column.name] = column, made
        if layout.scale is not None:
            file[f"{layout.vectors}_scale"] = layout.scale
        yield _Hdf5Writer(datasets)


@contextmanager
def _told_as_os_error(path: PathLike) -> Iterator[None]:
    """Raise OSError, as for every other file, where h5py tells of the system in a RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), os.fspath(path)) from error
