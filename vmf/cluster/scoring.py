"""Scores of the rows of files, found by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dask
import distributed

from vmf.cluster.blocks import Block, blocks_of
from vmf.cluster.in_order import in_order
from vmf.cluster.tasks import Reading, given_back, score_block
from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES, EmbeddingFile
from vmf.embeddings.scoring import Scorer, Scores
from vmf.estimation.rows import OnBadRows

# Scores wait on the workers until those before them are written.
_BLOCKS_PER_THREAD = 4
_MOST_ROWS = 1 << 19


def scored_chunks(
    client: distributed.Client,
    scorer: Scorer,
    files: Sequence[EmbeddingFile],
    *,
    column: str | None,
    on_bad_rows: OnBadRows,
    skip: int = 0,
    memory: int | None = None,
    beside: int = 0,
) -> Iterator[tuple[Scores, int]]:
    """Yield the scores of every chunk of the files in order, and how many rows were off unit length.

    The first `skip` rows are left out. Each worker may take `memory` bytes, `beside` of them beside
    its chunks.

    Raises
    ------
    EmbeddingError
        For the first row, in the order of the files, without a direction, and for what cannot be
        read.
    ClusterError
        See :func:`vmf.cluster.in_order.in_order`.
    """
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
        # A task, not scattered data, so that it comes back when the worker that has it dies.
        there = client.submit(given_back, scorer, pure=False)

    reading = Reading(DEFAULT_CHUNK_BYTES, memory, beside)

    def submit(_: EmbeddingFile, block: Block) -> distributed.Future:
        return client.submit(score_block, block, there, reading, on_bad_rows, pure=False)

    blocks = blocks_of(files, column, align=DEFAULT_CHUNK_BYTES, skip=skip, most_rows=_MOST_ROWS)
    for _, chunks in in_order(client, submit, blocks, per_thread=_BLOCKS_PER_THREAD):
        yield from chunks
