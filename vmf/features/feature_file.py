"""A ``.npy`` of known shape whose rows arrive in any order.

The file has its full length from the beginning and can be memory-mapped at any time. Rows are
written with positional writes rather than through a mapping of our own: a full disk is then an
error message and not a bus error, and processes on several machines may write neighbouring rows.
"""

from __future__ import annotations

import os
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_PIECE = 1 << 22


class FeatureFile:
    """Rows (count, dimension) of one type, on disk.

    Parameters
    ----------
    path : Path
        Created by :meth:`create`, opened otherwise.
    count, dimension : int
    dtype : dtype
        float16 or float32, written little-endian.
    """

    def __init__(self, path: Path, count: int, dimension: int, dtype: npt.DTypeLike) -> None:
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.shape = count, dimension
        self._row_bytes = dimension * self.dtype.itemsize
        self._header = _header(self.shape, self.dtype)
        self._descriptor = os.open(path, os.O_RDWR)

    @classmethod
    def create(cls, path: Path, count: int, dimension: int, dtype: npt.DTypeLike) -> FeatureFile:
        """A new file of full length; OSError when the disk is too small for it."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666))
        file = cls(path, count, dimension, dtype)
        try:
            length = len(file._header) + count * file._row_bytes
            _reserve(file._descriptor, length, path)
            _write(file._descriptor, file._header, 0)
        except BaseException:
            file.close()
            raise
        return file

    def is_intact(self) -> bool:
        """Whether length and header are what they were made as."""
        length = len(self._header) + self.shape[0] * self._row_bytes
        if os.fstat(self._descriptor).st_size != length:
            return False
        return os.pread(self._descriptor, len(self._header), 0) == self._header

    def write(self, start: int, rows: npt.NDArray[Any]) -> int:
        """Write rows from ``start`` on; the CRC-32 of their bytes."""
        data = np.ascontiguousarray(rows, self.dtype).tobytes()
        _write(self._descriptor, data, self._offset(start))
        return zlib.crc32(data)

    def crc(self, start: int, stop: int) -> int:
        """The CRC-32 of the bytes of some rows, as they are in the file."""
        found, position, end = 0, self._offset(start), self._offset(stop)
        while position < end:
            data = os.pread(self._descriptor, min(_PIECE, end - position), position)
            if not data:
                return -1
            found = zlib.crc32(data, found)
            position += len(data)
        return found

    def sync(self) -> None:
        """Bring everything to the disk itself."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _offset(self, row: int) -> int:
        offset: int = len(self._header) + row * self._row_bytes
        return offset


def _header(shape: tuple[int, int], dtype: np.dtype[Any]) -> bytes:
    stream = BytesIO()
    np.lib.format.write_array_header_1_0(
        stream,
        {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape},
    )
    return stream.getvalue()


def _reserve(descriptor: int, length: int, path: Path) -> None:
    """Give the file its length, and its blocks where the system can, so that they cannot run out."""
    os.ftruncate(descriptor, length)
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, length)
        except OSError as error:
            import errno

            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                error.filename = str(path)
                raise


def _write(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
