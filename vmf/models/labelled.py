"""Statistics of rows that are known to belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vmf.arrays.blocks import DirectionRows
from vmf.arrays.libraries import in_library_of, namespace, to_numpy
from vmf.arrays.types import Codes, Matrix, Vector
from vmf.distribution.components import one_minus_cosines
from vmf.estimation.statistics import SufficientStatistics, statistics_by_class
from vmf.models.expectation import merged_statistics, one_hot

_CHUNK_BYTES = 32 << 20


def labelled_statistics(
    rows: DirectionRows, codes: Codes, count: int, sample_weight: Vector
) -> list[SufficientStatistics]:
    """Return the statistics of each of `count` sets of rows.

    Parameters
    ----------
    codes : (n,) int
        The set of each row, 0 to `count` - 1.
    sample_weight : (n,) float64
        How many rows each row stands for: 2 is the row twice, 0 is no row.
    """
    return rows.reduce(_statistics, _added, (codes, sample_weight), count=count)


def _added(parts: Sequence[list[SufficientStatistics]]) -> list[SufficientStatistics]:
    total = list(parts[0])
    for part in parts[1:]:
        total = [one + other for one, other in zip(total, part, strict=True)]
    return total


def _statistics(
    rows: DirectionRows, codes: Codes, sample_weight: Vector, *, count: int
) -> list[SufficientStatistics]:
    if not rows.sparse and namespace(rows.array).__name__ != "torch":
        return _by_compiled_sums(rows, codes, count, sample_weight)
    found = _by_products(rows, codes, count, sample_weight, None)
    if all(one.dispersion > one.weight / 16 for one in found):
        return found
    means = np.stack([_direction(one) for one in found])
    return _by_products(rows, codes, count, sample_weight, means)


def as_repetitions(statistics: SufficientStatistics) -> SufficientStatistics:
    """Return statistics whose weights count rows, where they were importances."""
    return replace(statistics, count=statistics.weight, weight2=statistics.weight)


def _by_compiled_sums(
    rows: DirectionRows, codes: Codes, count: int, sample_weight: Vector
) -> list[SufficientStatistics]:
    found: dict[Any, SufficientStatistics] = {
        code: SufficientStatistics.empty(rows.dim) for code in range(count)
    }
    plain = bool((sample_weight == 1).all())
    step = max(1, _CHUNK_BYTES // (rows.dim * int(rows.array.dtype.itemsize)))
    for start in range(0, rows.count, step):
        part = slice(start, start + step)
        found = statistics_by_class(
            rows.array[part],
            codes[part],
            weights=None if plain else sample_weight[part],
            on_bad_rows="error" if rows.zero is None else "skip",  # NaN has been refused already
            first_row=start,
            initial=found,
        )
    result = [found[code] for code in range(count)]
    return result if plain else [as_repetitions(one) for one in result]


def _by_products(
    rows: DirectionRows,
    codes: Codes,
    count: int,
    sample_weight: Vector,
    means: Matrix | None,
) -> list[SufficientStatistics]:
    """With `means`, dispersions are sums of 1 - cos about them instead of differences."""
    weights = np.bincount(codes, sample_weight, count).astype(np.float64)
    sums = np.zeros((count, rows.dim))
    dispersions = None if means is None else np.zeros(count)
    for block in rows.blocks("float64"):
        part = slice(block.start, block.start + block.array.shape[0])
        shares = one_hot(in_library_of(codes[part], block.inverse_norms), count)
        weighted = shares * in_library_of(sample_weight[part], shares)[:, None]
        sums += block.sums(weighted)
        if means is not None and dispersions is not None:
            device_means = in_library_of(means, block.inverse_norms)
            distance = one_minus_cosines(block, means, device_means, range(count))
            dispersions += to_numpy((weighted * distance).sum(0))
    before = np.zeros_like(sums) if means is None else means
    return merged_statistics(weights, weights, sums, dispersions, before)


def _direction(one: SufficientStatistics) -> Vector:
    if one.weight > 0 and one.resultant.any():
        return one.mean_direction
    axis = np.zeros(one.dimension)
    axis[0] = 1.0
    return axis
