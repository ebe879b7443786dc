"""A measured number with its bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]


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
    whole = statistic(*(np.arange(size) for size in sizes))
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in whole}
    for _ in range(replicates):
        for name, value in statistic(*(rng.integers(0, size, size) for size in sizes)).items():
            if value is not None:
                drawn[name].append(value)
    tail = 100.0 * (1.0 - level) / 2.0
    result = {}
    for name, value in whole.items():
        if value is None or len(drawn[name]) < max(1, 0.9 * replicates):
            result[name] = Metric(value)
        else:
            low, high = np.percentile(drawn[name], [tail, 100.0 - tail])
            result[name] = Metric(float(value), float(low), float(high))
    return result
