"""Dask arrays: a function of each chunk of rows, and sums of what they give in a fixed order.

Chunks are those of the array; whoever computes them, and in whatever order, the results are merged
16 neighbours at a time. They are computed by the default client of dask.distributed, else by threads.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt

from vmf.estimation.rows import BadRowError, OnBadRows, as_weights
from vmf.estimation.statistics import SufficientStatistics, statistics_by_class

Found = TypeVar("Found")

_MERGED_AT_ONCE = 16


def rows_of(X: Any, *, counted: bool = False) -> Any:
    """Return a dask array with whole rows in each chunk; ValueError for what has no rows.

    With `counted`, the rows of chunks of unknown size are counted, which computes them.
    """
    if X.ndim != 2 or X.shape[1] < 2:
        raise ValueError(f"X has shape {X.shape}; expected 2-D (rows, dim), dim 2 or more")
    whole = X.rechunk({1: -1})
    if counted and np.isnan(whole.shape[0]):
        whole = whole.copy()
        whole.compute_chunk_sizes()
    return whole


def reduced(
    function: Callable[..., Found],
    merge: Callable[[Sequence[Found]], Found],
    X: Any,
    beside: Sequence[Any] = (),
) -> Found:
    """Return `function(chunk, *parts)` of all chunks of `X`, merged in their order.

    Parameters
    ----------
    merge : callable
        Takes the results of some neighbouring chunks in order.
    X : dask array (n, dim), with whole rows in each chunk
    beside : sequence of (n,) NumPy or dask arrays, or None
        Each chunk gets its part of them.
    """
    chunks = X.to_delayed().reshape(-1)
    columns = [_parts(values, X) for values in beside]
    work = dask.delayed(function, pure=False)
    found = [work(chunk, *parts) for chunk, *parts in zip(chunks, *columns, strict=True)]
    join = dask.delayed(merge, pure=False)
    while len(found) > 1:
        steps = range(0, len(found), _MERGED_AT_ONCE)
        found = [join(found[first : first + _MERGED_AT_ONCE]) for first in steps]
    (result,) = dask.compute(found[0])
    return result  # type: ignore[no-any-return]


def _parts(values: Any, X: Any) -> list[Any]:
    if values is None:
        return [None] * X.numblocks[0]
    if isinstance(values, da.Array):
        return list(values.rechunk((X.chunks[0],)).to_delayed())
    ends = np.cumsum(X.chunks[0])
    return list(np.split(values, ends[:-1]))


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


def mapped(model: Any, method: str, X: Any) -> Any:
    """Return the dask array of `model.method` of each row of X; nothing is computed yet."""
    X = rows_of(X)
    row = np.zeros((1, X.shape[1]), X.dtype)
    row[0, 0] = 1.0
    like = np.asarray(getattr(model, method)(row))
    there = dask.delayed(model, pure=False, traverse=False)

    def of_chunk(chunk: Any, model: Any) -> Any:
        if not len(chunk):
            return np.empty((0, *like.shape[1:]), like.dtype)
        return getattr(model, method)(aligned(chunk))

    shape = {"drop_axis": 1} if like.ndim == 1 else {"chunks": (X.chunks[0], like.shape[1:])}
    return X.map_blocks(of_chunk, model=there, dtype=like.dtype, meta=like[:0], **shape)


def aligned(chunk: Any) -> Any:
    """Return the chunk, copied if it begins between two numbers, as what has travelled may.

    Matrix products of such arrays are rounded differently.
    """
    return np.require(chunk, requirements=["C", "A"]) if isinstance(chunk, np.ndarray) else chunk
