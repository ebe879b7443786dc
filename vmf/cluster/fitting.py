"""Sufficient statistics of files, added up by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import distributed
import numpy as np

from vmf.cluster.blocks import Block, blocks_of
from vmf.cluster.in_order import in_order
from vmf.cluster.tasks import Reading, sum_block, sum_block_by_class
from vmf.embeddings import fitting
from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.estimation import SufficientStatistics
from vmf.estimation.rows import OnBadRows

if TYPE_CHECKING:
    from vmf.embeddings.labels import Labels

_BLOCKS_PER_THREAD = 16


def running_statistics(
    client: distributed.Client,
    files: Sequence[EmbeddingFile],
    labels: Labels | None,
    statistics: tuple[SufficientStatistics, ...],
    *,
    column: str | None,
    on_bad_rows: OnBadRows,
    done: int = 0,
    memory: int | None = None,
) -> Iterator[tuple[int, fitting.SoFar]]:
    """Yield the rows read so far and what gives their statistics, after every block.

    As :func:`vmf.embeddings.fitting.running_statistics`, which reads in this process: either goes
    on where the other has stopped. Blocks are merged in the order of the rows.

    Parameters
    ----------
    memory : int, optional
        Bytes that each worker may take.

    Raises
    ------
    EmbeddingError
        For the first row, in the order of the files, without a direction, and for what cannot be
        read.
    ClusterError
        See :func:`vmf.cluster.in_order.in_order`.
    """
    size, dimension = fitting.chunk_bytes(labels), files[0].dimension
    reading = Reading(size, memory, 16 * dimension * len(statistics))
    submitted = done
    code_type = None if labels is None else np.min_scalar_type(len(labels.classes))

    def submit(file: EmbeddingFile, block: Block) -> distributed.Future:
        nonlocal submitted
        first, submitted = submitted, submitted + block.rows
        if labels is None:
            return client.submit(sum_block, block, dimension, reading, on_bad_rows, pure=False)
        codes = labels.codes[first:submitted].astype(code_type)
        return client.submit(
            sum_block_by_class, block, dimension, codes, reading, on_bad_rows, pure=False
        )

    blocks = blocks_of(files, column, align=size, skip=done)
    for block, found in in_order(client, submit, blocks, per_thread=_BLOCKS_PER_THREAD):
        if labels is None:
            found = {0: found}
        statistics = tuple(
            one + found[code] if code in found else one for code, one in enumerate(statistics)
        )
        done += block.rows
        yield done, partial(tuple, statistics)
