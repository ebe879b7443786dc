"""Rows of embeddings: what is accepted, and the sum of their directions.

Everything that looks at single rows is here. A row is a vector of any length but zero; what counts
is its direction, so rows that are not of unit length are divided by their norm.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from vmf import _core
from vmf.arrays.types import Matrix, Rows, Vector
from vmf.errors import BadRowError

OnBadRows = Literal["error", "skip", "keep"]
"""What to do with a row without a direction; only a pass that writes the rows elsewhere can keep it."""

# Beyond these a sum of squares in float64 may have lost digits to overflow or underflow.
_SMALLEST_SQUARED_NORM = 2.0**-900
_LARGEST_SQUARED_NORM = 2.0**1000

# Elements of a float64 work block: 2 MiB, which stays in the second-level cache.
_BLOCK_ELEMENTS = 2**18
_CONVERTED_ELEMENTS = 2**20  # enough for several threads


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


def block_slices(rows: Rows, elements: int = _BLOCK_ELEMENTS) -> list[slice]:
    """Slices that cut `rows` into blocks, by default ones whose float64 copy stays in cache."""
    step = max(1, elements // rows.shape[1])
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
        (see `usable_norms`), `resultant + resultant_lo` is the sum: with weights up to the rounding
        of blocks of 64 rows, whose errors the low part carries; without weights exactly, the first
        being the sum rounded to float64 and the second the rest, for up to 2^42 rows. Otherwise both
        are meaningless.

    Notes
    -----
    Without weights each u_ij = x_ij / |x_i| in float64 is rounded to a multiple of 2^-62, of which a
    number above 2^-9 always is one: an absolute error of 1e-19, less than float64 has at 0.002. From
    there on everything is whole numbers, so the result depends neither on the order of the rows nor
    on how they are cut into chunks, files or machines, and adding two results in two doubles is
    exact too.
    """
    if weights is None:
        whole = whole_row_sums(rows)
        return RowSums(*whole.resultant(), whole.squared_norms)
    n, dim = rows.shape
    sums = RowSums(np.zeros(dim), np.zeros(dim), np.empty(n))
    for part, block in _blocks(rows):
        norms = sums.squared_norms[part]
        _core.row_sums(block, weights[part], sums.resultant, sums.resultant_lo, norms)
    return sums


class WholeSums(NamedTuple):
    """What `row_sums` finds without weights, before it is made into float64 numbers.

    Attributes
    ----------
    upper, lower : (dim,) int64
        The sum is upper 2^-31 + lower 2^-62; such sums add up without rounding.
    squared_norms : (n,) float64
        See `row_sums`.
    """

    upper: npt.NDArray[np.int64]
    lower: npt.NDArray[np.int64]
    squared_norms: Vector

    def resultant(self) -> tuple[Vector, Vector]:
        """The sum rounded to float64 and the rest of it, exactly."""
        return _from_whole_numbers(self.upper, self.lower)


def whole_row_sums(rows: Rows) -> WholeSums:
    """Sum x_i / |x_i| over `rows` as whole numbers; see `row_sums`."""
    n, dim = rows.shape
    found = WholeSums(np.zeros(dim, np.int64), np.zeros(dim, np.int64), np.empty(n))
    for part, block in _blocks(rows):
        _core.exact_row_sums(block, found.upper, found.lower, found.squared_norms[part])
    return found


def scaled_rows(rows: Rows) -> tuple[Vector, Vector]:
    """Return x_i / |x_i|, (n, dim), and the squared norms, (n,), as `row_sums` finds them."""
    units, squared_norms = np.empty(rows.shape), np.empty(len(rows))
    for part, block in _blocks(rows):
        _core.unit_rows(block, units[part], squared_norms[part])
    return units, squared_norms


def _blocks(rows: Rows) -> Iterator[tuple[slice, Rows]]:
    """`rows` as the extension reads them: float32 or float64 in C order."""
    if rows.dtype != np.float16 and rows.flags.c_contiguous and rows.flags.aligned:
        yield slice(None), rows
        return
    for part in block_slices(rows, _CONVERTED_ELEMENTS):
        block = np.require(rows[part], requirements=["C", "A"])
        yield part, widened(block) if block.dtype == np.float16 else block


