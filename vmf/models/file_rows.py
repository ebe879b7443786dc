"""The rows of embedding files, for the models of `vmf.models`: every pass reads the files again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

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


@dataclass(frozen=True)
class Reduction(Generic[Found]):
    """A function of the rows of each chunk, and how its results are merged; see `DirectionRows.reduce`.

    Attributes
    ----------
    function, merge : callable
    fixed : mapping
        Arguments of the function that are the same for all rows.
    zero_rows_allowed, bad_rows_allowed : bool
        See `FileRows`.
    """

    function: Callable[..., Found]
    merge: Callable[[Sequence[Found]], Found]
    fixed: Mapping[str, Any]
    zero_rows_allowed: bool
    bad_rows_allowed: bool

    def of_chunk(self, start: int, rows: npt.NDArray[Any], beside: Sequence[Any]) -> Found:
        """Return the result of a chunk that begins with row `start` of its file; BadRowError."""
        if self.bad_rows_allowed:
            rows = _zeros_for_bad_rows(rows)
        try:
            here = DirectionRows(rows, zero_rows_allowed=self.zero_rows_allowed)
        except BadDirectionError as error:
            raise BadRowError(start + error.row, error.column, error.reason) from error
        return self.function(here, *beside, **self.fixed)

    def merged(self, results: Iterable[Found]) -> Found:
        """Return the results, one or more, merged in their order."""
        parts: list[Found] = []
        for result in results:
            parts.append(result)
            if len(parts) == _MOST_PARTS:
                parts = [self.merge(parts)]
        return self.merge(parts)


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
            beside = self.bytes_of_model(components, self.dim) + 32 * self.count
            self._chunk_bytes = self._budget.chunk_bytes(files, DEFAULT_CHUNK_BYTES, beside)
        self._zero_rows_allowed = zero_rows_allowed or bad_rows_allowed
        self._bad_rows_allowed = bad_rows_allowed
        zero = self.reduce(_zero_rows, np.concatenate)
        self.zero = zero if zero.any() else None
        self._zero_rows_allowed = True  # those that are not allowed have been found

    @staticmethod
    def bytes_of_model(components: int, dim: int) -> int:
        """Bytes that a pass takes for so many components."""
        return 8 * _MODEL_COPIES * components * dim

    @property
    def resolution(self) -> float:
        return float(np.finfo(self._dtype).eps) ** 2 / 8

    @property
    def like(self) -> Any:
        """Results of all rows are NumPy arrays."""
        return np.empty(0)

    def blocks(self, dtype: str | None = None, rows: int | None = None) -> Iterator[Block]:
        """Yield all rows in blocks."""
        first = 0
        for chunk in self._chunks():
            values = _zeros_for_bad_rows(chunk.rows) if self._bad_rows_allowed else chunk.rows
            for block in DirectionRows(values, zero_rows_allowed=True).blocks(dtype, rows):
                yield block._replace(start=first + block.start)
            first += len(values)

    def directions(self, indices: Any) -> Vector:
        """Return the rows of these indices, in their order, as unit vectors, by one pass."""
        wanted, order = np.unique(np.asarray(indices), return_inverse=True)
        chosen = np.zeros(self.count, bool)
        chosen[wanted] = True
        return unit_directions(self.reduce(_chosen_rows, np.concatenate, (chosen,))[order])

    def reduce(
        self,
        function: Callable[..., Found],
        merge: Callable[[Sequence[Found]], Found],
        beside: Sequence[Any] = (),
        **fixed: Any,
    ) -> Found:
        """Return `function` of the rows of each chunk, merged in their order."""
        reduction = self._reduction(function, merge, fixed)

        def results() -> Iterator[Found]:
            first = 0
            for chunk in self._chunks():
                after = first + len(chunk.rows)
                own = [None if b is None else b[first:after] for b in beside]
                try:
                    yield reduction.of_chunk(chunk.start, chunk.rows, own)
                except BadRowError as error:
                    raise bad_row(chunk.file, error) from error
                first = after

        return reduction.merged(results())

    def _reduction(
        self,
        function: Callable[..., Found],
        merge: Callable[[Sequence[Found]], Found],
        fixed: Mapping[str, Any],
    ) -> Reduction[Found]:
        return Reduction(function, merge, fixed, self._zero_rows_allowed, self._bad_rows_allowed)

    def _chunks(self) -> Iterator[Chunk]:
        done = 0
        for chunk in row_stream(self.files, chunk_bytes=self._chunk_bytes, budget=self._budget):
            yield chunk
            done += len(chunk.rows)
            self._report(done)

    def _report(self, done: int) -> None:
        if self._progress:
            self._progress(done, self.count)


def _zero_rows(rows: DirectionRows) -> npt.NDArray[np.bool_]:
    return np.zeros(rows.count, bool) if rows.zero is None else rows.zero


def _chosen_rows(rows: DirectionRows, chosen: npt.NDArray[np.bool_]) -> Vector:
    found: Vector = rows.array[chosen].astype(np.float64)
    return found


def _zeros_for_bad_rows(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    finite = np.isfinite(rows).all(axis=1)
    return rows if finite.all() else np.where(finite[:, np.newaxis], rows, np.zeros(1, rows.dtype))
