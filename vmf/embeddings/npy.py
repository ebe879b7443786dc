"""NumPy's ``.npy``: a short header, then the rows.

The rows are fetched with positional reads, not through a memory mapping: as fast (measured), the
resident memory is one chunk by construction, and a file that is cut short while it is read ends in
an error message instead of a bus error.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vmf.embeddings.embedding_file import (
    EmbeddingFile,
    FloatRows,
    check_dtype,
    check_two_dimensional,
    native_float,
)
from vmf.embeddings.places import Place, open_binary, size_of
from vmf.errors import EmbeddingError

MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000  # NumPy's own limit for parsing an untrusted header


class Stream(Protocol):
    """A binary stream, as far as it is needed here."""

    def read(self, size: int, /) -> bytes: ...

    def readinto(self, buffer: Any, /) -> int | None: ...

    def seek(self, offset: int, /) -> int: ...


@dataclass(frozen=True)
class NpyHeader:
    """What the header of a ``.npy`` says."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    offset: int
    """Bytes before the first number."""

    @property
    def data_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def summary(self) -> str:
        """Shape and type, for messages."""
        return f"{' x '.join(map(str, self.shape)) or 'scalar'} {self.dtype}"


def read_npy_header(stream: Stream, path: Place) -> NpyHeader:
    """Parse the header at the start of ``stream``, versions 1 to 3 of the format.

    Raises
    ------
    EmbeddingError
        When it is no such header, is cut short, or does not describe an array.
    """

    def take(count: int) -> bytes:
        data = stream.read(count)
        if len(data) != count:
            raise EmbeddingError(path, "is truncated: it ends inside the .npy header")
        return data

    if take(6) != MAGIC:
        raise EmbeddingError(path, "does not begin with the .npy signature")
    major = take(2)[0]
    if major not in (1, 2, 3):
        raise EmbeddingError(path, f"has .npy format version {major}, which is not known")
    size_bytes = 2 if major == 1 else 4
    size = int.from_bytes(take(size_bytes), "little")
    if size > _LONGEST_HEADER:
        raise EmbeddingError(path, f"has a .npy header of {size} bytes; that is no plain array")
    text = take(size).decode("latin-1" if major < 3 else "utf-8", errors="replace")
    # Python 2 wrote long integers into the shape: (10L, 3L).
    text = re.sub(r"(\d)L\b", r"\1", text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parser's opinion of 1if and "\e"
            header = ast.literal_eval(text.strip())
        shape = header["shape"]
        fortran_order = header["fortran_order"]
        described = header["descr"]
        if set(header) != {"descr", "fortran_order", "shape"} or type(fortran_order) is not bool:
            raise ValueError("unexpected entries")
        if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError("not a shape")
        dtype = np.lib.format.descr_to_dtype(described)
    except (ValueError, TypeError, KeyError, SyntaxError, MemoryError, RecursionError) as error:
        raise EmbeddingError(path, "has a damaged .npy header") from error
    return NpyHeader(shape, dtype, fortran_order, 8 + size_bytes + size)


class NpyFile(EmbeddingFile):
    """A 2-D array in a ``.npy`` file, in C or Fortran order and either byte order.

    The scale of the integers in ``x.npy`` is looked for in ``x.scale.npy``.
    """

    format = "npy"

    def __init__(self, path: Place) -> None:
        with open_binary(path) as stream:
            self._header = header = read_npy_header(stream, path)
            found = size_of(path) - header.offset
        check_dtype(header.dtype, path)
        check_two_dimensional(header.shape, path)
        if found != header.data_bytes:
            state = "is truncated" if found < header.data_bytes else "has bytes after its array"
            raise EmbeddingError(
                path,
                f"{state}: the header promises {header.summary()} = {header.data_bytes} bytes,"
                f" the file holds {found}",
            )
        super().__init__(path, (header.shape[0], header.shape[1]), header.dtype)
        beside = path.with_suffix(".scale.npy") if isinstance(path, Path) else None
        if header.dtype.kind in "iu" and beside is not None and beside.is_file():
            with open_binary(beside) as stream:
                self.set_scale(read_small_array(stream, beside, self.rows, self.dimension))

    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        with open_binary(self.path) as stream:
            yield from read_array_blocks(stream, self._header, rows, start, stop, self.path)


def read_small_array(
    stream: Stream, path: Place, rows: int, dimension: int
) -> np.ndarray[Any, Any]:
    """An array of at most ``rows`` or ``dimension`` numbers: a scale."""
    header = read_npy_header(stream, path)
    if header.dtype.kind not in "fiu" or math.prod(header.shape) > max(rows, dimension):
        raise EmbeddingError(path, f"holds {header.summary()}; that is no scale")
    values = np.empty(math.prod(header.shape), header.dtype)
    fill(values, stream, path)
    return values.reshape(header.shape, order="F" if header.fortran_order else "C")


def read_array_blocks(
    stream: Stream, header: NpyHeader, rows: int, start: int, stop: int | None, path: Place
) -> Iterator[FloatRows]:
    """Yield ``rows`` rows at a time of the array that begins with its header in ``stream``.

    An array in C order is read in sequence, so that the stream may be a decompressor. One in Fortran
    order needs a stream that can seek at once.
    """
    total, dimension = header.shape
    native = native_float(header.dtype)
    end = total if stop is None else stop
    if not header.fortran_order:
        stream.seek(header.offset + start * dimension * header.dtype.itemsize)
    for first in range(start, end, rows):
        count = min(rows, end - first)
        if header.fortran_order:
            columns = np.empty((dimension, count), header.dtype)
            for number, column in enumerate(columns):
                stream.seek(header.offset + (number * total + first) * header.dtype.itemsize)
                fill(column, stream, path)
            block = np.ascontiguousarray(columns.T)
        else:
            block = np.empty((count, dimension), header.dtype)
            fill(block, stream, path)
        yield block.astype(native, copy=False)


def fill(block: np.ndarray[Any, Any], stream: Stream, path: Place) -> None:
    """Read all of ``block``, however few bytes each read returns."""
    unread = block.reshape(-1).view(np.uint8).data
    while unread:
        count = stream.readinto(unread)
        if not count:
            raise EmbeddingError(path, "is truncated: it ended while its rows were read")
        unread = unread[count:]


def widen_bfloat16(bits: np.ndarray[Any, Any]) -> FloatRows:
    """The float32 numbers whose upper halves are these 16 bits."""
    wide = bits.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)
