"""Columns of Arrow record batches as rows of numbers: what Parquet and Arrow files share."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.columns import choose_columns, find_column
from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows, native_float
from vmf.embeddings.places import Place
from vmf.errors import Argument, EmbeddingError, listed

if TYPE_CHECKING:
    import pyarrow as pa

Batches = Callable[[list[str]], Iterator["pa.RecordBatch"]]
"""Called with the names of columns; gives the first batches of them."""


class ArrowTableFile(EmbeddingFile):
    """One list column of a table, or several plain columns as the coordinates.

    Parameters
    ----------
    path : Path or RemoteFile
    column : str, optional
        See :class:`vmf.embeddings.parquet.ParquetFile`.
    schema : pyarrow.Schema
        Its metadata may hold a ``scale`` for stored integers: a number, or a JSON list.
    rows : int, optional
        None where only a pass can count them.
    first_batches : callable
        See :data:`Batches`; to find the dimension of lists of any length.
    """

    def __init__(
        self,
        path: Place,
        column: str | None,
        schema: pa.Schema,
        rows: int | None,
        first_batches: Batches,
    ) -> None:
        self._names, self._is_list = _choose(path, schema, column)
        types = [schema.field(name).type for name in self._names]
        if self._is_list:
            dtype = _number_type(_list_type(types[0]).value_type)
            dimension = 2
            if rows != 0:
                dimension = _list_length(path, first_batches, self._names[0], types[0])
        else:
            dtype = np.result_type(*[_number_type(t) for t in types])
            dimension = len(types)
        super().__init__(path, (rows, dimension), dtype)
        scale = (schema.metadata or {}).get(b"scale")
        if scale is not None and self.dtype.kind in "iu":
            try:
                numbers = np.asarray(json.loads(scale), np.float64)
            except (ValueError, TypeError, RecursionError) as error:
                raise EmbeddingError(path, f"has the scale {scale[:80]!r}, no number") from error
            self.set_scale(numbers)

    @abstractmethod
    def read_batches(
        self, rows: int, start: int, stop: int | None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the chosen columns: number of the first row, and at most ``rows`` rows in a batch.

        All rows from ``start`` to ``stop`` are among them.
        """

    def locate(self, row: int, column: int | None = None) -> str:
        if column is None or self._is_list:
            return super().locate(row, column)
        return f"row {row}, column {self._names[column]!r}"

    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        for first, batch in self.read_batches(rows, start, stop):
            skipped = max(start - first, 0)
            if skipped < batch.num_rows:
                yield self._rows_of(batch.slice(skipped), first + skipped)

    def _rows_of(self, batch: pa.RecordBatch, start: int) -> FloatRows:
        if self._is_list:
            return self._rows_of_lists(batch.column(0), start)
        columns = np.empty((self.dimension, batch.num_rows), self.native_dtype)
        for position, name in enumerate(self._names):
            columns[position] = _numbers(batch.column(name))
        return np.ascontiguousarray(columns.T)

    def _rows_of_lists(self, column: pa.Array, start: int) -> FloatRows:
        import pyarrow.compute as pc

        column = getattr(column, "storage", column)
        lengths = pc.list_value_length(column).fill_null(self.dimension).to_numpy()
        wrong = np.flatnonzero(lengths != self.dimension)
        if len(wrong):
            raise EmbeddingError(
                self.path,
                f"{self.locate(start + int(wrong[0]))} of column {self._names[0]!r} has"
                f" {lengths[wrong[0]]} numbers where row 0 has {self.dimension}; every row needs"
                " the same number",
            )
        values = _numbers(column.flatten()).astype(self.native_dtype, copy=False)
        if not column.null_count:
            return values.reshape(len(column), self.dimension)
        block = np.full((len(column), self.dimension), np.nan, self.native_dtype)
        block[column.is_valid().to_numpy(zero_copy_only=False)] = values.reshape(-1, self.dimension)
        return block


