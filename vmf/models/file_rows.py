"""The rows of embedding files, for the models of `vmf.models`: every pass reads the files again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES, EmbeddingFile
from vmf.embeddings.fitting import bad_row
from vmf.embeddings.memory_budget import MemoryBudget
from vmf.embeddings.row_stream import Chunk, row_stream
from vmf.estimation import BadRowError
from vmf.models.rows import BadDirectionError, Block, DirectionRows, Vector, unit_directions

Found = TypeVar("Found")

# Results of chunks that wait to be merged: log-densities are then joined once in as many chunks.
_MOST_PARTS = 64

_MODEL_COPIES = 12  # (K, dim) float64 in one pass: parameters, sums, and those of the chunks


class FileRows(DirectionRows):
    """Rows of embedding files; see `DirectionRows`.

    Parameters
    ----------
    files : sequence of EmbeddingFile
        Of one dimension; their rows one file after the other.
    zero_rows_allowed : bool
        Accept rows that are zero; they count for nothing.
    bad_rows_allowed : bool
        Treat rows with NaN or infinity like zero rows.
    memory : int, optional
        Bytes that this process may take in all; see `vmf.embeddings.memory_budget.MemoryBudget`.
    components : int
        K of the model, for `memory`.
    progress : callable, optional
        Called with the rows of the pass at hand that are done, and the rows in all.

    Notes
    -----
    What is kept here is some numbers a row: weights, log-densities.

    Raises
    ------
    EmbeddingError
        For what cannot be read, rows without a direction, and for too little memory.
    """

    def __init__(
        self,
        files: Sequence[EmbeddingFile],
        *,
        zero_rows_allowed: bool = False,
        bad_rows_allowed: bool = False,
        memory: int | None = None,
        components: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.files = tuple(files)
        self.count = sum(file.rows for file in files)
        self.dim = files[0].dimension
        self.sparse = False
        self.host = True
        wide = any(file.native_dtype == np.float64 for file in files)
        self.own_dtype = "float64" if wide else "float32"
        self._dtype = max((file.native_dtype for file in files), key=lambda dtype: dtype.itemsize)
        self._progress = progress
        self._chunk_bytes = DEFAULT_CHUNK_BYTES
        self._budget = None if memory is None else MemoryBudget(memory)
        if self._budget is not None:
            other = 8 * (_MODEL_COPIES * components * self.dim + 4 * self.count)
            self._chunk_bytes = self._budget.chunk_bytes(files, DEFAULT_CHUNK_BYTES, other)
        self._bad_rows_allowed = bad_rows_allowed
        self.zero = None
        zero = np.zeros(self.count, bool)
        for first, chunk, rows in self._chunks():
            try:
                found = DirectionRows(rows, zero_rows_allowed=zero_rows_allowed or bad_rows_allowed)
            except BadDirectionError as error:
                bad = BadRowError(chunk.start + error.row, error.column, error.reason)
                raise bad_row(chunk.file, bad) from error
            if found.zero is not None:
                zero[first : first + len(rows)] = found.zero
        self.zero = zero if zero.any() else None

    @property
    def resolution(self) -> float:
        return float(np.finfo(self._dtype).eps) ** 2 / 8

    @property
    def like(self) -> Any:
        """Results of all rows are NumPy arrays."""
        return np.empty(0)

    def blocks(self, dtype: str | None = None, rows: int | None = None) -> Iterator[Block]:
        """Yield all rows in blocks."""
        for first, _, values in self._chunks():
            here = DirectionRows(values, zero_rows_allowed=True)
            for block in here.blocks(dtype, rows):
                yield block._replace(start=first + block.start)

    def directions(self, indices: Any) -> Vector:
        """Return the rows of these indices, in their order, as unit vectors, by one pass."""
        wanted = np.asarray(indices)
        order = np.argsort(wanted, kind="stable")
        found = np.empty((len(wanted), self.dim))
        for first, _, rows in self._chunks():
            low, high = np.searchsorted(wanted[order], [first, first + len(rows)])
            places = order[low:high]
            found[places] = rows[wanted[places] - first]
        return unit_directions(found)

    def reduce(
        self,
        function: Callable[..., Found],
        merge: Callable[[Sequence[Found]], Found],
        beside: Sequence[Any] = (),
        **fixed: Any,
    ) -> Found:
        """Return `function` of the rows of each chunk, merged in their order."""
        parts: list[Found] = []
        for first, _, values in self._chunks():
            own = [None if b is None else b[first : first + len(values)] for b in beside]
            parts.append(function(DirectionRows(values, zero_rows_allowed=True), *own, **fixed))
            if len(parts) == _MOST_PARTS:
                parts = [merge(parts)]
        return merge(parts)

    def _chunks(self) -> Iterator[tuple[int, Chunk, npt.NDArray[Any]]]:
        """Yield the number of the first row over all files, the chunk, and its rows."""
        first = 0
        stream = row_stream(self.files, chunk_bytes=self._chunk_bytes, budget=self._budget)
        for chunk in stream:
            rows = chunk.rows
            finite = np.isfinite(rows).all(axis=1) if self._bad_rows_allowed else np.ones(1, bool)
            if not finite.all():
                rows = rows.copy()
                rows[~finite] = 0
            yield first, chunk, rows
            first += len(rows)
            if self._progress:
                self._progress(first, self.count)
