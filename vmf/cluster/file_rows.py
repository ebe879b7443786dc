"""The rows of embedding files, read by the workers of a cluster, for the models of `vmf.models`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import dask
import distributed

from vmf.cluster.blocks import Block, blocks_of
from vmf.cluster.in_order import in_order
from vmf.cluster.tasks import Reading, given_back, reduce_block
from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES, EmbeddingFile
from vmf.models.file_rows import FileRows

Found = TypeVar("Found")

# What waits on the workers has the sums of all components, and some numbers a row.
_BLOCKS_PER_THREAD = 4
_MOST_ROWS = 1 << 19


class SpreadFileRows(FileRows):
    """Rows of embedding files; see `vmf.models.file_rows.FileRows`.

    Every pass sends the parameters to the workers once and has each block of rows read there. Blocks
    are merged in the order of the rows, so the result does not depend on the workers.

    Parameters
    ----------
    client : distributed.Client
    column : str or None
        With which the files were opened.
    memory : int, optional
        Bytes that each worker may take.
    files, components, others
        See `FileRows`.

    Raises
    ------
    EmbeddingError, ClusterError
        See `vmf.cluster.in_order.in_order`.
    """

    def __init__(
        self,
        files: Sequence[EmbeddingFile],
        client: distributed.Client,
        column: str | None,
        *,
        memory: int | None = None,
        components: int = 1,
        **others: Any,
    ) -> None:
        self._client = client
        self._column = column
        model_bytes = self.bytes_of_model(components, files[0].dimension)
        self._reading = Reading(DEFAULT_CHUNK_BYTES, memory, model_bytes)
        super().__init__(files, components=components, **others)

    def reduce(
        self,
        function: Callable[..., Found],
        merge: Callable[[Sequence[Found]], Found],
        beside: Sequence[Any] = (),
        **fixed: Any,
    ) -> Found:
        """Return `function` of the rows of each block, merged in their order."""
        reduction = self._reduction(function, merge, fixed)
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
            # A task, not scattered data, so that it comes back when the worker that has it dies.
            there = self._client.submit(given_back, reduction, pure=False)
        submitted = 0

        def submit(_: EmbeddingFile, block: Block) -> distributed.Future:
            nonlocal submitted
            first, submitted = submitted, submitted + block.rows
            own = [None if b is None else b[first:submitted] for b in beside]
            return self._client.submit(reduce_block, block, there, own, self._reading, pure=False)

        def results() -> Iterator[Found]:
            done = 0
            blocks = blocks_of(
                self.files, self._column, align=DEFAULT_CHUNK_BYTES, most_rows=_MOST_ROWS
            )
            for block, found in in_order(
                self._client, submit, blocks, per_thread=_BLOCKS_PER_THREAD
            ):
                yield found
                done += block.rows
                self._report(done)

        return reduction.merged(results())
