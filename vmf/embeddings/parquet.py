"""Apache Parquet: a column of lists, or one column a dimension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from vmf.embeddings.arrow_table import (
    ArrowTableFile,
    LabelValues,
    choose_label_column,
    label_values,
)
from vmf.embeddings.places import Place, RemoteFile, open_binary
from vmf.errors import EmbeddingError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BUFFERS = 64 << 20
"""Bytes of undecoded data to hold: a row group up to this size, or one buffer a column."""


class ParquetFile(ArrowTableFile):
    """One list column of a Parquet file, or several plain columns as the coordinates.

    Parameters
    ----------
    path : Path or RemoteFile
        The file.
    column : str, optional
        The list column, or the columns that are the coordinates
        (:func:`vmf.embeddings.columns.choose_columns`). Without it: the only list column there is,
        or else all columns.

    Notes
    -----
    Missing values and missing rows are read as NaN: bad rows, like any other NaN.
    """

    format = "parquet"

    def __init__(self, path: Place, column: str | None = None) -> None:
        with open_parquet(path) as file:
            rows = file.metadata.num_rows
            groups = range(file.metadata.num_row_groups)
            counts = [file.metadata.row_group(i).num_rows for i in groups]
            self._group_starts = [0, *accumulate(counts)][:-1]
            largest = max((file.metadata.row_group(i).total_byte_size for i in groups), default=0)
            self._unit_bytes = 2 * min(largest, _BUFFERS)
            super().__init__(
                path,
                column,
                file.schema_arrow,
                rows,
                lambda names: file.iter_batches(16, columns=names),
            )

    @property
    def unit_bytes(self) -> int:
        return self._unit_bytes

    def entries(self) -> Sequence[int]:
        return self._group_starts

    def read_batches(
        self, rows: int, start: int, stop: int | None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        with open_parquet(self.path) as file:
            counts = [
                file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)
            ]
            ends = list(accumulate(counts))
            wanted = [
                i
                for i, (count, end) in enumerate(zip(counts, ends, strict=True))
                if end > start and (stop is None or end - count < stop)
            ]
            if not wanted:
                return
            first = ends[wanted[0]] - counts[wanted[0]]
            # One column is decoded by one thread in any case; a pool of them takes 10 MB more.
            batches = file.iter_batches(
                rows, row_groups=wanted, columns=self._names, use_threads=len(self._names) > 1
            )
            for batch in batches:
                yield first, batch
                first += batch.num_rows


@contextmanager
def open_parquet(path: Place) -> Iterator[pq.ParquetFile]:
    """Open with bounded buffers; whatever pyarrow finds wrong becomes one line.

    pyarrow loads the column chunks of a row group whole, which is fastest. Where a row group is
    large it is told to stream their pages instead, each chunk through a buffer.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise EmbeddingError(
            path,
            "reading Parquet needs pyarrow, which is not installed: pip install pyarrow",
        ) from error
    try:
        source: Any = open_binary(path) if isinstance(path, RemoteFile) else path
        metadata = pq.read_metadata(source)
        groups = [metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)]
        _check_counts(path, metadata)
        buffer = 0
        if max(groups, default=0) > _BUFFERS:
            buffer = min(1 << 20, max(1 << 14, _BUFFERS // metadata.num_columns))
        with pq.ParquetFile(
            source, metadata=metadata, buffer_size=buffer, pre_buffer=False
        ) as file:
            yield file
    except EmbeddingError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise EmbeddingError(path, f"is a damaged or truncated Parquet file ({error})") from error


def read_label_column(path: Place, column: str | None) -> Iterator[LabelValues]:
    """The values of one column; see :mod:`vmf.embeddings.labels`."""
    with open_parquet(path) as file:
        name = choose_label_column(path, file.schema_arrow, column)
        for batch in file.iter_batches(1 << 16, columns=[name]):
            yield label_values(batch.column(0))


def _check_counts(path: Place, metadata: pq.FileMetaData) -> None:
    """Refuse a file whose row groups do not add up to the rows that it promises."""
    found = sum(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    if found != metadata.num_rows:
        raise EmbeddingError(
            path,
            f"is damaged: it promises {metadata.num_rows} rows, its row groups hold {found}; write"
            " it again",
        )
