"""The engine: one pass over the rows of files, whatever is computed of them and wherever that happens.

A pass is a `Task`: what it finds in a block of rows, and how such findings are merged. A `Runner` runs
it: this process (`vmf.passes.here.Here`) or the workers of a cluster (`vmf.cluster.runner.Spread`). A
`Reading` says how files are read. `run` gives what is found in the order of the rows, and `merged` all
of it; what a pass can do, every pass can do that goes through them.

What a runner promises:

- Findings come in the order of the rows, whoever was done first.
- Blocks begin where a pass in chunks of `chunk_bytes` begins one, also after `skip`, so that whatever
  depends on where a chunk ends does not depend on the runner or on an interruption.
- Of several faults the first in the order of the rows is reported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy.typing as npt

from vmf.arrays.rows import OnBadRows
from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES, EmbeddingFile, FloatRows
from vmf.embeddings.left_out import LeftOut, OnBadFiles
from vmf.embeddings.opening import Progress
from vmf.errors import Note

Found = TypeVar("Found")
Column = npt.NDArray[Any] | None
"""A value for each row of all files; None where a task has none."""


class Task(ABC, Generic[Found]):
    """What a pass finds in rows. It travels to workers, so it must be picklable.

    Attributes
    ----------
    chunk_bytes : int
        Bytes of a block of rows that suits it, stored or converted, whichever is larger.
    beside : int
        Bytes that it takes beside the rows of a block.
    most_rows : int or None
        How many rows one finding should be of at most, where it grows with them.
    blocks_per_thread : int
        Of a cluster, that may be under way or wait to be taken.
    gives_rows : bool
        Whether what it finds are rows: a worker is then given one block at a time, and this process
        takes one at a time.
    """

    chunk_bytes: int = DEFAULT_CHUNK_BYTES
    beside: int = 0
    most_rows: int | None = None
    blocks_per_thread: int = 16
    gives_rows: bool = False

    @abstractmethod
    def of_block(self, rows: FloatRows, first_row: int, columns: Sequence[Column]) -> Found:
        """Return what is found in some rows of a file.

        Parameters
        ----------
        rows : (n, dim) float16, float32 or float64
        first_row : int
            Number of the first of them in its file.
        columns : sequence of (n,) arrays or None
            Their part of each column that the pass was given.

        Raises
        ------
        BadRowError
            For a row without a direction, with its number in the file.
        """

    @abstractmethod
    def merge(self, parts: Sequence[Found]) -> Found:
        """Return what neighbouring blocks, one or more, have together, in their order."""


@dataclass(frozen=True)
class Reading:
    """How files are read; every pass takes one.

    Attributes
    ----------
    column, scale
        See `vmf.embeddings.open_embeddings`; with these the files were opened.
    on_bad_rows : {"error", "skip"}, optional
        For rows that hold NaN or infinity or are zero; by default an error (see
        `vmf.jobs.convert` for where these can be kept).
    on_bad_files : {"error", "skip"}
        "skip" does without files that cannot be read.
    memory : int, optional
        Bytes that this process, or each worker, may take in all; see
        `vmf.passes.memory_budget.MemoryBudget`.
    chunk_bytes : int, optional
        Bytes of a block of rows; by default what suits the task.
    """

    column: str | None = None
    scale: npt.ArrayLike | None = None
    on_bad_rows: OnBadRows | None = None
    on_bad_files: OnBadFiles = "error"
    memory: int | None = None
    chunk_bytes: int | None = None

    @property
    def bad_rows(self) -> OnBadRows:
        """What to do with bad rows where they cannot be kept; ValueError for what there is not."""
        if self.on_bad_rows not in (None, "error", "skip"):
            raise ValueError(f"on_bad_rows is {self.on_bad_rows!r}; expected 'error' or 'skip'")
        return self.on_bad_rows or "error"

    def left_out(self) -> LeftOut | None:
        """Where files that cannot be read are noted; None where they are an error."""
        return LeftOut() if self.on_bad_files == "skip" else None

    def chunk_bytes_for(self, task: Task[Any]) -> int:
        """Bytes of a block of rows without a limit on the memory."""
        return self.chunk_bytes or task.chunk_bytes


class Range(NamedTuple):
    """Rows `start` to `stop` of the file at `position` among those of a pass.

    `stop` is None for what could not be read to the end of the file.
    """

    position: int
    start: int
    stop: int | None


class Part(NamedTuple, Generic[Found]):
    """What was found in a range; or, with `found` None, why the rest of its file cannot be read."""

    where: Range
    found: Found | None
    damage: Note | None = None


class Runner(Protocol):
    """Who runs a task.

    Attributes
    ----------
    is_here : bool
        Whether rows pass through this process anyway.
    """

    @property
    def is_here(self) -> bool: ...

    def results(
        self,
        task: Task[Found],
        files: Sequence[EmbeddingFile],
        reading: Reading,
        *,
        columns: Sequence[Column] = (),
        skip: int = 0,
        stop: int | None = None,
        beside: int = 0,
    ) -> Iterator[Part[Found]]:
        """Yield what the task finds, in the order of the rows.

        Parameters
        ----------
        columns : sequence of (rows,) arrays or None
            Of all rows of the files.
        skip : int
            Rows at the beginning that are passed over.
        stop : int, optional
            The row, over all files, before which the pass ends.
        beside : int
            Bytes that this process takes beside the task.
        """
        ...


@dataclass(frozen=True)
class Step(Generic[Found]):
    """How far a pass is after a block, and what it found there.

    Attributes
    ----------
    rows : int
        Done so far, over all files.
    count : int
        Of them in this step.
    found : object or None
        None for rows that cannot be read.
    """

    rows: int
    count: int
    found: Found | None
    damaged: dict[int, Note] = field(default_factory=dict)


def run(
    task: Task[Found],
    files: Sequence[EmbeddingFile],
    reading: Reading,
    *,
    runner: Runner,
    columns: Sequence[Column] = (),
    skip: int = 0,
    stop: int | None = None,
    beside: int = 0,
    left_out: LeftOut | None = None,
    whole_files: bool = True,
    progress: Progress | None = None,
) -> Iterator[Step[Found]]:
    """Run a task over the rows of files, and yield its findings in their order.

    Parameters
    ----------
    task : Task
    files : sequence of EmbeddingFile
        Opened with `reading`; their rows one file after the other.
    runner : Runner
    columns, skip, stop, beside
        See `Runner.results`.
    left_out : LeftOut, optional
        Takes in the files that cannot be read to their end.
    whole_files : bool
        With `left_out`: a step is a file, and nothing of a damaged one counts. Otherwise what was
        read before the damage does, and a step without findings stands for the rest.
    progress : callable, optional
        Called with the rows done so far and the rows in all.

    Raises
    ------
    EmbeddingError
        For the first row without a direction, for what cannot be read, and for too little memory.
    """
    total = 0
    if progress is not None:
        total = sum(file.rows for file in files) if stop is None else stop
    if left_out is None:  # then nothing is done without a file
        reading = replace(reading, on_bad_files="error")
    known: Iterator[Step[Found]] = iter(())
    step_rows = max(1, reading.chunk_bytes_for(task) // (8 * files[0].dimension))
    if left_out is not None and not whole_files:
        gap = _rest_of_damaged(files, skip, left_out)
        known = _gap(skip, gap, step_rows, left_out)
        skip += gap
    parts = runner.results(
        task, files, reading, columns=columns, skip=skip, stop=stop, beside=beside
    )
    if left_out is None:
        steps = _each(parts, skip)
    elif whole_files:
        steps = _by_file(task, parts, files, skip, left_out)
    else:
        steps = chain(known, _with_gaps(parts, files, skip, left_out, step_rows))
    for step in steps:
        yield step
        if progress is not None:
            progress(step.rows, total)


def merged(task: Task[Found], steps: Iterator[Step[Found]]) -> Found:
    """Return what `run` yields of a task, merged; nothing may have been left out."""
    merging = Merging(task)
    for step in steps:
        assert step.found is not None
        merging.add(step.found)
    found = merging.result()
    assert found is not None  # every file has a row
    return found


class Merging(Generic[Found]):
    """Findings merged as they come, in their order.

    Those that grow with the rows are merged in pairs of equal size, so that each is copied a few
    times only; others at once, so that none waits.
    """

    def __init__(self, task: Task[Found]) -> None:
        self._task = task
        self._parts: list[tuple[int, Found]] = []  # how many blocks each stands for

    def add(self, found: Found) -> None:
        """Take in what was found in the next block."""
        grows = self._task.most_rows is not None
        blocks = 1
        while self._parts and (not grows or self._parts[-1][0] == blocks):
            before, last = self._parts.pop()
            found = self._task.merge([last, found])
            blocks += before
        self._parts.append((blocks, found))

    def result(self) -> Found | None:
        """Return what all blocks have together; None of none."""
        if len(self._parts) > 1:
            self._parts = [(0, self._task.merge([found for _, found in self._parts]))]
        return self._parts[0][1] if self._parts else None


def _each(parts: Iterator[Part[Found]], done: int) -> Iterator[Step[Found]]:
    for (_, start, stop), found, _damage in parts:
        count = (stop or start) - start
        done += count
        yield Step(done, count, found)


def _by_file(
    task: Task[Found],
    parts: Iterator[Part[Found]],
    files: Sequence[EmbeddingFile],
    done: int,
    left_out: LeftOut,
) -> Iterator[Step[Found]]:
    """A step a file; the findings of one that turns out damaged are dropped."""
    for position, of_file in groupby(parts, lambda part: part.where.position):
        # Only the end of its parts is the end of a file: what is wrong may show after its last row.
        merging = Merging(task)
        for _, found, damage in of_file:
            if damage:
                left_out.damaged[position] = damage
            elif found is not None:
                merging.add(found)
        done += files[position].rows
        together = None if position in left_out.damaged else merging.result()
        yield Step(done, files[position].rows, together, dict(left_out.damaged))


def _with_gaps(
    parts: Iterator[Part[Found]],
    files: Sequence[EmbeddingFile],
    done: int,
    left_out: LeftOut,
    step_rows: int,
) -> Iterator[Step[Found]]:
    """A step a block; those after the damage of a file have no findings."""
    for (position, start, stop), found, damage in parts:
        if damage:
            left_out.damaged[position] = damage
            count = files[position].rows - start
            yield from _gap(done, count, step_rows, left_out)
        else:
            count = (stop or start) - start
            yield Step(done + count, count, found, dict(left_out.damaged))
        done += count


def _gap(done: int, count: int, step_rows: int, left_out: LeftOut) -> Iterator[Step[Any]]:
    """Steps without findings."""
    for first in range(0, count, step_rows):
        rows = min(step_rows, count - first)
        yield Step(done + first + rows, rows, None, dict(left_out.damaged))


def _rest_of_damaged(files: Sequence[EmbeddingFile], skip: int, left_out: LeftOut) -> int:
    """Rows that are left of a file that was found damaged before the pass was interrupted in it."""
    if not left_out.damaged:
        return 0
    before = 0
    for position, file in enumerate(files):
        if before < skip < before + file.rows and position in left_out.damaged:
            return before + file.rows - skip
        before += file.rows
    return 0
