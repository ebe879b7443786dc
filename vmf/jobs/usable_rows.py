"""The task of what needs the rows themselves: to write them elsewhere, or to fit some at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import OnBadRows, rows_with_direction
from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES, FloatRows
from vmf.passes.engine import Column, Task

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class UsableRows(Task[tuple[Flags, FloatRows]]):
    """Gives the rows, all of them, and which of them are to be used.

    Parameters
    ----------
    on_bad_rows : {"error", "skip", "keep"}
        "keep" uses rows without a direction like others.
    chunk_bytes, beside : int
        See `Task`.
    """

    on_bad_rows: OnBadRows
    chunk_bytes: int = DEFAULT_CHUNK_BYTES
    beside: int = 0

    most_rows = 1 << 19
    blocks_per_thread = 2
    gives_rows = True

    def of_block(
        self, rows: FloatRows, first_row: int, columns: Sequence[Column]
    ) -> tuple[Flags, FloatRows]:
        """Return (n,) bool and the rows."""
        if self.on_bad_rows == "keep":
            return np.ones(len(rows), bool), rows
        return rows_with_direction(rows, self.on_bad_rows, first_row), rows

    def merge(self, parts: Sequence[tuple[Flags, FloatRows]]) -> tuple[Flags, FloatRows]:
        """Return the rows one after the other."""
        return (
            np.concatenate([usable for usable, _ in parts]),
            np.concatenate([rows for _, rows in parts]),
        )


def used(usable: Flags, rows: FloatRows) -> FloatRows:
    """Return the rows for which `usable` is true; themselves if it is for all."""
    return rows if usable.all() else rows[usable]
