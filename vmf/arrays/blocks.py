"""The rows that a model is fitted to or asked about: what is accepted, and blocks of bounded size.

Only directions count. A row is never divided by its norm in place, nor is the array copied: products with the rows are
multiplied by 1/|x_i| afterwards, which costs n K instead of n p and leaves read-only memory maps as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from vmf.arrays.libraries import cast, dtype_name, in_library_of, namespace, to_numpy
from vmf.arrays.rows import find_fault, norm_of, row_sums, scale_to_order_one, usable_norms
from vmf.arrays.types import Vector
from vmf.errors import BadDirectionError

Found = TypeVar("Found")

# A block of rows is read by two matrix products, the second time from cache.
_BLOCK_BYTES = 1 << 23
_DEVICE_BLOCK_BYTES = 1 << 28
_FEWEST_BLOCK_ROWS = 64

# Norms for which the products of a row stay far from the limits of float32.
_SHORTEST, _LONGEST = 2.0**-40, 2.0**40


class Block(NamedTuple):
    """Some of the rows: `array` (rows, dim), and `inverse_norms` (rows,) float64, 1/|x_i|."""

    start: int
    array: Any
    inverse_norms: Any

    @property
    def sparse(self) -> bool:
        """Whether `array` is a SciPy sparse matrix."""
        return _is_sparse(self.array)

    def dot(self, vectors: Any) -> Any:
        """Return the products of the directions with `vectors` (m, dim), (rows, m) float64."""
        products = cast(self.array @ vectors.T, "float64")
        products *= self.inverse_norms[:, None]
        return products

    def sums(self, factors: Any) -> Vector:
        """Return sum_i factors_im x_i/|x_i| for float64 `factors` (rows, m): (m, dim), on the host."""
        scaled = cast(factors * self.inverse_norms[:, None], dtype_name(self.array))
        products = (self.array.T @ scaled).T if self.sparse else scaled.T @ self.array
        summed: Vector = to_numpy(products).astype(np.float64)
        return summed


class DirectionRows:
    """Rows of a dense array (NumPy, CuPy, torch) or of a SciPy sparse matrix in CSR form.

    Parameters
    ----------
    X : (n, dim) array, checked for its shape and type
        float16, bfloat16, float32 or float64.
    zero_rows_allowed : bool
        Accept rows that are zero. Their inverse norm is 0, and so all their products are.

    Attributes
    ----------
    zero : (n,) bool or None
        Which rows are zero; None where none is.

    Raises
    ------
    BadRowError
        For rows that hold NaN or infinity, or are zero.
    """

    def __init__(self, X: Any, *, zero_rows_allowed: bool = False) -> None:
        self.array = X.detach() if namespace(X).__name__ == "torch" else X
        self.count, self.dim = (int(length) for length in X.shape)
        self.sparse = _is_sparse(X)
        self.host = self.sparse or namespace(X) is np
        self.own_dtype = "float64" if dtype_name(X) == "float64" else "float32"
        width = 8 if self.own_dtype == "float64" else 4
        row_bytes = self.dim * width
        if self.sparse:
            row_bytes = max(1, int(X.nnz * (width + 4) / max(self.count, 1)))
        block_bytes = _BLOCK_BYTES if self.host else _DEVICE_BLOCK_BYTES
        self.block_rows = max(_FEWEST_BLOCK_ROWS, block_bytes // row_bytes)
        norms = self._checked_norms(zero_rows_allowed)
        zero, extreme = norms == 0, (norms > 0) & ((norms < _SHORTEST) | (norms > _LONGEST))
        self.zero = zero if zero.any() else None
        self._extreme = extreme if extreme.any() else None
        with np.errstate(over="ignore"):  # such rows are divided by their norm, see `blocks`
            inverse_norms = 1.0 / np.where(zero, np.inf, norms)
        self.inverse_norms = in_library_of(inverse_norms, self.like)

    @property
    def resolution(self) -> float:
        """1 - R of equal rows, each rounded to the type of the rows with another scale."""
        eps = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23}
        return eps.get(dtype_name(self.array), 2.0**-52) ** 2 / 8

    @property
    def like(self) -> Any:
        """An array of the library and on the device in which results are."""
        return np.empty(0) if self.sparse else self.array

    def blocks(self, dtype: str | None = None, rows: int | None = None) -> Iterator[Block]:
        """Yield all rows in blocks of `dtype` ('float32', 'float64'; default: the rows' own)."""
        step = rows or self.block_rows
        for start in range(0, self.count, step):
            part = slice(start, start + step)
            inverse_norms = self.inverse_norms[part]
            if self._extreme is not None and self._extreme[part].any():
                yield self._unit_block(start, part, inverse_norms)
                continue
            yield Block(start, cast(self.array[part], dtype or self.own_dtype), inverse_norms)

    def directions(self, indices: Any) -> Vector:
        """Return the rows of these indices, in their order, as unit vectors, float64 on the host."""
        chosen = np.asarray(indices)
        if self.sparse:
            found = self.array[chosen].toarray().astype(np.float64)
        elif self.host:
            found = np.asarray(self.array[chosen], dtype=np.float64)
        else:
            found = to_numpy(cast(self.array[in_library_of(chosen, self.array)], "float64"))
        return unit_directions(found)

    def reduce(
        self,
        function: Callable[..., Found],
        merge: Callable[[Sequence[Found]], Found],
        beside: Sequence[Any] = (),
        **fixed: Any,
    ) -> Found:
        """Return `function(rows, *beside, **fixed)`.

        Rows that lie in several places (files, dask arrays) give it for each, with its part of the
        arrays (n,) in `beside`, and `merge` of the results, which it takes in order.
        """
        return function(self, *beside, **fixed)

    def _unit_block(self, start: int, part: slice, like: Any) -> Block:
        unit = self.directions(np.arange(part.start, min(part.stop, self.count)))
        lengths = unit.any(axis=1).astype(np.float64)
        return Block(start, in_library_of(unit, like), in_library_of(lengths, like))

    def _checked_norms(self, zero_rows_allowed: bool) -> Vector:
        squared = np.empty(self.count)
        for start in range(0, self.count, self.block_rows):
            part = slice(start, start + self.block_rows)
            squared[part] = _squared_norms(self.array[part])
        norms = np.sqrt(squared)
        for index in np.flatnonzero(~usable_norms(squared)):
            row = self.array[int(index) : int(index) + 1]
            values = (row.toarray() if self.sparse else to_numpy(cast(row, "float64")))[0]
            if not (zero_rows_allowed and not values.any()):
                norms[index] = _norm_of_odd_row(int(index), values.astype(np.float64))
        return norms


def unit_directions(rows: Vector) -> Vector:
    """Return float64 rows divided by their norms, zero ones as they are."""
    scaled = scale_to_order_one(rows)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    unit: Vector = scaled / np.where(lengths == 0, 1.0, lengths)
    return unit


def zeros_for_bad_rows(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return rows with zeros in place of those that hold NaN or infinity; themselves if none does."""
    finite = np.isfinite(rows).all(axis=1)
    return rows if finite.all() else np.where(finite[:, np.newaxis], rows, np.zeros(1, rows.dtype))


def _is_sparse(X: Any) -> bool:
    return hasattr(X, "nnz") and hasattr(X, "tocsr")


def _squared_norms(rows: Any) -> Vector:
    with np.errstate(over="ignore", invalid="ignore"):
        if _is_sparse(rows):
            doubles = rows.astype(np.float64)
            return np.asarray(doubles.multiply(doubles).sum(axis=1)).reshape(-1)
        xp = namespace(rows)
        if xp is np:
            return row_sums(rows, None).squared_norms
        doubles = cast(rows, "float64")
        squared: Vector = to_numpy(xp.sum(doubles * doubles, 1))
        return squared


def _norm_of_odd_row(index: int, row: Vector) -> float:
    """The norm of a row whose square leaves the range of float64; BadRowError if it has none."""
    fault = find_fault(row)
    if fault is None:
        return norm_of(row)
    column, reason = fault
    if column is not None and np.isnan(row[column]):
        reason = "the value is NaN"
    raise BadDirectionError(index, column, reason)