def _choose(path: Place, schema: pa.Schema, column: str | None) -> tuple[list[str], bool]:
    """Names of the chosen columns, and whether it is a list column."""
    names = _names(path, schema)
    if len(set(names)) != len(names):
        raise EmbeddingError(path, "has several columns of the same name; rename them")
    lists = [n for n in names if _list_type(schema.field(n).type) is not None]
    if column is not None and "," not in column and column in lists:
        lists = [column]
    elif column is not None and lists:
        position = find_column(path, names, column)
        lists = [names[position]] if names[position] in lists else []
    if len(lists) > 1:
        raise EmbeddingError(
            path,
            f"has several list columns: {', '.join(lists)}; choose one with ",
            Argument("column", "NAME"),
        )
    if lists:
        item = _list_type(schema.field(lists[0]).type).value_type
        if _number_type(item) is None:
            raise EmbeddingError(
                path, f"column {lists[0]!r} holds lists of {item}, expected lists of numbers"
            )
        return lists, True
    other = {
        position: str(schema.field(name).type)
        for position, name in enumerate(names)
        if _number_type(schema.field(name).type) is None
    }
    chosen = choose_columns(path, names, column, other)
    return [names[position] for position in chosen], False


def _names(path: Place, schema: pa.Schema) -> list[str]:
    try:
        found: list[str] = schema.names
    except UnicodeDecodeError as error:
        raise EmbeddingError(
            path, "has a column whose name is not UTF-8 text; rename it (or is the file damaged?)"
        ) from error
    return found


def _list_type(kind: pa.DataType) -> Any:
    """The list type itself, unwrapped from a tensor extension type; None when it is no list."""
    import pyarrow.types as pt

    kind = getattr(kind, "storage_type", kind)
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        return kind
    return None


def _number_type(kind: pa.DataType) -> Any:
    """The NumPy type of a column of real numbers; None for anything else."""
    import pyarrow.types as pt

    if pt.is_floating(kind) or pt.is_integer(kind):
        return np.dtype(kind.to_pandas_dtype())
    return None


LabelValues = npt.NDArray[np.integer[Any]] | list[str]


def choose_label_column(path: Place, schema: pa.Schema, column: str | None) -> str:
    """The name of the column of labels or identifiers that was asked for, or of the only one."""
    import pyarrow.types as pt

    names = _names(path, schema)
    if not names:
        raise EmbeddingError(path, "has no column")
    if column is None and len(names) > 1:
        raise EmbeddingError(
            path,
            f"has {len(names)} columns ({listed(names)}); say which one is meant: {path.name}:NAME",
        )
    name = names[0 if column is None else find_column(path, names, column)]
    kind = schema.field(name).type
    plain = kind.value_type if pt.is_dictionary(kind) else kind
    suitable = (pt.is_integer, pt.is_boolean, pt.is_string, pt.is_large_string)
    if not any(is_such(plain) for is_such in suitable):
        raise EmbeddingError(
            path, f"column {name!r} holds {kind}; labels and ids are integers or strings"
        )
    return name


def label_values(column: pa.Array) -> LabelValues:
    """Integers as they are; anything else, and integers of which some are missing, as text."""
    import pyarrow.types as pt

    if pt.is_integer(column.type) and not column.null_count:
        numbers: npt.NDArray[np.integer[Any]] = column.to_numpy()
        return numbers
    return ["" if value is None else str(value) for value in column.to_pylist()]


def _list_length(path: Place, first_batches: Batches, name: str, kind: pa.DataType) -> int:
    listed = _list_type(kind)
    if hasattr(listed, "list_size"):
        return int(listed.list_size)
    for batch in first_batches([name]):
        for value in batch.column(0):
            if value.is_valid:
                return len(value)
    raise EmbeddingError(path, f"column {name!r} holds no lists, only missing values")


def _numbers(column: pa.Array) -> np.ndarray[Any, Any]:
    """The values as NumPy numbers, missing ones as NaN."""
    values: np.ndarray[Any, Any] = column.to_numpy(zero_copy_only=False)
    if not column.null_count:
        return values
    return values.astype(native_float(np.dtype(column.type.to_pandas_dtype())))
