"""The rows of several files in order, the next chunk being read while the last one is used."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from queue import Empty, Full, Queue
from typing import NamedTuple, TypeVar, cast

from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows
from vmf.embeddings.memory_budget import MemoryBudget

Item = TypeVar("Item")

_LONGEST_WAIT_SECONDS = 5.0


class Chunk(NamedTuple):
    """Some rows of a file, and the number of the first of them in it."""

    file: EmbeddingFile
    start: int
    rows: FloatRows


def row_stream(
    files: Sequence[EmbeddingFile],
    *,
    skip: int = 0,
    chunk_bytes: int,
    budget: MemoryBudget | None = None,
) -> Generator[Chunk, None, None]:
    """Yield all rows of the files but for the first ``skip``.

    Files that lie before are not opened. A thread reads one chunk ahead, so that decoding overlaps
    with what is done with the rows; it ends with this generator.

    Parameters
    ----------
    chunk_bytes : int
        See :meth:`EmbeddingFile.chunks`.
    budget : MemoryBudget, optional
        Looked after while the rows are used: EmbeddingError when it has been exceeded.
    """
    with closing(read_ahead(_chunks(files, skip, chunk_bytes))) as chunks:
        for chunk in chunks:
            yield chunk
            if budget is not None:
                budget.check(chunk.file)


def _chunks(
    files: Sequence[EmbeddingFile], skip: int, chunk_bytes: int
) -> Generator[Chunk, None, None]:
    for file in files:
        if skip and skip >= file.rows:
            skip -= file.rows
            continue
        for start, rows in file.chunks(memory=chunk_bytes, start=skip):
            yield Chunk(file, start, rows)
        skip = 0


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
