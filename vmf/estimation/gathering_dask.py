"""Statistics of dask arrays: found chunk by chunk where dask computes, merged in the order of the rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
import numpy.typing as npt

from vmf.arrays.dask_rows import reduced, rows_of
from vmf.arrays.rows import OnBadRows, as_weights
from vmf.errors import BadRowError
from vmf.estimation.statistics import SufficientStatistics, statistics_by_class


class _Part(NamedTuple):
    """What is found in some rows, by class: statistics, or the first row that is bad."""

    rows: int
    statistics: dict[Hashable, SufficientStatistics]
    error: BadRowError | None = None


def statistics_of(
    X: Any, weights: npt.ArrayLike | None, on_bad_rows: OnBadRows, first_row: int
) -> SufficientStatistics:
    """`SufficientStatistics.from_rows` of a dask array."""

    def of_chunk(chunk: Any, part_weights: Any) -> _Part:
        found = SufficientStatistics.from_rows(chunk, weights=part_weights, on_bad_rows=on_bad_rows)
        return _Part(len(chunk), {None: found})

    X = rows_of(X, counted=weights is not None)
    return _statistics(of_chunk, X, (_given(weights, X),), first_row)[None]


def statistics_by_class_of(
    X: Any,
    labels: Any,
    weights: npt.ArrayLike | None,
    on_bad_rows: OnBadRows,
    first_row: int,
    initial: Mapping[Any, SufficientStatistics] | None,
) -> dict[Any, SufficientStatistics]:
    """`vmf.estimation.statistics_by_class` of a dask array; `labels` may be one too."""
    X = rows_of(X, counted=True)
    labels = labels if isinstance(labels, da.Array) else np.asarray(labels)
    if labels.shape != X.shape[:1]:
        raise ValueError(f"labels have shape {labels.shape}; expected ({X.shape[0]},), one a row")

    def of_chunk(chunk: Any, part_labels: Any, part_weights: Any) -> _Part:
        found = statistics_by_class(
            chunk, part_labels, weights=part_weights, on_bad_rows=on_bad_rows
        )
        return _Part(len(chunk), found)

    found = _statistics(of_chunk, X, (labels, _given(weights, X)), first_row)
    result = dict(initial or {})
    for label in sorted(found):  # type: ignore[type-var]
        result[label] = result[label] + found[label] if label in result else found[label]
    return result


def _given(weights: Any, X: Any) -> Any:
    if weights is None or isinstance(weights, da.Array):
        return weights
    return as_weights(weights, X.shape[0])


def _statistics(
    of_chunk: Callable[..., _Part], X: Any, beside: Sequence[Any], first_row: int
) -> dict[Hashable, SufficientStatistics]:
    def or_bad_row(chunk: Any, *parts: Any) -> _Part:
        try:
            return of_chunk(chunk, *parts)
        except BadRowError as error:
            return _Part(len(chunk), {}, error)

    found = reduced(or_bad_row, _merged, X, beside)
    if found.error is not None:
        raise BadRowError(
            found.error.row + first_row, found.error.column, found.error.reason
        ) from None
    return found.statistics


def _merged(parts: Sequence[_Part]) -> _Part:
    rows = 0
    statistics: dict[Hashable, SufficientStatistics] = {}
    for part in parts:
        if part.error is not None:
            bad = part.error
            return _Part(rows, {}, BadRowError(rows + bad.row, bad.column, bad.reason))
        for label, one in part.statistics.items():
            statistics[label] = statistics[label] + one if label in statistics else one
        rows += part.rows
    return _Part(rows, statistics)
