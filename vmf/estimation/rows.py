"""Rows of embeddings: what is accepted, and the sum of their directions.

Everything that looks at single rows is here. A row is a vector of any length but zero; what counts
is its direction, so rows that are not of unit length are divided by their norm.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from vmf import _core

Rows = npt.NDArray[np.floating[Any]]
Vector = npt.NDArray[np.float64]
OnBadRows = Literal["error", "skip"]

# Beyond these a sum of squares in float64 may have lost digits to overflow or underflow.
_SMALLEST_SQUARED_NORM = 2.0**-900
_LARGEST_SQUARED_NORM = 2.0**1000

# Elements of a float64 work block: 2 MiB, which stays in the second-level cache.
_BLOCK_ELEMENTS = 2**18

# Coordinates of unit rows are added as whole multiples of this, see `exact_resultant`.
_GRID = 2.0**-62

# Elements of a block that is put on the grid: its float64 and int64 forms share that cache.
_GRID_BLOCK_ELEMENTS = 2**15


class BadRowError(ValueError):
    """A row that has no direction: it holds NaN or infinity, or is all zeros.

    Attributes
    ----------
    row : int
        Index of the row, counted from 0 over the whole input (not the chunk).
    column : int or None
        Index of the first offending column, None when the whole row is zero.
    reason : str
        What is wrong with it, without the place.
    """

    def __init__(self, row: int, column: int | None, reason: str) -> None:
        self.row = row
        self.column = column
        self.reason = reason
        place = f"row {row}" if column is None else f"row {row}, column {column}"
        super().__init__(
            f"{place} (counted from 0): {reason}; correct or remove the row, "
            "or pass on_bad_rows='skip' to leave such rows out"
        )

    def __reduce__(self) -> tuple[type[BadRowError], tuple[int, int | None, str]]:
        return type(self), (self.row, self.column, self.reason)


class RowSums(NamedTuple):
    """Sum of the weighted directions of some rows, and the squared norm of each row."""

    resultant: Vector
    resultant_lo: Vector
    squared_norms: Vector


def unit_norm_tolerance(dtype: np.dtype[Any]) -> float:
    """Largest | |x| - 1 | at which a row stored in `dtype` still counts as of unit length."""
    return 1e-3 if dtype == np.float16 else 1e-5


def as_rows(X: npt.ArrayLike, *, name: str = "X") -> Rows:
    """Return `X` as a native-endian float16, float32 or float64 array of shape (rows, dim).

    Integers become float64. Raises TypeError for any other kind of element and ValueError for
    any other shape, for dimension 1 and for masked entries.
    """
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(f"{name} has masked entries; fill or drop these rows first")
    array = np.asarray(X)
    kind = array.dtype.kind
    if kind not in "fiu":
        raise TypeError(
            f"{name} has dtype {array.dtype}; embeddings must be a numeric array "
            "of float16, float32, float64 or integers"
        )
    if array.ndim == 1:
        raise ValueError(
            f"{name} is 1-D (shape {array.shape}); pass rows of shape (rows, dim), "
            f"for a single row {name}.reshape(1, -1)"
        )
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; expected 2-D (rows, dim)")
    if array.shape[1] < 2:
        raise ValueError(
            f"{name} has {array.shape[1]} column(s); a direction needs dimension 2 or more"
        )
    if kind != "f" or array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def as_weights(weights: npt.ArrayLike, count: int) -> Vector:
    """Return `weights` as float64 of shape (count,); ValueError unless finite and >= 0."""
    array = np.asarray(weights)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"weights have dtype {array.dtype}; expected numbers")
    if array.shape != (count,):
        raise ValueError(f"weights have shape {array.shape}; expected ({count},), one a row")
    array = array.astype(np.float64)
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"weights[{row}] is {array[row]}; weights must be finite and >= 0")
    return array


def two_sum(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    """Return s, e with s = fl(a + b) and s + e = a + b exactly (Knuth, TAOCP 2, 4.2.2)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def block_slices(rows: Rows) -> list[slice]:
    """Slices that cut `rows` into blocks whose float64 copy stays in cache."""
    step = max(1, _BLOCK_ELEMENTS // rows.shape[1])
    return [slice(start, start + step) for start in range(0, rows.shape[0], step)]


def row_sums(rows: Rows, weights: Vector | None) -> RowSums:
    """Sum w_i x_i / |x_i| over `rows`, in one pass.

    Parameters
    ----------
    rows : (n, dim) float16, float32 or float64, any strides, any values
    weights : (n,) float64, finite and >= 0; None for all ones

    Returns
    -------
    RowSums
        `squared_norms[i]` is sum_j x_ij^2 added up in float64. If each of them is a normal number
        (see `usable_norms`), `resultant + resultant_lo` is the sum, with the rounding errors of
        adding blocks of 64 rows carried in the low part; otherwise both are meaningless.
    """
    n, dim = rows.shape
    sums = RowSums(np.zeros(dim), np.zeros(dim), np.empty(n))
    if rows.dtype != np.float16 and rows.flags.c_contiguous and rows.flags.aligned:
        _core.row_sums(rows, weights, sums.resultant, sums.resultant_lo, sums.squared_norms)
        return sums
    for part in block_slices(rows):  # the extension reads float32 and float64 in C order
        wide = np.float32 if rows.dtype == np.float16 else rows.dtype
        block = np.require(rows[part], dtype=wide, requirements=["C", "A"])
        part_weights = None if weights is None else weights[part]
        _core.row_sums(
            block, part_weights, sums.resultant, sums.resultant_lo, sums.squared_norms[part]
        )
    return sums


def exact_resultant(rows: Rows, sums: RowSums) -> tuple[Vector, Vector]:
    """The sum of the unit rows with no rounding at all, as an unevaluated sum of two arrays.

    Parameters
    ----------
    rows : (n, dim) float16, float32 or float64, all with usable norms
    sums : RowSums
        What `row_sums` gave for them without weights.

    Returns
    -------
    hi, lo : (dim,) float64
        hi is the sum rounded to float64 and lo the rest, exactly, for up to 2^42 rows.

    Notes
    -----
    Each u_ij = x_ij / |x_i| in float64 is rounded to a multiple of 2^-62, of which a number above
    2^-9 always is one: an absolute error of 1e-19, less than float64 has at 0.002. From there on
    everything is whole numbers, so the result depends neither on the order of the rows nor on how
    they are cut into chunks, files or machines, and adding two results in two doubles is exact too.
    The int64 totals may wrap around. They are then right modulo 4, and the floating-point sum in
    `sums`, which is far closer than 2, tells which of these numbers it is.
    """
    dim = rows.shape[1]
    step = max(1, _GRID_BLOCK_ELEMENTS // dim)
    scale = ((1.0 / _GRID) / np.sqrt(sums.squared_norms))[:, np.newaxis]
    work = np.empty((min(step, rows.shape[0]), dim))
    whole = np.empty(work.shape, np.int64)
    total = np.zeros(dim, np.int64)
    for start in range(0, rows.shape[0], step):
        block = rows[start : start + step]
        scaled, units = work[: len(block)], whole[: len(block)]
        np.multiply(block, scale[start : start + step], out=scaled)
        np.rint(scaled, out=scaled)
        np.copyto(units, scaled, casting="unsafe")
        total += np.add.reduce(units, axis=0)
    # Both halves of the 64 bits are float64 numbers.
    upper = (total >> 32).astype(np.float64) * (_GRID * 2.0**32)
    lower = (total & 0xFFFFFFFF).astype(np.float64) * _GRID
    turns = np.rint((sums.resultant + sums.resultant_lo - upper) / 4.0) * 4.0
    hi, error = two_sum(turns, upper)
    return two_sum(hi, error + lower)


def usable_norms(squared_norms: Vector) -> npt.NDArray[np.bool_]:
    """True where a squared norm is neither NaN nor so near 0 or infinity that digits are lost."""
    return (squared_norms >= _SMALLEST_SQUARED_NORM) & (squared_norms <= _LARGEST_SQUARED_NORM)


def find_fault(row: npt.NDArray[np.float64]) -> tuple[int | None, str] | None:
    """Column and reason for which `row` has no direction; None if it has one."""
    finite = np.isfinite(row)
    if not finite.all():
        column = int(np.argmin(finite))
        return column, f"the value is {row[column]}"
    if not row.any():
        return None, "all values are zero, so it has no direction"
    return None


def scale_to_order_one(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Multiply each finite, nonzero row by the power of 2 that brings its largest value to ~1."""
    _, exponents = np.frexp(np.abs(rows).max(axis=1))
    scaled: npt.NDArray[np.float64] = np.ldexp(rows, -exponents[:, np.newaxis])
    return scaled


def dispersion_of_each(rows: Rows, squared_norms: Vector, direction: Vector) -> Vector:
    """Return 1 - u_i . m = |u_i - m|^2 / 2 for u_i = x_i/|x_i| and the unit vector m, `direction`.

    The differences keep their digits when u_i is near m, where 1 - u_i . m has none left.
    Rounding the norm of u_i moves it along m and so enters only squared.
    """
    result = np.empty(rows.shape[0])
    for part in block_slices(rows):
        difference = rows[part].astype(np.float64)
        difference *= (1.0 / np.sqrt(squared_norms[part]))[:, np.newaxis]
        difference -= direction
        result[part] = 0.5 * np.einsum("ij,ij->i", difference, difference)
    return result
