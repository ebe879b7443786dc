"""Whether the nearest embeddings show the same class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import as_rows, widened
from vmf.uncertainty.norm import row_lengths

_BLOCK_BYTES = 96 << 20


@dataclass(frozen=True)
class Retrieval:
    """What the cosine similarities between all rows say, a value a row.

    Attributes
    ----------
    nearest : (rows,) intp
        The most similar other row.
    cosine : (rows,) float64
        Its cosine similarity.
    rank : (rows,) intp
        At which place, from 1, the first row of the same class comes, rows of other classes that
        are equally similar before it; 0 for a row alone in its class.
    average_precision : (rows,) float64
        Average precision at R, NaN for a row alone in its class. Its mean is MAP@R (Musgrave,
        Belongie & Lim, ECCV 2020): R is the number of other rows of the class, and the precisions
        at the places of those among the first R are added and divided by R.
    """

    nearest: npt.NDArray[np.intp]
    cosine: npt.NDArray[np.float64]
    rank: npt.NDArray[np.intp]
    average_precision: npt.NDArray[np.float64]

    def recall_at(self, k: int) -> npt.NDArray[np.float64]:
        """1 for a row with one of its class among the k nearest, else 0; NaN if alone in it."""
        hit = (self.rank <= k).astype(np.float64)
        hit[self.rank == 0] = np.nan
        return hit


def retrieve(
    X: npt.ArrayLike,
    codes: npt.ArrayLike,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Retrieval:
    """Look up every row among all the others by cosine similarity.

    In blocks of queries: beside `X` itself about 100 MB, and four numbers a row. A matrix product
    and a partition: with the many neighbours that average precision needs, faiss's exact search
    takes three to six times as long (10 000 rows, 2048 dimensions, one thread).

    Parameters
    ----------
    X : (rows, dim) array_like
        Only directions count. float16 is converted; of float32 and float64 no copy is made.
    codes : (rows,) array_like of integers
        The class of each row.
    progress : callable, optional
        Called with the rows done and the rows in all.

    Raises
    ------
    ValueError
        For fewer than two rows, rows without a direction, another number of codes.
    """
    rows = as_rows(X)
    if rows.dtype == np.float16:
        rows = widened(rows)
    code: npt.NDArray[Any] = np.asarray(codes)
    count = len(rows)
    if count < 2:
        raise ValueError(f"X has {count} rows; a nearest neighbour needs at least 2")
    if code.shape != (count,):
        raise ValueError(f"codes have shape {code.shape}; expected ({count},), one a row")
    lengths = row_lengths(rows)
    if not lengths.all():
        raise ValueError(f"row {int(np.argmin(lengths))} (counted from 0) is zero")
    inverse = (1.0 / lengths).astype(rows.dtype)
    code = np.unique(code, return_inverse=True)[1]
    others = np.bincount(code)[code] - 1
    result = Retrieval(
        np.empty(count, np.intp), np.empty(count), np.zeros(count, np.intp), np.full(count, np.nan)
    )
    step = max(1, _BLOCK_BYTES // (count * (rows.dtype.itemsize + 10)))
    for start in range(0, count, step):
        part = np.arange(start, min(start + step, count))
        similar = rows[part] @ rows.T
        similar *= inverse  # the query's own length does not change the order
        similar[np.arange(len(part)), part] = -np.inf
        _read_block(similar, part, code, others, inverse, result)
        if progress:
            progress(int(part[-1]) + 1, count)
    return result


def _read_block(
    similar: npt.NDArray[Any],
    part: npt.NDArray[np.intp],
    code: npt.NDArray[Any],
    others: npt.NDArray[np.intp],
    inverse: npt.NDArray[Any],
    result: Retrieval,
) -> None:
    """Fill in the rows `part` of the result from their similarities."""
    local = np.arange(len(part))
    nearest = similar.argmax(axis=1)
    result.nearest[part] = nearest
    result.cosine[part] = similar[local, nearest] * inverse[part]
    same = code[part, np.newaxis] == code
    same[local, part] = False
    best = np.where(same, similar, -np.inf).max(axis=1, keepdims=True)
    has_others = others[part] > 0
    rank = 1 + ((similar >= best) & ~same).sum(axis=1)
    result.rank[part] = np.where(has_others, rank, 0)
    most = int(others[part].max())
    if most == 0:
        return
    top = np.argpartition(similar, -most, axis=1)[:, -most:]
    values = np.take_along_axis(similar, top, axis=1)
    top = np.take_along_axis(top, np.argsort(-values, axis=1, kind="stable"), axis=1)
    place = np.arange(1, most + 1)
    hit = (code[top] == code[part, np.newaxis]) & (place <= others[part, np.newaxis])
    precision = np.cumsum(hit, axis=1) / place
    total = np.where(hit, precision, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        average = total / others[part]
    result.average_precision[part] = np.where(has_others, average, np.nan)
