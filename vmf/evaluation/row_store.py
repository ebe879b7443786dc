"""Rows of an evaluation, kept in memory or, where that is not allowed to hold them, in a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.errors import EmbeddingError, MemoryBudgetError
from vmf.passes.memory_budget import MemoryBudget, resident_bytes

Rows = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

_BLOCK_BYTES = 32 << 20

_WORK_BYTES = 320 << 20
"""What an evaluation takes beside the rows: similarities of a block of queries, blocks of rows in
float64, and the libraries that draw."""

_BYTES_A_ROW = 400
"""Labels, scores, neighbours and the draws of the bootstrap."""


class RowStore:
    """Makes arrays of rows, together no larger in memory than allowed; others are mapped from a file.

    The file has no name, lies in the folder for temporary files (``TMPDIR``) and is gone with the
    process. What is read of it stays in memory only as long as the system has no better use for it.

    Parameters
    ----------
    memory : int, optional
        Bytes that the process may take in all, apart from what is mapped; None for no limit.
    """

    def __init__(self, memory: int | None = None) -> None:
        self._budget = None if memory is None else MemoryBudget(memory)
        self._before = resident_bytes()  # later it counts what is mapped
        self._taken = 0

    def empty(self, shape: tuple[int, int], dtype: npt.DTypeLike) -> Rows:
        """An array to be filled.

        Raises
        ------
        MemoryBudgetError
            When the work on the rows alone takes more than is allowed.
        EmbeddingError
            When the folder for temporary files has no room.
        """
        size = shape[0] * shape[1] * np.dtype(dtype).itemsize
        if self._budget is None:
            return np.empty(shape, dtype)
        work = self._before + _WORK_BYTES + _BYTES_A_ROW * shape[0]
        if work > self._budget.total:
            raise MemoryBudgetError(
                None,
                f"--memory {self._budget.total / 1e6:.0f} MB is not enough: evaluating {shape[0]}"
                f" rows takes at least {work / 1e6:.0f} MB",
            )
        if work + self._taken + size <= self._budget.total:
            self._taken += size
            return np.empty(shape, dtype)
        return _mapped(shape, np.dtype(dtype), size)

    def taken(self, rows: Rows, indices: Indices) -> Rows:
        """The rows of these indices, in their order."""
        found = self.empty((len(indices), rows.shape[1]), rows.dtype)
        for part, block in blocks_of(rows, indices):
            found[part] = block
        return found


def blocks_of(rows: Rows, indices: Indices) -> Iterator[tuple[slice, Rows]]:
    """Yield copies of the rows of these indices, a block at a time."""
    for part in slices_of(rows, len(indices)):
        yield part, rows[indices[part]]


def slices_of(rows: Rows, count: int) -> list[slice]:
    """Cut a number of rows like these into blocks of at most 32 MB, all of nearly one size."""
    most = max(1, _BLOCK_BYTES // (rows.shape[1] * rows.dtype.itemsize))
    blocks = max(1, -(-count // most))
    ends = [count * number // blocks for number in range(blocks + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def _mapped(shape: tuple[int, int], dtype: np.dtype[Any], size: int) -> Rows:
    try:
        with tempfile.TemporaryFile(prefix="vmf-rows-") as stream:
            if hasattr(os, "posix_fallocate"):  # a full disk is an error now, no signal later
                os.posix_fallocate(stream.fileno(), 0, size)
            else:
                stream.truncate(size)
            return np.memmap(stream, dtype, "r+", shape=shape)
    except OSError as error:
        raise EmbeddingError(
            None,
            f"the folder for temporary files, {tempfile.gettempdir()}, has no room for"
            f" {size / 1e9:.1f} GB of rows ({error.strerror}); set TMPDIR to another one, or allow"
            " more --memory",
        ) from error
