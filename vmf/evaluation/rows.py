"""The rows that are evaluated: which of them can be used, how long they are, and passes over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import OnBadRows, rows_with_direction
from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES, EmbeddingFile, FloatRows
from vmf.embeddings.held_rows import HeldRows, UnpackedRows
from vmf.embeddings.left_out import LeftOut
from vmf.errors import Argument, EmbeddingError, MemoryBudgetError
from vmf.passes import engine
from vmf.passes.engine import Column, Found, Reading, Runner, Task
from vmf.passes.memory_budget import COPIES, SLACK, resident_bytes
from vmf.uncertainty.norm import row_lengths

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
Vector = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

UNLIMITED_BYTES = 2 << 30
"""Of rows, or of what is computed of them, that are in memory where no limit was given."""

_READ_AT_ONCE = ("npy", "safetensors", "array")
"""Formats of which a pass costs no more than reading the bytes."""

_BYTES_A_ROW = 220
"""Beside the rows, in the end: labels, answers, neighbours, scores, and the draws of the bootstrap."""

_BYTES_NOT_GIVEN_BACK = 64 << 20
"""What the allocator keeps of what earlier passes took, in pieces that do for nothing larger."""


@dataclass(frozen=True)
class Passes:
    """How passes over rows are made.

    Attributes
    ----------
    reading, runner
        See `vmf.passes.engine`.
    progress : callable, optional
    held : int
        Bytes a pass must leave to what this process will need later.
    largest : int
        Bytes that the pass which takes most takes beside rows; so that too little memory shows
        before the first one.
    """

    reading: Reading
    runner: Runner
    progress: Progress | None = None
    held: int = 0
    largest: int = 0

    def say(self, what: str) -> Callable[[int, int], None] | None:
        """A function of how much is done, and of how much."""
        tell = self.progress
        return None if tell is None else lambda done, total: tell(what, done, total)

    def room(self, share: float = 1.0, beside: int = 0) -> int:
        """Bytes that something may take that is kept during a pass; a part of what is left beside it."""
        if self.reading.memory is None:
            return int(share * UNLIMITED_BYTES)
        left = self.reading.memory - self.held - beside
        if self.runner.is_here:
            left -= resident_bytes()
        return max(int(share * left), 0)

    def run(
        self, task: Task[Found], rows: EvaluatedRows, *, what: str = "", **others: Any
    ) -> Iterator[engine.Step[Found]]:
        """Yield what a task finds in all rows, in their order."""
        return engine.run(
            task,
            rows.files,
            self.reading,
            runner=self.runner,
            beside=self.held if self.runner.is_here else 0,
            progress=self.say(what) if what else None,
            **others,
        )

    def reduce(self, task: Task[Found], rows: EvaluatedRows, **others: Any) -> Found:
        """Return what a task finds in all rows, merged."""
        return engine.merged(task, self.run(task, rows, **others))


@dataclass(frozen=True)
class EvaluatedRows:
    """Rows of files, one file after the other, and what was found when they were first read.

    Attributes
    ----------
    files : tuple of EmbeddingFile
        Those that can be read.
    numbers : (rows,) intp
        The number of each row over all files, also those that cannot be read.
    usable : (rows,) bool
        Whether it has a direction.
    lengths : (rows,) float64
        NaN for those without one.
    in_files : int
        Rows of all files.
    """

    files: tuple[EmbeddingFile, ...]
    numbers: Indices
    usable: Flags
    lengths: Vector
    in_files: int

    @property
    def dimension(self) -> int:
        """Of the rows."""
        return self.files[0].dimension

    @property
    def dtype(self) -> np.dtype[Any]:
        """In which rows of all files are compared: float64 where one holds that, else float32."""
        return np.result_type(np.float32, *{file.native_dtype for file in self.files})

    def __len__(self) -> int:
        return len(self.usable)

    def places(self, chosen: Indices) -> npt.NDArray[np.int32]:
        """A column: at which place among `chosen` a row is, -1 for those that are not."""
        place = np.full(len(self), -1, np.int32)
        place[chosen] = np.arange(len(chosen), dtype=np.int32)
        return place

    def take(self, passes: Passes, chosen: Indices, what: str = "") -> FloatRows:
        """Return the rows of these indices, which increase, as they are in the files, by one pass."""
        flags = np.zeros(len(self), bool)
        flags[chosen] = True
        dtype = np.result_type(*{file.native_dtype for file in self.files})
        found = np.empty((len(chosen), self.dimension), dtype)
        filled = 0
        for step in passes.run(Chosen(), self, what=what, columns=[flags]):
            assert step.found is not None
            found[filled : filled + len(step.found)] = step.found
            filled += len(step.found)
        return found


@dataclass(frozen=True)
class Survey(Task[tuple[Flags, Vector, FloatRows | None]]):
    """Finds which rows have a direction, and their lengths.

    Parameters
    ----------
    on_bad_rows : {"error", "skip"}
    with_rows : bool
        Give the rows too.
    """

    on_bad_rows: OnBadRows
    with_rows: bool

    most_rows = 1 << 19

    def of_block(
        self, rows: FloatRows, first_row: int, columns: Sequence[Column]
    ) -> tuple[Flags, Vector, FloatRows | None]:
        """Return these for some rows."""
        usable = rows_with_direction(rows, self.on_bad_rows, first_row)
        lengths = np.full(len(rows), np.nan)
        lengths[usable] = row_lengths(rows if usable.all() else rows[usable])
        return usable, lengths, rows if self.with_rows else None

    def merge(
        self, parts: Sequence[tuple[Flags, Vector, FloatRows | None]]
    ) -> tuple[Flags, Vector, FloatRows | None]:
        """Return these one after the other."""
        rows = [found for *_, found in parts if found is not None]
        return (
            np.concatenate([usable for usable, *_ in parts]),
            np.concatenate([lengths for _, lengths, _ in parts]),
            np.concatenate(rows) if rows else None,
        )


@dataclass(frozen=True)
class Chosen(Task[FloatRows]):
    """Gives the rows that its one column says are wanted."""

    most_rows = 1 << 19
    blocks_per_thread = 2
    gives_rows = True

    def of_block(self, rows: FloatRows, first_row: int, columns: Sequence[Column]) -> FloatRows:
        """Return some of the rows."""
        (wanted,) = columns
        assert wanted is not None
        return rows[wanted]

    def merge(self, parts: Sequence[FloatRows]) -> FloatRows:
        """Return the rows one after the other."""
        return np.concatenate(parts)


def survey(
    files: Sequence[EmbeddingFile], passes: Passes, left_out: LeftOut | None = None
) -> EvaluatedRows:
    """Read all rows once: which can be used, how long they are.

    Rows that fit into memory stay there, and those of formats that take long to decode are kept in a
    temporary file otherwise, unless the workers of a cluster read the files.

    Parameters
    ----------
    left_out : LeftOut, optional
        Takes in the files that cannot be read; none of their rows is used.

    Raises
    ------
    EmbeddingError
        For what cannot be read, rows without a direction, no usable row, and too little memory.
    """
    total = sum(file.rows for file in files)
    _check_memory(passes, total, files[0].dimension)
    copies = _copies(files, passes)
    usable, lengths = np.zeros(total, bool), np.full(total, np.nan)
    starts = np.cumsum([0, *(file.rows for file in files)])
    task = Survey(passes.reading.bad_rows, copies is not None)
    for step in engine.run(
        task,
        files,
        passes.reading,
        runner=passes.runner,
        beside=passes.held,
        left_out=left_out,
        whole_files=False,
        progress=passes.say("reading"),
    ):
        if step.found is None:
            continue
        first, (here, long, rows) = step.rows - step.count, step.found
        usable[first : step.rows], lengths[first : step.rows] = here, long
        if copies is not None and rows is not None:
            position = int(np.searchsorted(starts, first, "right")) - 1
            copies[position].write(first - int(starts[position]), rows)
    damaged = set() if left_out is None else set(left_out.damaged)
    sound = [position for position in range(len(files)) if position not in damaged]
    if left_out is not None:
        left_out.check(len(sound))
    numbers = np.concatenate([np.arange(starts[p], starts[p + 1]) for p in sound])
    if not usable[numbers].any():
        raise EmbeddingError(files[0].path, "holds no usable rows")
    source: Sequence[EmbeddingFile] = files if copies is None else copies
    return EvaluatedRows(
        tuple(source[p] for p in sound), numbers, usable[numbers], lengths[numbers], total
    )


def _copies(
    files: Sequence[EmbeddingFile], passes: Passes
) -> Sequence[HeldRows | UnpackedRows] | None:
    """What takes the rows in, one for each file; None where the files themselves are read again."""
    if not passes.runner.is_here or all(isinstance(file, HeldRows) for file in files):
        return None
    size = sum(file.rows * file.dimension * file.native_dtype.itemsize for file in files)
    if size <= passes.room(0.3):
        return [HeldRows(np.empty(file.shape, file.native_dtype), file) for file in files]
    if all(file.format in _READ_AT_ONCE and isinstance(file.path, Path) for file in files):
        return None
    return [UnpackedRows(file) for file in files]


def _check_memory(passes: Passes, rows: int, dimension: int) -> None:
    """MemoryBudgetError when less is allowed than the passes will need."""
    limit = passes.reading.memory
    if limit is None or not passes.runner.is_here:
        return
    chunks = COPIES * max(DEFAULT_CHUNK_BYTES // 8, 8 * dimension)
    least = resident_bytes() + SLACK + _BYTES_NOT_GIVEN_BACK + _BYTES_A_ROW * rows
    least += passes.held + passes.largest + chunks
    if least > limit:
        raise MemoryBudgetError(
            None,
            Argument("memory", f"{limit / 1e6:.0f} MB"),
            f" is not enough: evaluating {rows} rows takes at least {least / 1e6:.0f} MB",
        )
