"""Rows that are on a GPU: their statistics and distances, in one pass over the device's memory.

The counterpart of `vmf.arrays.rows` for CuPy arrays. Only what does not grow with the number of
rows comes to the host: the resultant, counts, and rows that turn out to have no direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vmf.arrays.gpu import kernel, require_cupy
from vmf.arrays.libraries import is_cupy
from vmf.arrays.rows import OnBadRows, find_fault, unit_norm_tolerance
from vmf.errors import BadRowError

if TYPE_CHECKING:
    from vmf.estimation.statistics import SufficientStatistics

_BLOCK = 256
_BLOCKS = 1024  # fixed, so that the order of the additions is the same on every card
_MOST_PACKS = 4
_CACHED_BYTES = 2**24  # rows too long for the registers: read twice, the second time from cache
_ROW_TYPES = {"float16": "half_bits", "float32": "float", "float64": "double"}


def as_device_rows(X: Any, *, name: str = "X") -> Any:
    """Return the CuPy array `X` as (rows, dim) of float16, float32 or float64; errors as `as_rows`."""
    if X.dtype.kind not in "fiu":
        raise TypeError(
            f"{name} has dtype {X.dtype}; embeddings must be a numeric array "
            "of float16, float32, float64 or integers"
        )
    if X.ndim != 2:
        raise ValueError(f"{name} has shape {X.shape}; expected 2-D (rows, dim)")
    if X.shape[1] < 2:
        raise ValueError(
            f"{name} has {X.shape[1]} column(s); a direction needs dimension 2 or more"
        )
    rows = X if X.dtype.kind == "f" else X.astype(np.float64)
    if rows.strides[1] != rows.itemsize or rows.strides[0] % rows.itemsize:
        rows = require_cupy().ascontiguousarray(rows)
    return rows


def device_weights(weights: Any, rows: Any) -> Any:
    """Return `weights` on the device of `rows`, float64 (rows,); ValueError unless finite and >= 0."""
    cupy = require_cupy()
    array = weights if is_cupy(weights) else cupy.asarray(np.asarray(weights))
    if array.dtype.kind not in "fiu":
        raise TypeError(f"weights have dtype {array.dtype}; expected numbers")
    if array.shape != (rows.shape[0],):
        raise ValueError(
            f"weights have shape {array.shape}; expected ({rows.shape[0]},), one a row"
        )
    array = cupy.ascontiguousarray(array.astype(np.float64))
    bad = ~(cupy.isfinite(array) & (array >= 0))
    if bool(bad.any()):
        row = int(cupy.argmax(bad))
        raise ValueError(f"weights[{row}] is {float(array[row])}; weights must be finite and >= 0")
    return array


def statistics_of(
    X: Any, weights: Any, on_bad_rows: OnBadRows, first_row: int = 0
) -> SufficientStatistics:
    """Return the statistics of the rows of a CuPy array; see `SufficientStatistics.from_rows`."""
    require_cupy()
    with X.device:
        rows = as_device_rows(X)
        numbers = range(first_row, first_row + rows.shape[0])
        return _statistics(
            rows, None if weights is None else device_weights(weights, rows), on_bad_rows, numbers
        )


def statistics_of_parts(
    X: Any, weights: Any, on_bad_rows: OnBadRows, first_row: int
) -> Callable[[Any], SufficientStatistics]:
    """Return a function from the numbers of some rows (a NumPy array) to the statistics of these.

    It gathers them on the device, one copy at a time.
    """
    cupy = require_cupy()
    with X.device:
        rows = as_device_rows(X)
        row_weights = None if weights is None else device_weights(weights, rows)

    def part(members: Any) -> SufficientStatistics:
        with rows.device:
            chosen = cupy.asarray(members)
            of_chosen = None if row_weights is None else row_weights[chosen]
            return _statistics(rows[chosen], of_chosen, on_bad_rows, first_row + members)

    return part


def _statistics(
    rows: Any, weights: Any, on_bad_rows: OnBadRows, row_numbers: Any
) -> SufficientStatistics:
    from vmf.estimation.statistics import SufficientStatistics, statistics_from_sums

    cupy = require_cupy()
    hi, lo, squared_norms = row_sums(rows, weights)
    usable = (squared_norms >= 2.0**-900) & (squared_norms <= 2.0**1000)
    sound = int(usable.sum())
    # Rows without a direction, and float64 rows so long or short that squares overflow.
    others = SufficientStatistics.empty(rows.shape[1])
    if sound < rows.shape[0]:
        chosen = cupy.flatnonzero(~usable)
        indices = cupy.asnumpy(chosen)
        doubtful = cupy.asnumpy(rows[chosen]).astype(np.float64)
        faults = [find_fault(row) for row in doubtful]
        for index, fault in zip(indices, faults, strict=True):
            if fault is not None and on_bad_rows == "error":
                raise BadRowError(int(row_numbers[int(index)]), *fault)
        extreme = np.array([fault is None for fault in faults])
        if extreme.any():
            part = None if weights is None else cupy.asnumpy(weights[chosen])[extreme]
            others = SufficientStatistics.from_rows(doubtful[extreme], weights=part)
        others = replace(others, skipped=int((~extreme).sum()))
        if sound == 0:
            return others
        squared_norms = cupy.where(usable, squared_norms, 1.0)
        weights = usable.astype(np.float64) if weights is None else cupy.where(usable, weights, 0.0)

    tolerance = unit_norm_tolerance(np.dtype(rows.dtype))
    off_unit = int(cupy.count_nonzero(cupy.abs(cupy.sqrt(squared_norms) - 1.0) > tolerance))
    weight = float(sound) if weights is None else float(weights.sum())
    weight2 = float(sound) if weights is None else float((weights * weights).sum())

    def dispersion_about(direction: np.ndarray[Any, Any]) -> float:
        each = dispersion_of_each(rows, direction)[1]
        if weights is None:
            return float(each.sum())
        # What is not usable may be NaN: 0 times it is not 0.
        return float(cupy.where(weights > 0, weights * each, 0.0).sum())

    return (
        statistics_from_sums(
            count=float(sound),
            weight=weight,
            weight2=weight2,
            resultant=cupy.asnumpy(hi),
            resultant_lo=cupy.asnumpy(lo),
            normalised=off_unit,
            dispersion_about=dispersion_about,
        )
        + others
    )


def row_sums(rows: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Return hi, lo (dim,) and the squared norms (n,): hi + lo is the sum of w_i x_i/|x_i|.

    Rows whose squared norm is not finite, or so near 0 or infinity that digits are lost, add nothing.
    The elements of a row must lie side by side. The additions are in double precision and in an order
    that the shape alone decides: at most n/1024 + 1 in a row, and then 1024 partial sums, whose
    rounding errors go into lo.
    """
    cupy = require_cupy()
    n, dim = rows.shape
    parts = max(1, min(n, _BLOCKS))
    partial = cupy.zeros((parts, dim))
    squared_norms = cupy.empty(n)
    pointer = np.uintp(0) if weights is None else weights
    step = np.int64(rows.strides[0] // rows.itemsize)
    wide = np.int32(_is_wide(rows))
    packs = -(-dim * rows.itemsize // (_BLOCK * 16))
    if n and packs <= _MOST_PACKS:
        packs = 4 if packs == 3 else packs
        arguments = (
            rows,
            step,
            pointer,
            np.int64(n),
            np.int32(dim),
            wide,
            squared_norms,
            partial,
        )
        _kernel(rows, "sum_directions", packs=packs)((parts,), (_BLOCK,), arguments)
    elif n:
        many = max(1, _CACHED_BYTES // (dim * rows.itemsize))
        for start in range(0, n, many):
            part = rows[start : start + many]
            norms = squared_norms[start : start + many]
            part_weights = pointer if weights is None else weights[start : start + many]
            count = np.int64(part.shape[0])
            _kernel(rows, "squared_norms_of")(
                (min(int(count), 65535),),
                (_BLOCK,),
                (part, step, count, np.int32(dim), wide, norms),
            )
            _kernel(rows, "add_directions")(
                (parts, -(-dim // _BLOCK)),
                (_BLOCK,),
                (part, step, part_weights, norms, count, np.int32(dim), partial),
            )
    hi, lo = cupy.empty(dim), cupy.empty(dim)
    _kernel(rows, "merge_partial_sums")(
        (-(-dim // _BLOCK),), (_BLOCK,), (partial, np.int32(parts), np.int32(dim), hi, lo)
    )
    return hi, lo, squared_norms


def dispersion_of_each(rows: Any, direction: Any) -> tuple[Any, Any]:
    """Return the squared norms and 1 - u_i . m = |u_i - m|^2/2, (n,) each, u_i = x_i/|x_i|."""
    cupy = require_cupy()
    n, dim = rows.shape
    squared_norms, dispersion = cupy.empty(n), cupy.empty(n)
    if n:
        _kernel(rows, "dispersion_of_each")(
            (min(n, 65535),),
            (_BLOCK,),
            (
                rows,
                np.int64(rows.strides[0] // rows.itemsize),
                cupy.asarray(direction),
                np.int64(n),
                np.int32(dim),
                np.int32(_is_wide(rows)),
                squared_norms,
                dispersion,
            ),
        )
    return squared_norms, dispersion


def one_minus_cosine(points: Any, mean_direction: Any) -> Any:
    """Return 1 - cos between unit vectors (..., dim) on the device and `mean_direction`, (...).

    Raises
    ------
    ValueError
        Naming the first row that is not of unit length.
    """
    cupy = require_cupy()
    with points.device:
        rows = as_device_rows(points.reshape(-1, points.shape[-1]), name="x")
        squared_norms, result = dispersion_of_each(rows, mean_direction)
        norms = cupy.sqrt(squared_norms)
        off_unit = ~(cupy.abs(norms - 1.0) <= unit_norm_tolerance(np.dtype(rows.dtype)))
        if bool(off_unit.any()):
            row = int(cupy.argmax(off_unit))
            raise ValueError(
                f"row {row} of x (counted from 0) has norm {math.sqrt(float(squared_norms[row]))}; "
                "the density is on unit vectors, divide rows by their norms first"
            )
        return result.reshape(points.shape[:-1])


def _is_wide(rows: Any) -> bool:
    return bool(rows.data.ptr % 16 == 0 and rows.strides[0] % 16 == 0)


def _kernel(rows: Any, name: str, **defines: int) -> Any:
    row = _ROW_TYPES[str(rows.dtype)]
    return kernel("rows.cu", name, int(rows.device.id), row=row, **defines)
