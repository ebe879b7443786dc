"""What runs on a worker: it opens the file itself and reads a block of its rows.

Failures that belong to the data are returned, not raised: what they say is decided by the process
that has all blocks in order, and a cluster does not try them again.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmf.cluster.blocks import Block
from vmf.embeddings.embedding_file import FloatRows
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.memory_budget import MemoryBudget
from vmf.embeddings.registry import open_embeddings
from vmf.embeddings.scoring import Scorer, Scores, score_chunk
from vmf.estimation import BadRowError, SufficientStatistics
from vmf.estimation.rows import OnBadRows
from vmf.estimation.running import RunningStatistics, update_by_class

if TYPE_CHECKING:
    from vmf.models.file_rows import Reduction

Failure = EmbeddingError | BadRowError


@dataclass(frozen=True)
class Reading:
    """How a worker reads its blocks.

    Attributes
    ----------
    chunk_bytes : int
        Of a chunk; less where `memory` does not allow it.
    memory : int or None
        Bytes that the process of the worker may take.
    beside : int
        Bytes of it that the work takes beside the chunks.
    """

    chunk_bytes: int
    memory: int | None = None
    beside: int = 0


def sum_block(
    block: Block, dimension: int, reading: Reading, on_bad_rows: OnBadRows
) -> SufficientStatistics | Failure:
    """Statistics of the rows of a block."""
    running = RunningStatistics(SufficientStatistics.empty(dimension))
    try:
        for start, rows in _chunks(block, reading):
            running = running.update(rows, on_bad_rows=on_bad_rows, first_row=start)
    except (EmbeddingError, BadRowError) as error:
        return error
    return running.statistics


def sum_block_by_class(
    block: Block,
    dimension: int,
    codes: npt.NDArray[Any],
    reading: Reading,
    on_bad_rows: OnBadRows,
) -> dict[int, SufficientStatistics] | Failure:
    """Statistics of the rows of each class that a block has; `codes` are the classes of its rows."""
    present = np.unique(codes)
    local = np.searchsorted(present, codes)
    nothing = RunningStatistics(SufficientStatistics.empty(dimension))
    running: tuple[RunningStatistics, ...] = (nothing,) * len(present)
    try:
        for start, rows in _chunks(block, reading):
            first = start - block.start
            running = update_by_class(
                running,
                rows,
                local[first : first + len(rows)],
                on_bad_rows=on_bad_rows,
                first_row=start,
            )
    except (EmbeddingError, BadRowError) as error:
        return error
    return {int(code): one.statistics for code, one in zip(present, running, strict=True)}


def score_block(
    block: Block, scorer: Scorer, reading: Reading, on_bad_rows: OnBadRows
) -> list[tuple[Scores, int]] | Failure:
    """Scores of the rows of a block, chunk after chunk, and how many were off unit length."""
    try:
        return [
            score_chunk(scorer, rows, on_bad_rows, start) for start, rows in _chunks(block, reading)
        ]
    except (EmbeddingError, BadRowError) as error:
        return error


def reduce_block(
    block: Block, reduction: Reduction[Any], beside: Sequence[Any], reading: Reading
) -> Any | Failure:
    """What a reduction gives for the rows of a block; `beside` are arrays of one value a row."""

    def results() -> Iterator[Any]:
        for start, rows in _chunks(block, reading):
            first = start - block.start
            own = [None if b is None else b[first : first + len(rows)] for b in beside]
            yield reduction.of_chunk(start, rows, own)

    try:
        return reduction.merged(results())
    except (EmbeddingError, BadRowError) as error:
        return error


def given_back(value: Any) -> Any:
    """The task that all others depend on: its result travels to a worker once, and again to those
    that come later."""
    return value


def _chunks(block: Block, reading: Reading) -> Iterator[tuple[int, FloatRows]]:
    """The rows of a block in chunks, each with the number of its first row in the file."""
    try:
        file = open_embeddings(block.path, block.column, scale=block.scale)
    except EmbeddingError as error:
        raise EmbeddingError(None, f"{error} (on the machine {socket.gethostname()})") from error
    if file.identity[1] != block.size:
        raise EmbeddingError(
            block.path,
            f"has {file.identity[1]} bytes on the machine {socket.gethostname()}, {block.size} where"
            " the work was begun; all need the same file",
        )
    size, budget = reading.chunk_bytes, None
    if reading.memory is not None:
        budget = MemoryBudget(reading.memory)
        size = budget.chunk_bytes([file], size, reading.beside)
    for start, rows in file.chunks(memory=size, start=block.start, stop=block.stop):
        yield start, rows
        if budget is not None:
            budget.check(file)
