"""Blocks handed to workers and their results taken back in order, whoever is done first.

No more than a window of blocks is under way, so neither the scheduler nor the memory here grows
with the files. Results that come early wait where they were computed. Blocks of a worker that dies,
done or not, are computed again by others; dask sees to that.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from itertools import islice, takewhile
from typing import Any

import distributed
from distributed.scheduler import KilledWorker

from vmf.cluster.blocks import Block
from vmf.cluster.connection import threads
from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.errors import ClusterError, parts_of

_SECONDS_BETWEEN_LOOKS = 5.0
_SECONDS_WITHOUT_WORKERS = 60.0

Submit = Callable[[Block], distributed.Future]
_Waiting = deque[tuple[Block, distributed.Future]]


def in_order(
    client: distributed.Client,
    submit: Submit,
    blocks: Iterable[Block],
    files: Sequence[EmbeddingFile],
    *,
    per_thread: int,
    at_once: int | None = None,
) -> Iterator[tuple[Block, Any]]:
    """Yield every block and its result, in the order of `blocks`.

    Parameters
    ----------
    submit : callable
        Begins the work on a block.
    files : sequence of EmbeddingFile
        That the blocks are of, for messages.
    per_thread : int
        Blocks under way for each thread of the cluster. What is lost when this process ends is
        what they have done beyond the first that is not.
    at_once : int, optional
        Results that are here together, all that are ready by default.

    Raises
    ------
    ClusterError
        When the scheduler or all workers are gone, or a block ends every worker that has it.
    """
    rest = iter(blocks)
    waiting: _Waiting = deque()
    watch = _Watch(client)
    try:
        while True:
            window = per_thread * watch.threads
            for block in islice(rest, max(window - len(waiting), 0)):
                waiting.append((block, submit(block)))
            if not waiting:
                return
            watch.wait(waiting[0][1])
            ready = takewhile(lambda entry: entry[1].status == "finished", waiting)
            done = list(islice(ready, at_once))
            if not done:
                block, future = waiting[0]
                raise _failure(files[block.position], block, future)
            try:
                with watch.lost_is_an_error():
                    results = client.gather([future for _, future in done])
            except KilledWorker:  # while they were done again, their worker having died
                continue
            for (block, _), result in zip(done, results, strict=True):
                waiting.popleft()
                yield block, result
    finally:
        if waiting and client.status == "running":
            with suppress(OSError, TimeoutError):
                client.cancel([future for _, future in waiting])


class _Watch:
    """Waits for results as long as there is somebody to do the work."""

    def __init__(self, client: distributed.Client) -> None:
        self._client = client
        self._address = client.scheduler.address
        self._looked = time.monotonic()
        self._with_workers = self._looked
        self.threads = threads(client)

    def wait(self, future: distributed.Future) -> None:
        """Return when a future is done, in whatever way."""
        while not future.done():
            with (
                self.lost_is_an_error(),
                suppress(distributed.TimeoutError),
                self._client.as_current(),
            ):
                distributed.wait([future], timeout=_SECONDS_BETWEEN_LOOKS)
            if time.monotonic() - self._looked > _SECONDS_BETWEEN_LOOKS:
                self._look()
        if future.status == "cancelled":
            raise self._lost()

    @contextmanager
    def lost_is_an_error(self) -> Iterator[None]:
        """Turn what dask raises without its scheduler into one line."""
        try:
            yield
        except (CancelledError, OSError) as error:
            raise self._lost() from error

    def _look(self) -> None:
        """See how many workers there are now; ClusterError when there have been none for long."""
        self._looked = time.monotonic()
        with self.lost_is_an_error():
            found = sum(self._client.nthreads().values())
        if found:
            self.threads, self._with_workers = found, self._looked
        elif self._looked - self._with_workers > _SECONDS_WITHOUT_WORKERS:
            raise ClusterError(
                f"the scheduler {self._address} has had no workers for"
                f" {_SECONDS_WITHOUT_WORKERS:.0f} s; start some: dask worker {self._address}"
            )

    def _lost(self) -> ClusterError:
        return ClusterError(
            f"the scheduler {self._address} is gone, or cannot be reached any more; see to it and"
            " begin again"
        )


def _failure(file: EmbeddingFile, block: Block, future: distributed.Future) -> Exception:
    """Why a block has no result."""
    error = future.exception()
    place = f"{file.path}: rows {block.start} to {block.stop - 1}"
    if isinstance(error, KilledWorker):
        return ClusterError(
            f"{place}: each of the {error.allowed_failures + 1} workers that read them ended"
            " without a word (killed for want of memory? see their logs); other rows are not to"
            " blame"
        )
    return ClusterError(
        f"{place}: the worker failed: {type(error).__name__}: ",
        *(() if error is None else parts_of(error)),
    )
