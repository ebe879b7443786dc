"""Embeddings written row by row, in any format that has a writer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vmf.embeddings.table_output import Column, TableWriter, open_table, writing_format
from vmf.errors import Argument, EmbeddingError, PathLike

NumberType = Literal["float16", "float32", "float64", "bfloat16", "int8"]
LARGEST_INT8 = 127


@contextmanager
def create_embeddings(
    path: PathLike,
    shape: tuple[int, int],
    dtype: NumberType = "float32",
    *,
    scale: npt.ArrayLike | None = None,
    beside: Mapping[str, np.dtype[Any]] | None = None,
) -> Iterator[EmbeddingWriter]:
    """Write a file of embeddings; it appears at ``path`` when the block ends without error.

    Parameters
    ----------
    path : path-like
        Its ending says the format: ``.npy``, ``.npz``, ``.csv``, ``.tsv`` (also ``.gz`` and
        ``.zst``), ``.parquet``, ``.arrow``, ``.feather``, ``.ipc``, ``.h5``, ``.zarr``,
        ``.safetensors`` or ``.pt``.
    shape : (int, int)
        Rows and dimension.
    dtype : str
        Type of the stored numbers: "float16", "float32", "float64", "bfloat16" (``.safetensors``
        and ``.pt``) or "int8" (needs ``scale``; not ``.npy`` and text).
    scale : (dimension,) array, optional
        With "int8": x is stored as the integer nearest to x / scale, see :func:`int8_scale`.
    beside : mapping, optional
        Name to dtype of columns of one value a row: labels, identifiers.

    Yields
    ------
    EmbeddingWriter
        One chunk is in memory at a time, in Parquet and Arrow some more, up to 32 MB.

    Raises
    ------
    EmbeddingError
        For another ending, and for what the format has no place for.
    """
    if dtype == "int8" and scale is None:
        raise EmbeddingError(path, "int8 needs a scale")
    known, _ = writing_format(path)
    if beside and known.name == "npy":
        raise EmbeddingError(
            path, f"has no place for {', '.join(beside)}: a .npy holds one array; write .npz"
        )
    is_bfloat16 = dtype == "bfloat16"
    name = "x" if known.name == "csv" else "embedding"
    number = np.dtype(np.float32 if is_bfloat16 else dtype)
    columns = [Column(name, np.dtype(kind)) for name, kind in (beside or {}).items()]
    columns.append(Column(name, number, shape[1], is_bfloat16))
    steps = None if dtype != "int8" else np.asarray(scale, np.float32)
    with open_table(path, columns, shape[0], steps) as table:
        yield EmbeddingWriter(path, table, columns[-1], steps)


class EmbeddingWriter:
    """Takes rows in order; see :func:`create_embeddings`."""

    def __init__(
        self,
        path: PathLike,
        table: TableWriter,
        vectors: Column,
        scale: npt.NDArray[np.float32] | None,
    ) -> None:
        self._path = Path(path)
        self._table = table
        self._vectors = vectors
        self._scale = scale
        self._rows = 0

    def append(self, rows: npt.NDArray[Any], **beside: npt.NDArray[Any]) -> None:
        """Write some rows, and the values of the columns beside them.

        Raises
        ------
        EmbeddingError
            For a number beyond the range of the stored type.
        """
        stored = self._convert(np.asarray(rows))
        self._table.write({**beside, self._vectors.name: stored})
        self._rows += len(rows)

    def _convert(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._scale is not None:
            wide = rows / self._scale.astype(np.float64)
            with np.errstate(invalid="ignore"):
                whole = np.rint(wide)
                self._check(~(np.abs(whole) <= LARGEST_INT8), rows, "int8 with its scale")
            return whole.astype(np.int8)
        with np.errstate(over="ignore"):
            stored = rows.astype(self._vectors.dtype, copy=False)
        if stored.dtype.itemsize < rows.dtype.itemsize:
            self._check(np.isinf(stored) & np.isfinite(rows), rows, str(stored.dtype))
        return stored

    def _check(self, lost: npt.NDArray[np.bool_], rows: npt.NDArray[Any], kind: str) -> None:
        if lost.any():
            row, column = np.argwhere(lost)[0]
            raise EmbeddingError(
                self._path,
                f"cannot hold row {self._rows + row}, column {column}: {rows[row, column]} is beyond"
                f" {kind}; write another ",
                Argument("dtype"),
            )


def int8_scale(largest: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The scale of each dimension, from the largest absolute value in it.

    With q = round(x / scale), scale = largest / 127 rounded up to float32, the error |x - q scale|
    is at most scale / 2 = largest / 254, but for the rounding of the product to float32.
    """
    exact = np.asarray(largest, np.float64) / LARGEST_INT8
    scale = exact.astype(np.float32)
    scale = np.where(scale < exact, np.nextafter(scale, np.float32(np.inf)), scale)
    usable: npt.NDArray[np.float32] = np.where(scale > 0, scale, np.float32(1))
    return usable
