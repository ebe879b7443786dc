"""Passes in this process: the next block of rows is read while the last one is used."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import NamedTuple, TypeVar, cast

from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows
from vmf.embeddings.opening import bad_row
from vmf.embeddings.places import RemoteFile
from vmf.errors import BadRowError, EmbeddingError, MemoryBudgetError, Note
from vmf.passes.engine import Column, Found, Part, Range, Reading, Task
from vmf.passes.memory_budget import MemoryBudget

Item = TypeVar("Item")

_LONGEST_WAIT_SECONDS = 5.0
_FILES_AT_ONCE = 16


class Chunk(NamedTuple):
    """Some rows of a file: its position, the number of the first row in it, and the rows.

    In place of the rows stands the error where the rest of the file cannot be read.
    """

    position: int
    start: int
    rows: FloatRows | EmbeddingError


@dataclass(frozen=True)
class Here:
    """Runs tasks in this process; see `vmf.passes.engine.Runner`.

    A thread reads one block ahead, so that decoding overlaps with what is done with the rows. Over a
    network, of files that are smaller than a block as many are read at once as a block holds.
    """

    is_here = True

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
        """Yield what is found in each block."""
        size, budget = chunk_bytes(task, files, reading, beside)
        done = skip
        with closing(row_stream(files, skip=skip, stop=stop, chunk_bytes=size)) as chunks:
            for position, start, rows in chunks:
                if isinstance(rows, EmbeddingError):
                    if reading.on_bad_files == "error" or isinstance(rows, MemoryBudgetError):
                        raise rows
                    yield Part(Range(position, start, None), None, Note(*rows.parts))
                    done += files[position].rows - start
                    continue
                after = done + len(rows)
                own = [None if column is None else column[done:after] for column in columns]
                try:
                    found = task.of_block(rows, start, own)
                except BadRowError as error:
                    raise bad_row(files[position], error) from error
                yield Part(Range(position, start, start + len(rows)), found)
                done = after
                if budget is not None:
                    budget.check(files[position])


def chunk_bytes(
    task: Task[Found], files: Sequence[EmbeddingFile], reading: Reading, beside: int = 0
) -> tuple[int, MemoryBudget | None]:
    """How large blocks of rows may be, and the budget that is looked after while they are used."""
    size = reading.chunk_bytes_for(task)
    if reading.memory is None:
        return size, None
    budget = MemoryBudget(reading.memory)
    return budget.chunk_bytes(files, size, task.beside + beside), budget


def row_stream(
    files: Sequence[EmbeddingFile], *, skip: int = 0, stop: int | None = None, chunk_bytes: int
) -> Generator[Chunk, None, None]:
    """Yield the rows of the files from `skip` on, those before the row `stop`.

    Files that lie before are not opened. What is wrong with a file is yielded after what came before
    it, and the next file comes after that.
    """
    return read_ahead(_chunks(files, skip, stop, chunk_bytes))


def _chunks(
    files: Sequence[EmbeddingFile], skip: int, stop: int | None, chunk_bytes: int
) -> Generator[Chunk, None, None]:
    jobs: list[tuple[int, int, int | None]] = []
    before = 0
    for position, file in enumerate(files):
        if stop is not None and before >= stop:
            break
        # The number of rows of a text file costs a pass, so it is asked for only where needed.
        if skip > before and skip >= before + file.rows:
            before += file.rows
            continue
        jobs.append((position, max(skip - before, 0), None if stop is None else stop - before))
        if skip > before or stop is not None:
            before += file.rows
    small = [
        isinstance(files[position].path, RemoteFile)
        and files[position].path.is_networked  # type: ignore[union-attr]
        and _bytes_of(files[position]) <= chunk_bytes
        for position, _, _ in jobs
    ]
    first = 0
    while first < len(jobs):
        last = first
        while last < len(jobs) and small[last]:
            last += 1
        if last - first > 1:
            yield from _read_at_once(files, jobs[first:last], chunk_bytes)
            first = last
        else:
            yield from _chunks_of(files, *jobs[first], chunk_bytes)
            first += 1


def _chunks_of(
    files: Sequence[EmbeddingFile], position: int, start: int, stop: int | None, chunk_bytes: int
) -> Iterator[Chunk]:
    file = files[position]
    reached = start
    try:
        last = None if stop is None else max(stop, start)
        for first, rows in file.chunks(memory=chunk_bytes, start=start, stop=last):
            reached = first + len(rows)
            yield Chunk(position, first, rows)
    except EmbeddingError as error:
        yield Chunk(position, reached, error)


def _bytes_of(file: EmbeddingFile) -> int:
    """Bytes of all rows; more than any block for a file whose rows are not counted yet."""
    rows = file.known_rows
    return 1 << 62 if rows is None else rows * file.dimension * file.native_dtype.itemsize


def _read_at_once(
    files: Sequence[EmbeddingFile], jobs: Sequence[tuple[int, int, int | None]], chunk_bytes: int
) -> Iterator[Chunk]:
    """The chunks of small files, several of which are read at once: no more than one chunk holds."""
    pool = ThreadPoolExecutor(_FILES_AT_ONCE, "vmf-read")
    waiting: deque[tuple[int, Future[list[Chunk]]]] = deque()
    held = 0
    rest = iter(jobs)
    coming = next(rest, None)
    try:
        while coming is not None or waiting:
            while coming is not None and len(waiting) < _FILES_AT_ONCE:
                size = _bytes_of(files[coming[0]])
                if waiting and held + size > chunk_bytes:
                    break
                task = pool.submit(lambda job: list(_chunks_of(files, *job, chunk_bytes)), coming)
                waiting.append((size, task))
                held += size
                coming = next(rest, None)
            size, task = waiting.popleft()
            yield from task.result()
            held -= size
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def read_ahead(source: Generator[Item, None, None]) -> Generator[Item, None, None]:
    """Yield what ``source`` yields, made by a thread that is one item ahead.

    An exception of the source is raised here, after all that came before it. When this generator is
    closed, the source is too.
    """
    waiting: Queue[tuple[str, Item | BaseException | None]] = Queue(1)
    ended = threading.Event()

    def offer(kind: str, value: Item | BaseException | None) -> bool:
        while not ended.is_set():
            try:
                waiting.put((kind, value), timeout=0.1)
            except Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            with closing(source):
                for item in source:
                    if not offer("item", item):
                        return
        except BaseException as error:  # raised again where the items are used
            offer("error", error)
        else:
            offer("end", None)

    reader = threading.Thread(target=read, name="vmf-read-ahead", daemon=True)
    reader.start()
    try:
        while True:
            kind, value = waiting.get()
            if kind == "end":
                return
            if kind == "error":
                raise cast(BaseException, value)
            yield cast(Item, value)
            value = None  # or it would stay in memory beside the next ones
    finally:
        ended.set()
        with suppress(Empty):
            waiting.get_nowait()
        # A read that never ends (a lost network drive) must not keep a process that is to stop.
        reader.join(_LONGEST_WAIT_SECONDS)
