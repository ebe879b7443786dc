"""Parquet, Arrow and Feather: a column with a width is a fixed-size list."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmf.embeddings.table_output import Chunk, Column, TableLayout, TableWriter
from vmf.errors import EmbeddingError, PathLike

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP_BYTES = 32 << 20
"""Bytes of rows that are written together: a row group, a record batch."""


class _ArrowWriter:
    def __init__(
        self,
        write_table: Callable[[pa.Table], None],
        columns: list[Column],
        schema: pa.Schema,
    ) -> None:
        self._write_table = write_table
        self._columns = columns
        self._schema = schema
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0

    def write(self, chunk: Chunk) -> None:
        import pyarrow as pa

        arrays = []
        for column in self._columns:
            values = chunk[column.name]
            if column.width is not None:
                # A copy: the caller may use its array again before the group is written.
                flat = pa.array(values.astype(column.dtype).reshape(-1))
                arrays.append(pa.FixedSizeListArray.from_arrays(flat, column.width))
            elif column.is_text:
                arrays.append(pa.array([v or None for v in values.tolist()], pa.string()))
            else:
                arrays.append(pa.array(values.astype(column.dtype)))
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._pending.append(batch)
        self._pending_bytes += batch.nbytes
        if self._pending_bytes >= _GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if self._pending:
            self._write_table(pa.Table.from_batches(self._pending, self._schema))
        self._pending, self._pending_bytes = [], 0


@contextmanager
def open_parquet_writer(
    temporary: Path, path: PathLike, layout: TableLayout
) -> Iterator[TableWriter]:
    """See :mod:`vmf.embeddings.writers`."""
    schema = _schema(path, layout)
    import pyarrow.parquet as pq

    # A dictionary of floating-point numbers is larger than they are.
    texts = [column.name for column in layout.columns if column.is_text]
    with pq.ParquetWriter(
        temporary, schema, compression="zstd", use_dictionary=texts or False
    ) as writer:
        table = _ArrowWriter(writer.write_table, list(layout.columns), schema)
        yield table
        table.flush()


@contextmanager
def open_arrow_writer(
    temporary: Path, path: PathLike, layout: TableLayout
) -> Iterator[TableWriter]:
    """See :mod:`vmf.embeddings.writers`."""
    schema = _schema(path, layout)
    import pyarrow as pa

    opener: Any = pa.ipc.new_stream if Path(path).suffix.lower() == ".ipc" else pa.ipc.new_file
    with opener(str(temporary), schema) as writer:

        def write_table(table: pa.Table) -> None:
            for batch in table.to_batches():
                writer.write_batch(batch)

        table = _ArrowWriter(write_table, list(layout.columns), schema)
        yield table
        table.flush()


def _schema(path: PathLike, layout: TableLayout) -> pa.Schema:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise EmbeddingError(
            path, "writing Parquet and Arrow needs pyarrow: pip install 'vmf-toolkit[io]'"
        ) from error

    def arrow_type(column: Column) -> pa.DataType:
        item = pa.string() if column.is_text else pa.from_numpy_dtype(column.dtype)
        return item if column.width is None else pa.list_(item, column.width)

    metadata = None
    if layout.scale is not None:
        metadata = {"scale": json.dumps(layout.scale.tolist())}
    return pa.schema([(c.name, arrow_type(c)) for c in layout.columns], metadata)
