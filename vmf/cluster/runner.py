"""Passes by the workers of a cluster: they open the files themselves, each reads blocks of rows.

Failures that belong to the data are returned, not raised: what they say is decided by the process
that has all blocks in order, and a cluster does not try them again.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple

import dask
import distributed
import numpy as np

from vmf.cluster.blocks import LARGEST_BLOCK, SMALLEST_BLOCK, Block, blocks_of
from vmf.cluster.in_order import in_order
from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.embeddings.opening import bad_row
from vmf.embeddings.registry import open_embeddings
from vmf.errors import BadRowError, EmbeddingError, MemoryBudgetError, Note
from vmf.passes.engine import Column, Found, Merging, Part, Range, Reading, Task
from vmf.passes.here import chunk_bytes


@dataclass(frozen=True)
class Spread:
    """Runs tasks on the workers of a cluster; see `vmf.passes.engine.Runner`.

    Parameters
    ----------
    client : distributed.Client
    smallest_block, largest_block : int
        Bytes of the rows that a worker is given at a time; see `vmf.cluster.blocks.blocks_of`.
    """

    client: distributed.Client
    smallest_block: int = SMALLEST_BLOCK
    largest_block: int = LARGEST_BLOCK

    is_here = False

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
        """Yield what is found in each block.

        Raises
        ------
        EmbeddingError
            For the first row, in the order of the files, without a direction, and for what cannot
            be read.
        ClusterError
            See `vmf.cluster.in_order.in_order`.
        """
        # Scale and column travel with each block.
        light = replace(reading, scale=None)
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
            # A task, not scattered data, so that it comes back when the worker that has it dies.
            there = self.client.submit(_given_back, task, pure=False)
        starts = np.cumsum([0, *(file.rows for file in files)])

        def submit(block: Block) -> distributed.Future:
            first = int(starts[block.position]) + block.start
            own = [None if c is None else c[first : first + block.rows] for c in columns]
            return self.client.submit(_read_block, block, there, own, light, pure=False)

        align = reading.chunk_bytes_for(task)
        largest = align if task.gives_rows else self.largest_block
        blocks = blocks_of(
            files,
            reading.column,
            align=align,
            skip=skip,
            stop=stop,
            most_rows=task.most_rows,
            smallest=min(self.smallest_block, largest),
            largest=largest,
        )
        damaged: set[int] = set()
        for block, result in in_order(
            self.client,
            submit,
            blocks,
            files,
            per_thread=task.blocks_per_thread,
            at_once=1 if task.gives_rows else None,
        ):
            position, file = block.position, files[block.position]
            if position in damaged:
                continue
            failure = result.failure
            if isinstance(failure, BadRowError):
                raise bad_row(file, failure)
            if failure is None and block.stop == file.rows:
                failure = _change_of(file)
            reached = block.start + result.rows
            if result.rows:
                yield Part(Range(position, block.start, reached), result.found)
            if failure is None:
                continue
            failure = _as_given(file, failure)
            if reading.on_bad_files == "error" or isinstance(failure, MemoryBudgetError):
                raise failure
            damaged.add(position)
            yield Part(Range(position, reached, None), None, Note(*failure.parts))


class _Result(NamedTuple, Generic[Found]):
    """What a worker found in the first `rows` of a block, and what is wrong with the next one."""

    rows: int
    found: Found | None
    failure: EmbeddingError | BadRowError | None = None


def _given_back(value: Any) -> Any:
    """The task that all others depend on: its result travels to a worker once, and again to those
    that come later."""
    return value


def _read_block(
    block: Block, task: Task[Found], columns: Sequence[Column], reading: Reading
) -> _Result[Found]:
    """What a worker does with a block: it reads it in chunks, and merges what is found in them."""
    merging = Merging(task)
    done = 0
    try:
        for start, rows in _chunks(block, task, reading):
            after = done + len(rows)
            own = [None if column is None else column[done:after] for column in columns]
            merging.add(task.of_block(rows, start, own))
            done = after
    except (EmbeddingError, BadRowError) as error:
        return _Result(done, merging.result(), error)
    return _Result(done, merging.result())


def _chunks(block: Block, task: Task[Any], reading: Reading) -> Iterator[tuple[int, Any]]:
    """The rows of a block in chunks, each with the number of its first row in the file."""
    try:
        file = open_embeddings(block.path, block.column, scale=block.scale)
    except EmbeddingError as error:
        raise type(error)(
            error.path, *error.problem, f" (on the machine {socket.gethostname()})"
        ) from error
    if file.identity[1] != block.size:
        raise EmbeddingError(
            block.path,
            f"has {file.identity[1]} bytes on the machine {socket.gethostname()}, {block.size} where"
            " the work was begun; all need the same file",
        )
    size, budget = chunk_bytes(task, [file], reading)
    for start, rows in file.chunks(memory=size, start=block.start, stop=block.stop):
        yield start, rows
        if budget is not None:
            budget.check(file)


def _change_of(file: EmbeddingFile) -> EmbeddingError | None:
    """What is wrong with a file that is not any more the one that was opened here."""
    try:
        file.check_unchanged()
    except EmbeddingError as error:
        return error
    return None


def _as_given(file: EmbeddingFile, error: EmbeddingError) -> EmbeddingError:
    """The message of a worker with the path as the user gave it."""
    path = None if error.path is None else file.path
    return type(error)(path, *error.problem)
