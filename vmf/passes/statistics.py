"""The task of every fit: sufficient statistics of rows, of all together or of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmf.arrays.rows import OnBadRows
from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES, FloatRows
from vmf.estimation import SufficientStatistics
from vmf.estimation.running import RunningStatistics, running_by_class
from vmf.passes.engine import Column, Task

ByClass = dict[int, RunningStatistics]
"""The statistics of the rows of each class that has some, by its number; 0 for rows without labels."""

_LABELLED_CHUNK_BYTES = 32 << 20
"""A chunk is split by class; of a larger one the parts are larger. With 1000 classes of 2048
dimensions, chunks of 32 MB take half the time that chunks of 8 MB take."""

_MODEL_COPIES = 10
"""Vectors a class while a model is made and written: the sums, two each and those before them, the
mean direction, and the three of these in the bytes of the file."""


@dataclass(frozen=True)
class Gather(Task[ByClass]):
    """Finds sufficient statistics; its one column holds the numbers of the classes, or is None.

    Parameters
    ----------
    dimension : int
    classes : int or None
        How many there are; None for rows without labels.
    on_bad_rows : {"error", "skip"}
    """

    dimension: int
    classes: int | None = None
    on_bad_rows: OnBadRows = "error"

    @property
    def chunk_bytes(self) -> int:  # type: ignore[override]
        """Larger with classes."""
        return DEFAULT_CHUNK_BYTES if self.classes is None else _LABELLED_CHUNK_BYTES

    @property
    def beside(self) -> int:  # type: ignore[override]
        """The sums, and the model that is made of them."""
        return 8 * _MODEL_COPIES * (self.classes or 1) * self.dimension

    def of_block(self, rows: FloatRows, first_row: int, columns: Sequence[Column]) -> ByClass:
        """Return the statistics of each class that the block has."""
        codes = columns[0] if columns else None
        if codes is None:
            nothing = RunningStatistics(SufficientStatistics.empty(self.dimension))
            return {0: nothing.update(rows, on_bad_rows=self.on_bad_rows, first_row=first_row)}
        return running_by_class(rows, codes, on_bad_rows=self.on_bad_rows, first_row=first_row)

    def merge(self, parts: Sequence[ByClass]) -> ByClass:
        """Return the statistics of each class in all parts; they are added in their order."""
        together = dict(parts[0])
        for part in parts[1:]:
            for code, found in part.items():
                together[code] = together[code] + found if code in together else found
        return together

    def tuple_of(self, found: ByClass) -> tuple[SufficientStatistics, ...]:
        """Return the statistics, one a class."""
        nothing = SufficientStatistics.empty(self.dimension)
        return tuple(
            found[code].statistics if code in found else nothing
            for code in range(self.classes or 1)
        )


def running(statistics: Sequence[SufficientStatistics]) -> ByClass:
    """Return what `Gather.tuple_of` gave as something to be added to."""
    return {code: RunningStatistics(one) for code, one in enumerate(statistics)}
