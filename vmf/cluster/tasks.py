"""What runs on a worker: it opens the file itself and reads a block of its rows.

Failures that belong to the data are returned, not raised: what they say is decided by the process
that has all blocks in order, and a cluster does not try them again.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.cluster.blocks import Block
from vmf.embeddings.embedding_file import FloatRows
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.registry import open_embeddings
from vmf.embeddings.scoring import Scorer, Scores, score_chunk
from vmf.estimation import BadRowError, SufficientStatistics, statistics_by_class
from vmf.estimation.rows import OnBadRows

Failure = EmbeddingError | BadRowError


def sum_block(
    block: Block, dimension: int, memory: int, on_bad_rows: OnBadRows
) -> SufficientStatistics | Failure:
    """Statistics of the rows of a block."""
    statistics = SufficientStatistics.empty(dimension)
    try:
        for start, rows in _chunks(block, memory):
            statistics = statistics.update(rows, on_bad_rows=on_bad_rows, first_row=start)
    except (EmbeddingError, BadRowError) as error:
        return error
    return statistics


def sum_block_by_class(
    block: Block, codes: npt.NDArray[Any], memory: int, on_bad_rows: OnBadRows
) -> dict[int, SufficientStatistics] | Failure:
    """Statistics of the rows of each class that a block has; `codes` are the classes of its rows."""
    statistics: dict[int, SufficientStatistics] = {}
    try:
        for start, rows in _chunks(block, memory):
            first = start - block.start
            statistics = statistics_by_class(
                rows,
                codes[first : first + len(rows)].astype(np.int64),
                on_bad_rows=on_bad_rows,
                first_row=start,
                initial=statistics,
            )
    except (EmbeddingError, BadRowError) as error:
        return error
    return statistics


def score_block(
    block: Block, scorer: Scorer, memory: int, on_bad_rows: OnBadRows
) -> list[tuple[Scores, int]] | Failure:
    """Scores of the rows of a block, chunk after chunk, and how many were off unit length."""
    try:
        return [
            score_chunk(scorer, rows, on_bad_rows, start) for start, rows in _chunks(block, memory)
        ]
    except (EmbeddingError, BadRowError) as error:
        return error


def given_back(scorer: Scorer) -> Scorer:
    """The task that all that score depend on: its result travels to a worker once, and again to
    those that come later."""
    return scorer


def _chunks(block: Block, memory: int) -> Iterator[tuple[int, FloatRows]]:
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
    yield from file.chunks(memory=memory, start=block.start, stop=block.stop)
