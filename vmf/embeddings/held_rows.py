"""Rows that have been read already, in the place of the file they are of: in memory, or unpacked.

Whoever reads a file many times (an evaluation, say) decodes it once. Row numbers and messages are those
of the file itself.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows
from vmf.embeddings.npy import fill
from vmf.embeddings.places import Identity
from vmf.errors import Argument, EmbeddingError


class HeldRows(EmbeddingFile):
    """An array as if it were a file; with `of`, the rows of that file.

    Parameters
    ----------
    rows : (rows, dim) float16, float32 or float64
        Not copied.
    of : EmbeddingFile, optional
        Whose rows they are; by default messages call it ``name``.
    name : str
    """

    format = "array"

    def __init__(self, rows: FloatRows, of: EmbeddingFile | None = None, name: str = "X") -> None:
        self._of = of
        self._held = rows
        path = Path(name) if of is None else of.path
        super().__init__(path, (rows.shape[0], rows.shape[1]), rows.dtype)

    def write(self, start: int, rows: npt.ArrayLike) -> None:
        """Fill in the rows from ``start`` on."""
        found = np.asarray(rows)
        self._held[start : start + len(found)] = found

    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        end = len(self._held) if stop is None else stop
        for first in range(start, end, rows):
            yield self._held[first : min(first + rows, end)]

    def identify(self) -> Identity:
        """Always the same."""
        return str(self.path), 0, ""

    def locate(self, row: int, column: int | None = None) -> str:
        """Where a row stands in the file."""
        return super().locate(row, column) if self._of is None else self._of.locate(row, column)


class UnpackedRows(EmbeddingFile):
    """The rows of a file that is slow to read, in a file without a name that ends with the process.

    It lies in the folder for temporary files (``TMPDIR``). It is read into buffers, not mapped, so
    that what is in memory is what is being used.

    Parameters
    ----------
    of : EmbeddingFile
        Whose rows it is to hold, as its chunks give them.

    Raises
    ------
    EmbeddingError
        When the folder for temporary files has no room.
    """

    format = "unpacked rows"

    def __init__(self, of: EmbeddingFile) -> None:
        self._of = of
        self._stream: Any = tempfile.TemporaryFile(prefix="vmf-rows-", buffering=0)  # noqa: SIM115
        super().__init__(of.path, of.shape, of.native_dtype)
        self._row_bytes = self.dimension * self.dtype.itemsize
        size = self.rows * self._row_bytes
        try:
            if hasattr(os, "posix_fallocate"):  # a full disk is an error now, not in an hour
                os.posix_fallocate(self._stream.fileno(), 0, size)
        except OSError as error:
            self._stream.close()
            raise EmbeddingError(
                None,
                f"the folder for temporary files, {tempfile.gettempdir()}, has no room for"
                f" {size / 1e9:.1f} GB of rows ({error.strerror}); set TMPDIR to another one, or"
                " allow more ",
                Argument("memory"),
            ) from error

    def write(self, start: int, rows: npt.ArrayLike) -> None:
        """Fill in the rows from ``start`` on."""
        unwritten = np.ascontiguousarray(rows, self.dtype).reshape(-1).view(np.uint8).data
        self._stream.seek(start * self._row_bytes)
        while unwritten:
            unwritten = unwritten[self._stream.write(unwritten) :]

    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        end = self.rows if stop is None else stop
        self._stream.seek(start * self._row_bytes)
        for first in range(start, end, rows):
            block = np.empty((min(rows, end - first), self.dimension), self.dtype)
            fill(block, self._stream, self.path)
            yield block

    def identify(self) -> Identity:
        """Always the same: nobody else can open it."""
        return str(self.path), 0, ""

    def locate(self, row: int, column: int | None = None) -> str:
        """Where a row stands in the file."""
        return self._of.locate(row, column)
