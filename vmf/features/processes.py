"""Several processes that share one extraction, started by torchrun.

    torchrun --no-python --nproc-per-node 4 vmf extract IMAGES -o features.npy ...

Each takes one run of batches and, where there are CUDA devices, one of them. They write to the same
file, so they need a file system in common. Batches begin at the same images for any number of
processes, so the features do not depend on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from vmf.errors import OtherProcessFailed

_PATIENCE = timedelta(days=30)
"""The first process waits for the slowest, however long its share takes."""


@dataclass(frozen=True)
class Processes:
    """One process among those of an extraction: this one."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    group: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this is the one that prepares and finishes the files."""
        return self.rank == 0

    def meet(self) -> None:
        """Wait for all processes.

        Raises
        ------
        OtherProcessFailed
            When one of them has left :meth:`failing_together` with an error.
        """
        if self._failures(False):
            raise _other_failed()

    @contextmanager
    def failing_together(self) -> Iterator[None]:
        """Make an error in the block end the others' next :meth:`meet`."""
        try:
            yield
        except OtherProcessFailed:
            raise
        except Exception:
            # All fail alike for a missing file: one of them says so.
            if 0 in self._failures(True) and not self.is_first:
                raise _other_failed() from None
            raise

    def total(self, number: int) -> int:
        """Wait for all processes and add up what each gives, >= 0.

        Raises
        ------
        OtherProcessFailed
            As :meth:`meet`.
        """
        numbers = self._gather(number)
        if min(numbers) < 0:
            raise _other_failed()
        return sum(numbers)

    def share(self, items: Sequence[int]) -> Sequence[int]:
        """The part of a list that falls to this process, a run of neighbours."""
        begin, end = (len(items) * k // self.count for k in (self.rank, self.rank + 1))
        return items[begin:end]

    def _failures(self, failed: bool) -> list[int]:
        """The processes that have failed, known to all when all have called this."""
        return [rank for rank, flag in enumerate(self._gather(-1 if failed else 0)) if flag < 0]

    def _gather(self, number: int) -> list[int]:
        """What each process gives; -1 says that it has failed."""
        if self.group is None:
            return [number]
        import torch
        from torch import distributed

        numbers = torch.zeros(self.count, dtype=torch.int64)
        numbers[self.rank] = number
        distributed.all_reduce(numbers, group=self.group)
        return [int(one) for one in numbers]


@contextmanager
def join_processes() -> Iterator[Processes]:
    """The processes that torchrun has started, or this one alone."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or "RANK" not in os.environ:
        yield Processes()
        return
    from torch import distributed

    begun = not distributed.is_initialized()
    if begun:
        distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        # A group of its own: the caller's may be of NCCL, which has no use for host tensors.
        group = distributed.new_group(backend="gloo", timeout=_PATIENCE)
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        yield Processes(distributed.get_rank(), distributed.get_world_size(), local_rank, group)
    finally:
        if begun:
            distributed.destroy_process_group()


def _other_failed() -> OtherProcessFailed:
    return OtherProcessFailed(None, "another process of this extraction has failed")