def widened(halves: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """`halves` as float32, 10 times as fast as by `astype`."""
    bits = np.require(halves, requirements=["C", "A"]).view(np.uint16)
    wide = np.empty(bits.shape, np.float32)
    _core.widen_half(bits, wide)
    return wide


def _from_whole_numbers(
    upper: npt.NDArray[np.int64], lower: npt.NDArray[np.int64]
) -> tuple[Vector, Vector]:
    """upper 2^-31 + lower 2^-62 as a sum rounded to float64 and the rest of it, exactly."""
    upper = upper + (lower >> 31)  # now 0 <= lower < 2^31
    lower = lower & 0x7FFFFFFF
    thirds = upper >> 31, (upper & 0x7FFFFFFF) * 2.0**-31, lower * 2.0**-62
    # Each is a float64 number, and so is what the first two leave with the last one.
    hi, rest = two_sum(thirds[0].astype(np.float64), np.asarray(thirds[1], np.float64))
    return two_sum(hi, rest + thirds[2])


def usable_norms(squared_norms: Vector) -> npt.NDArray[np.bool_]:
    """True where a squared norm is neither NaN nor so near 0 or infinity that digits are lost."""
    return (squared_norms >= _SMALLEST_SQUARED_NORM) & (squared_norms <= _LARGEST_SQUARED_NORM)


def find_fault(row: Vector) -> tuple[int | None, str] | None:
    """Column and reason for which `row` has no direction; None if it has one."""
    finite = np.isfinite(row)
    if not finite.all():
        column = int(np.argmin(finite))
        return column, f"the value is {row[column]}"
    if not row.any():
        return None, "all values are zero, so it has no direction"
    return None


def scale_to_order_one(rows: Matrix) -> Matrix:
    """Multiply each finite, nonzero row by the power of 2 that brings its largest value to ~1."""
    _, exponents = np.frexp(np.abs(rows).max(axis=1))
    scaled: Matrix = np.ldexp(rows, -exponents[:, np.newaxis])
    return scaled


def norm_of(row: npt.NDArray[np.float64]) -> float:
    """Return the norm of a finite, nonzero row whose square may leave the range of float64."""
    _, exponent = np.frexp(np.abs(row).max())
    scaled = np.ldexp(row, -int(exponent))
    return float(np.ldexp(np.sqrt(np.sum(scaled * scaled)), int(exponent)))


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


def rows_with_direction(
    rows: Rows, on_bad_rows: OnBadRows, first_row: int
) -> npt.NDArray[np.bool_]:
    """Which of `rows` have a direction, (n,); BadRowError for the first without, unless skipped."""
    return _sound(rows, row_sums(rows, None).squared_norms, on_bad_rows, first_row)


def _sound(
    rows: Rows, squared_norms: Vector, on_bad_rows: OnBadRows, first_row: int
) -> npt.NDArray[np.bool_]:
    sound = usable_norms(squared_norms)
    for index in np.flatnonzero(~sound):
        fault = find_fault(rows[index].astype(np.float64))
        if fault is not None and on_bad_rows == "error":
            raise BadRowError(first_row + int(index), *fault)
        sound[index] = fault is None
    return sound


def unit_rows(rows: Rows, on_bad_rows: OnBadRows, first_row: int) -> tuple[Vector, int]:
    """The directions of ``rows`` in float64, and how many were off unit length.

    A row without a direction becomes NaN, or raises BadRowError unless ``on_bad_rows`` is "skip".
    What counts as bad and as off unit length is decided by the functions that fitting uses.
    """
    units, squared = scaled_rows(rows)
    with np.errstate(invalid="ignore"):
        off_unit = np.abs(np.sqrt(squared) - 1.0) > unit_norm_tolerance(rows.dtype)
    sound = _sound(rows, squared, on_bad_rows, first_row)
    units[~sound], off_unit[~sound] = np.nan, False
    for index in np.flatnonzero(sound & ~usable_norms(squared)):
        # Squares overflow or underflow, the direction is fine.
        row = rows[index : index + 1].astype(np.float64)
        units[index], _ = scaled_rows(scale_to_order_one(row))
        off_unit[index] = True
    return units, int(off_unit.sum())
