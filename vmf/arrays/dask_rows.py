"""Dask arrays: a function of each chunk of rows, and sums of what they give in a fixed order.

Chunks are those of the array; whoever computes them, and in whatever order, the results are merged
16 neighbours at a time. They are computed by the default client of dask.distributed, else by threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import dask
import dask.array as da
import numpy as np

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
