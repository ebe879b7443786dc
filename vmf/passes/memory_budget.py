"""How much memory a pass over files may take, and how large its chunks may be then."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmf.errors import Argument, MemoryBudgetError

if TYPE_CHECKING:
    from vmf.embeddings.embedding_file import EmbeddingFile

COPIES = 6
"""Chunks that are in memory together: one in use and what is computed from it, one that waits, and
one that is being read, as stored and as converted; and what the allocator has not given back."""

SLACK = 24 << 20
"""What libraries allocate when they are first used."""


@dataclass(frozen=True)
class MemoryBudget:
    """Bytes that the process may take in all, that of the interpreter and its libraries included.

    Parameters
    ----------
    total : int
        Bytes of resident memory.
    """

    total: int

    def chunk_bytes(self, files: Sequence[EmbeddingFile], preferred: int, other: int) -> int:
        """Bytes of a chunk: ``preferred``, or less where it must be.

        Parameters
        ----------
        files : sequence of EmbeddingFile
            That are to be read.
        preferred : int
            Bytes of a chunk without a limit.
        other : int
            Bytes that the pass needs besides.

        Raises
        ------
        MemoryBudgetError
            When not even one row at a time fits, with the memory that would do.
        """
        unit, largest = max(((f.unit_bytes, f) for f in files), key=lambda pair: pair[0])
        row = max(f.dimension * max(f.dtype.itemsize, f.native_dtype.itemsize) for f in files)
        copies = COPIES + max(f.copies_while_read for f in files)
        taken = resident_bytes() + SLACK + other + unit
        chunk = (self.total - taken) // copies
        if chunk >= row:
            return min(chunk, preferred)
        reason = f", of which {largest.path} needs {_megabytes(unit)}" if unit > other else ""
        raise MemoryBudgetError(
            None,
            Argument("memory", _megabytes(self.total)),
            f" is not enough: this takes at least {_megabytes(taken + copies * row)}{reason}",
        )

    def check(self, file: EmbeddingFile) -> None:
        """MemoryBudgetError when more is taken by now."""
        taken = resident_bytes()
        if taken > self.total:
            raise MemoryBudgetError(
                file.path,
                f"took {_megabytes(taken)} to read, more than ",
                Argument("memory", _megabytes(self.total)),
                ": what its format unpacks together is too large; allow more memory, or store it in"
                " smaller parts",
            )


def resident_bytes() -> int:
    """Memory of this process now; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0
    import resource

    with open("/proc/self/statm", "rb") as stream:
        return int(stream.read().split()[1]) * resource.getpagesize()


def _megabytes(size: int) -> str:
    return f"{-(-size // 10**6)} MB"
