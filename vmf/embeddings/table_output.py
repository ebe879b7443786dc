"""Tables written chunk by chunk: ``.npy``, ``.csv``, ``.tsv`` and ``.parquet``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from vmf.embeddings.atomic_output import PathLike, atomic_output
from vmf.embeddings.errors import EmbeddingError

if TYPE_CHECKING:
    import pyarrow as pa

TABLE_EXTENSIONS = (".npy", ".csv", ".tsv", ".parquet")

Chunk = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Column:
    """One column of a table: a value a row, or ``width`` values a row."""

    name: str
    dtype: np.dtype[Any]
    width: int | None = None


class TableWriter(Protocol):
    """Takes the rows of a table in order; each chunk maps the column names to arrays."""

    def write(self, chunk: Chunk) -> None: ...


@contextmanager
def open_table(path: PathLike, columns: Sequence[Column], rows: int) -> Iterator[TableWriter]:
    """Write a table of ``rows`` rows; it appears at ``path`` when the block ends without error.

    A ``.npy`` of a single column is a plain array, of shape (rows,) or (rows, width), and otherwise
    a structured one, read as ``np.load(path)["name"]``. In text a column with a width becomes
    ``name0``, ``name1``, ...; numbers are written so that they read back exactly. In Parquet it is
    a fixed-size list.

    Raises
    ------
    EmbeddingError
        For another ending, or Parquet without pyarrow.
    OSError
        When the disk is full.
    """
    open_writer = {
        ".npy": _npy_writer, ".csv": _text_writer, ".tsv": _text_writer, ".parquet": _parquet_writer
    }.get(Path(path).suffix.lower())  # fmt: skip
    if open_writer is None:
        raise EmbeddingError(path, f"tables are written as {', '.join(TABLE_EXTENSIONS)}")
    with atomic_output(path) as temporary, open_writer(temporary, path, columns, rows) as writer:
        yield writer


class _NpyWriter:
    def __init__(self, stream: Any, columns: Sequence[Column], rows: int) -> None:
        self._stream = stream
        self._columns = columns
        if len(columns) == 1:
            only = columns[0]
            self._dtype = only.dtype
            shape: tuple[int, ...] = (rows,) if only.width is None else (rows, only.width)
        else:
            fields = [
                (c.name, c.dtype) if c.width is None else (c.name, c.dtype, (c.width,))
                for c in columns
            ]
            self._dtype = np.dtype(fields)
            shape = (rows,)
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": shape,
        }
        np.lib.format.write_array_header_1_0(stream, header)

    def write(self, chunk: Chunk) -> None:
        if len(self._columns) == 1:
            block = chunk[self._columns[0].name]
            self._stream.write(np.ascontiguousarray(block, self._dtype).data)
            return
        table = np.empty(len(chunk[self._columns[0].name]), self._dtype)
        for column in self._columns:
            table[column.name] = chunk[column.name]
        self._stream.write(table.tobytes())


@contextmanager
def _npy_writer(
    temporary: Path, path: PathLike, columns: Sequence[Column], rows: int
) -> Iterator[TableWriter]:
    with open(temporary, "wb") as stream:
        yield _NpyWriter(stream, columns, rows)


class _TextWriter:
    def __init__(self, stream: Any, columns: Sequence[Column], delimiter: str) -> None:
        self._columns = columns
        self._writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        self._writer.writerow(
            name
            for c in columns
            for name in ([c.name] if c.width is None else [f"{c.name}{i}" for i in range(c.width)])
        )

    def write(self, chunk: Chunk) -> None:
        parts = [
            [[value] for value in chunk[c.name].tolist()]
            if c.width is None
            else chunk[c.name].tolist()
            for c in self._columns
        ]
        self._writer.writerows(chain.from_iterable(cells) for cells in zip(*parts, strict=True))


@contextmanager
def _text_writer(
    temporary: Path, path: PathLike, columns: Sequence[Column], rows: int
) -> Iterator[TableWriter]:
    delimiter = "\t" if Path(path).suffix.lower() == ".tsv" else ","
    with open(temporary, "w", encoding="utf-8", newline="") as stream:
        yield _TextWriter(stream, columns, delimiter)


class _ParquetWriter:
    _ROW_GROUP_BYTES = 32 << 20

    def __init__(self, writer: Any, columns: Sequence[Column], schema: pa.Schema) -> None:
        self._writer = writer
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
                flat = pa.array(values.reshape(-1))
                arrays.append(pa.FixedSizeListArray.from_arrays(flat, column.width))
            elif column.dtype.kind == "U":
                arrays.append(pa.array([v or None for v in values.tolist()], pa.string()))
            else:
                arrays.append(pa.array(values))
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._pending.append(batch)
        self._pending_bytes += batch.nbytes
        if self._pending_bytes >= self._ROW_GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if self._pending:
            self._writer.write_table(pa.Table.from_batches(self._pending, self._schema))
        self._pending, self._pending_bytes = [], 0


@contextmanager
def _parquet_writer(
    temporary: Path, path: PathLike, columns: Sequence[Column], rows: int
) -> Iterator[TableWriter]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise EmbeddingError(
            path, "writing Parquet needs pyarrow, which is not installed: pip install pyarrow"
        ) from error

    def arrow_type(column: Column) -> pa.DataType:
        item = pa.string() if column.dtype.kind == "U" else pa.from_numpy_dtype(column.dtype)
        return item if column.width is None else pa.list_(item, column.width)

    schema = pa.schema([(column.name, arrow_type(column)) for column in columns])
    with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        table = _ParquetWriter(writer, columns, schema)
        yield table
        table.flush()
