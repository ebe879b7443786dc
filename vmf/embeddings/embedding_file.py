"""What every reader is: a shape, a data type and a stream of bounded chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vmf.embeddings.places import Identity, Place, RemoteFile, identify
from vmf.errors import EmbeddingError

FloatRows = npt.NDArray[np.floating[Any]]
Scale = npt.NDArray[np.floating[Any]]

DEFAULT_CHUNK_BYTES = 8 << 20
"""Default size of a chunk. Measured on a 160 MB file: 8 MB is as fast as any size, because the
allocator hands the same warm pages out again; from 32 MB on every chunk pays for fresh pages."""


class EmbeddingFile(ABC):
    """Rows of numbers in a file, read in chunks.

    Parameters
    ----------
    path : Path or RemoteFile
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

    def __init__(self, path: Place, shape: tuple[int | None, int], dtype: np.dtype[Any]) -> None:
        self.path = path
        self.dtype = dtype
        self.dimension = shape[1]
        self._rows = shape[0]
        self.scale: Scale | None = None
        self.given_scale: npt.ArrayLike | None = None
        """The scale in place of one that lies beside the file, where it was opened with one."""
        self._identity = self.identify()
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
    def known_rows(self) -> int | None:
        """Number of rows, None where only a pass over the file can tell it and none was made."""
        return self._rows

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, dimension)."""
        return self.rows, self.dimension

    @property
    def native_dtype(self) -> np.dtype[Any]:
        """The data type of the chunks: float16, float32 or float64 in the machine's byte order."""
        return native_float(self.dtype)

    @property
    def stored_as(self) -> str:
        """The data type as a name, also for those that NumPy does not have, and the scale."""
        return str(self.dtype) if self.scale is None else f"{self.dtype} with scale"

    @property
    def unit_bytes(self) -> int:
        """Bytes that reading takes besides its chunks, for what is unpacked together; an estimate."""
        return 0

    @property
    def copies_while_read(self) -> int:
        """How many times the bytes of a chunk reading takes beside it; an estimate."""
        return 0

    @property
    def parts(self) -> tuple[EmbeddingFile, ...]:
        """The files that this one consists of, in the order of the rows."""
        return (self,)

    @property
    def identity(self) -> Identity:
        """What told the file from others when it was opened."""
        return self._identity

    def identify(self) -> Identity:
        """What tells now whether the file is still the one that was opened."""
        return identify(self.path)

    def set_scale(self, scale: npt.ArrayLike) -> None:
        """Say what the stored integers are to be multiplied by.

        Parameters
        ----------
        scale : scalar, (1, dimension), (dimension,), (rows, 1) or (rows,) array
            One for all, one a dimension, or one a row.

        Raises
        ------
        EmbeddingError
            When the file does not hold integers, or the scale has another shape or is not finite.
        """
        found = np.asarray(scale)
        if self.dtype.kind not in "iu":
            raise EmbeddingError(
                self.path, f"holds {self.stored_as}; a scale belongs to stored integers"
            )
        if found.dtype.kind not in "fiu" or not np.isfinite(found).all():
            raise EmbeddingError(self.path, "has a scale that is not a finite number")
        values = np.asarray(found, self.native_dtype)
        if values.ndim == 1 and len(values) == self.rows != self.dimension:
            values = values.reshape(-1, 1)
        allowed = {(), (1,), (1, 1), (self.dimension,), (1, self.dimension), (self.rows, 1)}
        if values.shape not in allowed:
            raise EmbeddingError(
                self.path,
                f"has a scale of shape {values.shape}; expected one number, {self.dimension} (one a"
                f" dimension) or {self.rows} (one a row)",
            )
        self.scale = values

    def chunks(
        self,
        rows: int | None = None,
        *,
        memory: int = DEFAULT_CHUNK_BYTES,
        start: int = 0,
        stop: int | None = None,
    ) -> Iterator[tuple[int, FloatRows]]:
        """Yield ``(start, X)``: the number of the first row and the rows, in file order.

        Parameters
        ----------
        rows : int, optional
            Rows in a chunk (the last one may be shorter). By default as many as fit ``memory``.
        memory : int
            Bytes of one chunk, stored or converted, whichever is larger.
        start, stop : int
            The first row, and the one after the last; all rows by default. What lies before is
            passed over without being decoded where the format tells where a row is: ``.npy``,
            ``.safetensors``, ``.pt``, HDF5, Zarr, and by its row groups Parquet.

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
        if start < 0 or (stop is not None and stop < start):
            raise ValueError(f"start and stop must be rows in order, not {start} and {stop}")
        known = self._rows
        if start == stop or (known is not None and start >= known):
            return
        end = known if stop is None else stop if known is None else min(stop, known)
        first = start
        for block in self.read_blocks(rows, start, end):
            # Over a network, asking takes longer than reading a chunk: there, once at the end.
            if start > first and not isinstance(self.path, RemoteFile):
                self.check_unchanged()
            kept = block if stop is None or end is None else block[: end - start]
            yield start, self._scaled(start, kept)
            start += len(kept)
            if start == end and stop is not None:
                break
        if known is not None and start != end:
            raise EmbeddingError(self.path, f"ended after {start} rows where {known} were promised")
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """Raise EmbeddingError unless the file is still the one that was opened."""
        if self.identify() != self._identity:
            raise EmbeddingError(
                self.path, "changed while it was read; wait until it is complete and run again"
            )

    def _scaled(self, start: int, block: FloatRows) -> FloatRows:
        if self.scale is None:
            return block
        one_a_row = self.scale.ndim == 2 and len(self.scale) > 1
        scaled: FloatRows = block * (
            self.scale[start : start + len(block)] if one_a_row else self.scale
        )
        return scaled

    def locate(self, row: int, column: int | None = None) -> str:
        """Where a row (and a column of it) stands in the file, in the user's terms."""
        return f"row {row}" if column is None else f"row {row}, column {column}"

    def entries(self) -> Sequence[int] | None:
        """Rows at which reading can begin without decoding those before; None for every row."""
        return None

    def count_rows(self) -> int:
        """Count the rows by a pass over the file; only for formats that do not store the number."""
        raise NotImplementedError

    @abstractmethod
    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        """Yield the rows from ``start`` on, at most ``rows`` at a time, in :attr:`native_dtype`.

        Rows from ``stop`` on, None for all, are not wanted; to yield them costs only time.
        """

    def __repr__(self) -> str:
        rows = "?" if self._rows is None else self._rows
        name = type(self).__name__
        return f"{name}({str(self.path)!r}, ({rows}, {self.dimension}), {self.dtype})"


def from_row(start: int, blocks: Iterator[FloatRows]) -> Iterator[FloatRows]:
    """Drop the first ``start`` rows, for formats that can only be read from their beginning."""
    for block in blocks:
        if start < len(block):
            yield block[start:]
        start = max(start - len(block), 0)


def native_float(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The float type that holds ``dtype`` without loss (float64 for 4- and 8-byte integers)."""
    if dtype.kind == "f" and dtype.itemsize <= 8:
        return np.dtype(f"=f{dtype.itemsize}")
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def check_dtype(dtype: np.dtype[Any], path: Place, what: str = "the array") -> None:
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


def check_two_dimensional(shape: tuple[int, ...], path: Place, what: str = "the array") -> None:
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
