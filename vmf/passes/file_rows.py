"""The rows of embedding files, for the models of `vmf.models`: every pass reads the files again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.blocks import Block, DirectionRows, unit_directions, zeros_for_bad_rows
from vmf.arrays.types import Vector
from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows
from vmf.embeddings.left_out import LeftOut
from vmf.errors import BadDirectionError, BadRowError, EmbeddingError
from vmf.passes import engine
from vmf.passes.engine import Column, Found, Reading, Runner, Task
from vmf.passes.here import Here, chunk_bytes, row_stream

_MODEL_COPIES = 20  # (K, dim) float64 in one pass: parameters, sums, and those of blocks that wait

_BYTES_A_ROW = 32  # weights, log-densities and what is computed of them, in this process


@dataclass(frozen=True)
class Reduction(Task[Found]):
    """A function of the rows of each block, and how its results are merged; see `DirectionRows.reduce`.

    Attributes
    ----------
    function, merging : callable
    fixed : mapping
        Arguments of the function that are the same for all rows.
    model_bytes : int
        That the function takes.
    zero_rows_allowed, bad_rows_allowed : bool
        Treat rows that are zero, and those with NaN or infinity, as rows that count for nothing.
    """

    function: Callable[..., Found]
    merging: Callable[[Sequence[Found]], Found]
    fixed: Mapping[str, Any]
    model_bytes: int
    zero_rows_allowed: bool
    bad_rows_allowed: bool

    # What waits on the workers has the sums of all components, and some numbers a row.
    blocks_per_thread = 4
    most_rows = 1 << 19

    @property
    def beside(self) -> int:  # type: ignore[override]
        """What the function takes."""
        return self.model_bytes

    def of_block(self, rows: FloatRows, first_row: int, columns: Sequence[Column]) -> Found:
        """Return what the function gives for some rows."""
        values: npt.NDArray[Any] = zeros_for_bad_rows(rows) if self.bad_rows_allowed else rows
        try:
            here = DirectionRows(values, zero_rows_allowed=self.zero_rows_allowed)
        except BadDirectionError as error:
            raise BadRowError(first_row + error.row, error.column, error.reason) from error
        return self.function(here, *columns, **self.fixed)

    def merge(self, parts: Sequence[Found]) -> Found:
        """Return the results merged in their order."""
        return self.merging(parts)


class FileRows(DirectionRows):
    """Rows of embedding files; see `DirectionRows`.

    Parameters
    ----------
    files : sequence of EmbeddingFile
        Of one dimension; their rows one file after the other.
    zero_rows_allowed : bool
        Accept rows that are zero; they count for nothing.
    reading : Reading
        How the files were opened and are read. Bad rows that are skipped count for nothing, as zero
        ones; of a file that is skipped no row is there.
    runner : Runner
        Whose memory `reading` bounds.
    left_out : LeftOut, optional
        Takes in the files that turn out damaged when all are read for the first time.
    components : int
        K of the model, for the memory.
    progress : callable, optional
        Called with the rows of the pass at hand that are done, and the rows in all.
    start, stop : int, optional
        The first row over all files, and the one after the last.

    Attributes
    ----------
    files : tuple of EmbeddingFile
        Those that can be read.

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
        reading: Reading = Reading(),
        runner: Runner = Here(),
        left_out: LeftOut | None = None,
        components: int = 1,
        progress: Callable[[int, int], None] | None = None,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        self.files = tuple(files)
        self._start, self._stop = start, stop
        self.dim = files[0].dimension
        self.sparse = False
        self.host = True
        self._reading = reading
        self._runner = runner
        self._progress = progress
        self._model_bytes = 8 * _MODEL_COPIES * components * self.dim
        self._bad_rows_allowed = reading.bad_rows == "skip"
        self._zero_rows_allowed = zero_rows_allowed or self._bad_rows_allowed
        self._count_rows()
        zero = self._zero_rows_of_sound_files(left_out)
        self.zero = zero if zero.any() else None
        self._zero_rows_allowed = True  # those that are not allowed have been found

    def _count_rows(self) -> None:
        total = sum(file.rows for file in self.files)
        self.count = min(total, self._stop or total) - self._start
        wide = any(file.native_dtype == np.float64 for file in self.files)
        self.own_dtype = "float64" if wide else "float32"
        self._dtype = max((file.native_dtype for file in self.files), key=lambda t: t.itemsize)

    def _zero_rows_of_sound_files(self, left_out: LeftOut | None) -> npt.NDArray[np.bool_]:
        """Read all files once; those that cannot be read are noted in `left_out` and forgotten."""
        reduction = self._reduction(_zero_rows, np.concatenate, {})
        found = []
        before = 0 if left_out is None else len(left_out.damaged)
        for step in self._run(reduction, (), left_out):
            if step.found is not None:
                found.append(step.found)
        if left_out is not None and len(left_out.damaged) > before:
            kept = [file for k, file in enumerate(self.files) if k not in left_out.damaged]
            left_out.check(len(kept))
            self.files = tuple(kept)
            self._count_rows()
        return np.concatenate(found)

    @property
    def resolution(self) -> float:
        return float(np.finfo(self._dtype).eps) ** 2 / 8

    @property
    def like(self) -> Any:
        """Results of all rows are NumPy arrays."""
        return np.empty(0)

    def blocks(self, dtype: str | None = None, rows: int | None = None) -> Iterator[Block]:
        """Yield all rows in blocks, read in this process."""
        reduction = self._reduction(_zero_rows, np.concatenate, {})
        size, budget = chunk_bytes(reduction, self.files, self._reading, _BYTES_A_ROW * self.count)
        stream = row_stream(self.files, skip=self._start, stop=self._stop, chunk_bytes=size)
        first = 0
        with closing(stream) as chunks:
            for position, _, found in chunks:
                if isinstance(found, EmbeddingError):
                    raise found
                values = zeros_for_bad_rows(found) if self._bad_rows_allowed else found
                for block in DirectionRows(values, zero_rows_allowed=True).blocks(dtype, rows):
                    yield block._replace(start=first + block.start)
                if budget is not None:
                    budget.check(self.files[position])
                first += len(values)
                if self._progress:
                    self._progress(first, self.count)

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
        """Return `function` of the rows of each block, merged in their order."""
        reduction = self._reduction(function, merge, fixed)
        columns = beside
        if self._start:
            # Columns are of all rows of the files, and those before are not looked at.
            columns = [c if c is None else _Shifted(c, self._start) for c in beside]
        found: Found = engine.merged(reduction, self._run(reduction, columns, None))
        return found

    def _run(
        self, task: Task[Found], columns: Sequence[Any], left_out: LeftOut | None
    ) -> Iterator[engine.Step[Found]]:
        progress = None
        if self._progress is not None:
            tell, start = self._progress, self._start
            progress = lambda done, total: tell(done - start, total - start)  # noqa: E731
        return engine.run(
            task,
            self.files,
            self._reading,
            runner=self._runner,
            columns=columns,
            skip=self._start,
            stop=self._stop,
            beside=_BYTES_A_ROW * self.count,
            left_out=left_out,
            progress=progress,
        )

    def _reduction(
        self,
        function: Callable[..., Found],
        merge: Callable[[Sequence[Found]], Found],
        fixed: Mapping[str, Any],
    ) -> Reduction[Found]:
        return Reduction(
            function,
            merge,
            fixed,
            self._model_bytes,
            self._zero_rows_allowed,
            self._bad_rows_allowed,
        )


class _Shifted:
    """A column of which the first values are missing; only slices after them are asked for."""

    def __init__(self, values: npt.NDArray[Any], by: int) -> None:
        self._values, self._by = values, by

    def __getitem__(self, part: slice) -> npt.NDArray[Any]:
        return self._values[part.start - self._by : part.stop - self._by]


def _zero_rows(rows: DirectionRows) -> npt.NDArray[np.bool_]:
    return np.zeros(rows.count, bool) if rows.zero is None else rows.zero


def _chosen_rows(rows: DirectionRows, chosen: npt.NDArray[np.bool_]) -> Vector:
    found: Vector = rows.array[chosen].astype(np.float64)
    return found
