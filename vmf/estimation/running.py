"""Statistics of rows that come chunk after chunk, made when they are asked for."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import OnBadRows, WholeSums, as_rows, usable_norms, whole_row_sums
from vmf.arrays.types import Rows, Vector
from vmf.estimation.statistics import (
    EXACT_SUBTRACTION_IS_FINE,
    SufficientStatistics,
    count_off_unit,
    of_each_label,
    statistics_from_sums,
    statistics_of_rows,
)


class RunningStatistics:
    """The statistics of some rows, to which others are added at hardly more than the cost of reading them.

    They are those of `SufficientStatistics.update` chunk after chunk, with the same bits of S, R and
    kappa, but what that computes of the sums after every chunk is computed once: with 32768
    dimensions it took longer than adding up a chunk. The sums are kept as whole numbers until there
    is a chunk for which these do not suffice: one that has rows without a direction, or is so
    concentrated that its dispersion must be found from the rows.

    Objects are immutable.

    Parameters
    ----------
    before : SufficientStatistics
        Of the rows so far.
    """

    def __init__(self, before: SufficientStatistics, since: _Since | None = None) -> None:
        self._before = before
        self._since = since

    def update(
        self, X: npt.ArrayLike, *, on_bad_rows: OnBadRows = "error", first_row: int = 0
    ) -> RunningStatistics:
        """Return the statistics of these rows and those of X; see `SufficientStatistics.from_rows`."""
        rows = as_rows(X)
        return self.with_rows(rows, np.arange(first_row, first_row + len(rows)), on_bad_rows)

    def with_rows(
        self, rows: Rows, row_numbers: npt.NDArray[np.intp], on_bad_rows: OnBadRows
    ) -> RunningStatistics:
        """`update` with rows that have been checked, and their numbers in the whole input."""
        sums = whole_row_sums(rows)
        if not (usable_norms(sums.squared_norms).all() and _is_spread(sums)):
            found = statistics_of_rows(rows, None, on_bad_rows, row_numbers)
            return RunningStatistics(self.statistics + found)
        upper, lower, count, normalised = self._since or (0, 0, 0, 0)
        since = _Since(
            upper + sums.upper,
            lower + sums.lower,
            count + len(rows),
            normalised + count_off_unit(sums.squared_norms, rows.dtype),
        )
        return RunningStatistics(self._before, since)

    def __add__(self, other: RunningStatistics) -> RunningStatistics:
        """Return the statistics of these rows and those of the other, which come after them."""
        if other._before.weight or other._before.skipped:
            return RunningStatistics(self.statistics + other.statistics)
        if other._since is None:
            return self
        since = other._since
        if self._since is not None:
            upper, lower, count, normalised = self._since
            since = _Since(
                upper + since.upper,
                lower + since.lower,
                count + since.rows,
                normalised + since.normalised,
            )
        return RunningStatistics(self._before, since)

    @cached_property
    def statistics(self) -> SufficientStatistics:
        """Of all rows together."""
        if self._since is None:
            return self._before
        upper, lower, rows, normalised = self._since
        hi, lo = WholeSums(upper, lower, np.empty(0)).resultant()
        count = float(rows)
        return self._before + statistics_from_sums(
            count=count,
            weight=count,
            weight2=count,
            resultant=hi,
            resultant_lo=lo,
            normalised=normalised,
            dispersion_about=_never,
        )


def running_by_class(
    X: npt.ArrayLike,
    codes: npt.NDArray[np.integer[Any]],
    *,
    on_bad_rows: OnBadRows = "error",
    first_row: int = 0,
) -> dict[int, RunningStatistics]:
    """Return the statistics of the rows of X of each class that has some, by its code.

    Raises
    ------
    BadRowError
        For the first row without a direction.
    """
    rows = as_rows(X)
    nothing = RunningStatistics(SufficientStatistics.empty(rows.shape[1]))
    found = of_each_label(
        codes,
        lambda _, members: nothing.with_rows(rows[members], first_row + members, on_bad_rows),
    )
    return {int(code): one for code, one in found}


def _never(direction: Vector) -> float:
    raise AssertionError("W - |S| of all chunks is at least the sum of theirs")


class _Since(NamedTuple):
    """Chunks of rows that are spread enough for their sum, upper 2^-31 + lower 2^-62, to say all."""

    upper: npt.NDArray[np.int64]
    lower: npt.NDArray[np.int64]
    rows: int
    normalised: int


def _is_spread(sums: WholeSums) -> bool:
    """Whether W - |S| follows from S, by twice the margin."""
    count = len(sums.squared_norms)
    rough = sums.upper * 2.0**-31
    length = float(np.sqrt(np.sum(rough * rough)))
    return count - length > 2 * EXACT_SUBTRACTION_IS_FINE * count
