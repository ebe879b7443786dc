"""HDF5: one contiguous dataset a column."""

from __future__ import annotations

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
    with h5py.File(temporary, "w") as file:
        datasets = {}
        for column in layout.columns:
            kind = h5py.string_dtype() if column.is_text else column.stored_dtype
            made = file.create_dataset(column.name, column.shape(layout.rows), kind)
            datasets[column.name] = column, made
        if layout.scale is not None:
            file[f"{layout.vectors}_scale"] = layout.scale
        yield _Hdf5Writer(datasets)
