"""A measured number with its bootstrap interval."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vmf.evaluation.nearest import threads

Indices = npt.NDArray[np.intp]

_MOST_REPLICATES_AT_ONCE = 4


@dataclass(frozen=True)
class Metric:
    """A value with a percentile interval.

    Attributes
    ----------
    value : float or None
        None where it is not defined, as the AUROC of errors when there are none.
    low, high : float or None
    """

    value: float | None
    low: float | None = None
    high: float | None = None


def bootstrap(
    statistic: Callable[..., Mapping[str, float | None]],
    *sizes: int,
    replicates: int,
    seed: int,
    level: float = 0.95,
) -> dict[str, Metric]:
    """Measure statistics of groups of rows, and how they vary when the rows are drawn again.

    Percentile intervals (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13);
    each group is resampled by itself.

    Parameters
    ----------
    statistic : callable
        Takes the indices of the rows of each group, returns named values, None where undefined.
    *sizes : int
        Rows in each group.
    replicates : int
        0 for no intervals.
    seed : int
    level : float

    Returns
    -------
    dict of Metric
        A value that is undefined in more than a tenth of the replicates has no interval.
    """
    draws = _drawn(statistic, sizes, replicates, seed)
    return _with_intervals(statistic(*(np.arange(size) for size in sizes)), draws, level)


@dataclass(frozen=True)
class Resampling:
    """How the intervals of measures are found; see `bootstrap`.

    Attributes
    ----------
    replicates, seed, level
        As there.
    """

    replicates: int
    seed: int
    level: float

    def of_counts(
        self, statistic: Callable[..., Mapping[str, float | None]], *sizes: int
    ) -> dict[str, Metric]:
        """Do what `bootstrap` does, with the same draws, for a statistic of how often each row counts.

        Parameters
        ----------
        statistic : callable
            Takes (rows,) integers of each group: 1 for each row, or how often it was drawn.
        *sizes : int
            Rows in each group.
        """

        def of_drawn(*indices: Indices) -> Mapping[str, float | None]:
            pairs = zip(indices, sizes, strict=True)
            return statistic(*(np.bincount(index, minlength=size) for index, size in pairs))

        whole = statistic(*(np.ones(size, np.intp) for size in sizes))
        draws = _drawn(of_drawn, sizes, self.replicates, self.seed)
        return _with_intervals(whole, draws, self.level)


def _drawn(
    statistic: Callable[..., Mapping[str, float | None]],
    sizes: tuple[int, ...],
    replicates: int,
    seed: int,
) -> list[Mapping[str, float | None]]:
    """The statistics of each replicate, of which `replicates_at_once` are computed at the same time."""
    rng = np.random.default_rng(seed)
    found: list[Mapping[str, float | None]] = []
    at_once = replicates_at_once()
    with ThreadPoolExecutor(at_once, "vmf-bootstrap") as pool:
        waiting: deque[Future[Mapping[str, float | None]]] = deque()
        for _ in range(replicates):
            # The next rows are drawn only when there is room for them.
            if len(waiting) == at_once:
                found.append(waiting.popleft().result())
            drawn = [rng.integers(0, size, size) for size in sizes]
            waiting.append(pool.submit(statistic, *drawn))
        found += [one.result() for one in waiting]
    return found


def replicates_at_once() -> int:
    """How many replicates are computed, and in memory, at the same time."""
    return min(threads(), _MOST_REPLICATES_AT_ONCE)


def _with_intervals(
    whole: Mapping[str, float | None], draws: list[Mapping[str, float | None]], level: float
) -> dict[str, Metric]:
    tail = 100.0 * (1.0 - level) / 2.0
    result = {}
    for name, value in whole.items():
        drawn = [found for one in draws if (found := one[name]) is not None]
        if value is None or len(drawn) < max(1, 0.9 * len(draws)):
            result[name] = Metric(value)
        else:
            low, high = np.percentile(drawn, [tail, 100.0 - tail])
            result[name] = Metric(float(value), float(low), float(high))
    return result
