"""What every reader is: a shape, a data type and a stream of bounded chunks."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vmf.embeddings.errors import EmbeddingError

FloatRows = npt.NDArray[np.floating[Any]]

DEFAULT_CHUNK_BYTES = 8 << 20
"""Default size of a chunk. Measured on a 160 MB file: 8 MB is as fast as any size, because the
allocator hands the same warm pages out again; from 32 MB on every chunk pays for fresh pages."""


class EmbeddingFile(ABC):
    """Rows of numbers in a file, read in chunks.

    Parameters
    ----------
    path : Path
        The file.
    shape : (int, int) or (None, int)
        Rows and dimension; None for rows that only a pass over the file can count, in which case
        :meth:`count_rows` does so when :attr:`rows` is first read.
    dtype : numpy.dtype
        The data type as stored.

    Notes
    -----
    No file stays open between calls, so there is nothing to close. A reader for another format
    subclasses this and is registered with :func:`vmf.embeddings.register`.
    """

    format: ClassVar[str]

    def __init__(self, path: Path, shape: tuple[int | None, int], dtype: np.dtype[Any]) -> None:
        self.path = path
        self.dtype = dtype
        self.dimension = shape[1]
        self._rows = shape[0]
        self._identity = _identity(path)
        if self.dimension < 2:
            raise EmbeddingError(
                path,
                f"has dimension {self.dimension}; directions need at least 2 columns"
                " (is this a file of labels or scores?)",
            )
        if self._rows == 0:
            raise EmbeddingError(path, f"holds no rows (its shape is (0, {self.dimension}))")

    @property
    def rows(self) -> int:
        """Number of rows; a text file is scanned once to count them."""
        if self._rows is None:
            self._rows = self.count_rows()
            if self._rows == 0:
                raise EmbeddingError(self.path, "holds no rows")
        return self._rows

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, dimension)."""
        return self.rows, self.dimension

    @property
    def native_dtype(self) -> np.dtype[Any]:
        """The data type of the chunks: float16, float32 or float64 in the machine's byte order."""
        return native_float(self.dtype)

    def chunks(
        self, rows: int | None = None, *, memory: int = DEFAULT_CHUNK_BYTES
    ) -> Iterator[tuple[int, FloatRows]]:
        """Yield ``(start, X)``: the number of the first row and the rows, in file order.

        Parameters
        ----------
        rows : int, optional
            Rows in a chunk (the last one may be shorter). By default as many as fit ``memory``.
        memory : int
            Bytes of one chunk, stored or converted, whichever is larger.

        Raises
        ------
        EmbeddingError
            When the file turns out truncated, ragged or changed. Values are *not* judged here: NaN
            and zero rows are passed on, so that one place (the statistics) decides about them.
        """
        if rows is None:
            width = max(self.dtype.itemsize, self.native_dtype.itemsize)
            rows = max(1, memory // (width * self.dimension))
        elif rows < 1:
            raise ValueError(f"rows must be at least 1, not {rows}")
        start = 0
        for block in self.read_blocks(rows):
            yield start, block
            start += len(block)
        if self._rows is not None and start != self._rows:
            raise EmbeddingError(
                self.path, f"ended after {start} rows where {self._rows} were promised"
            )
        if _identity(self.path) != self._identity:
            raise EmbeddingError(
                self.path, "changed while it was read; wait until it is complete and run again"
            )

    def locate(self, row: int, column: int | None = None) -> str:
        """Where a row (and a column of it) stands in the file, in the user's terms."""
        return f"row {row}" if column is None else f"row {row}, column {column}"

    def count_rows(self) -> int:
        """Count the rows by a pass over the file; only for formats that do not store the number."""
        raise NotImplementedError

    @abstractmethod
    def read_blocks(self, rows: int) -> Iterator[FloatRows]:
        """Yield all rows in order, ``rows`` at a time, in :attr:`native_dtype`."""

    def __repr__(self) -> str:
        rows = "?" if self._rows is None else self._rows
        name = type(self).__name__
        return f"{name}({str(self.path)!r}, ({rows}, {self.dimension}), {self.dtype})"


def native_float(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The float type that holds ``dtype`` without loss (float64 for 4- and 8-byte integers)."""
    if dtype.kind == "f" and dtype.itemsize <= 8:
        return np.dtype(f"=f{dtype.itemsize}")
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def check_dtype(dtype: np.dtype[Any], path: Path, what: str = "the array") -> None:
    """Refuse what is not a real number, saying what it is and how to convert it."""
    if dtype.kind in "fiu":
        return
    if dtype.hasobject:
        problem = (
            f"{what} holds Python objects (a pickle), which are never loaded;"
            " save plain numbers: np.save(file, np.asarray(X, dtype=np.float32))"
        )
    elif dtype.kind == "c":
        problem = f"{what} is complex ({dtype}); save real numbers (its .real part, say)"
    elif dtype.names is not None:
        problem = f"{what} is a structured array of {', '.join(dtype.names)}; save one 2-D array"
    elif dtype.kind == "V" and dtype.itemsize == 2:
        problem = f"{what} is raw 2-byte data (bfloat16?); convert it to float32 before saving"
    else:
        problem = f"{what} has dtype {dtype}, not numbers; expected float16, float32 or float64"
    raise EmbeddingError(path, problem)


def check_two_dimensional(shape: tuple[int, ...], path: Path, what: str = "the array") -> None:
    """Refuse anything but (rows, dimension)."""
    if len(shape) == 2:
        return
    if len(shape) > 2:
        cure = "flatten each row first: X.reshape(len(X), -1)"
    elif len(shape) == 1:
        cure = "a single vector is X.reshape(1, -1); a list of labels is not an embedding"
    else:
        cure = "it is a single number"
    raise EmbeddingError(path, f"{what} has shape {shape}, expected (rows, dimension); {cure}")


def _identity(path: Path) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise EmbeddingError(path, f"cannot be read ({error.strerror})") from error
    return status.st_ino, status.st_size, status.st_mtime_ns
