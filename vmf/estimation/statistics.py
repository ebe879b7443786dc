"""Sufficient statistics of the von Mises-Fisher distribution: all that a fit needs of the data.

A fit is always chunks -> statistics -> solve. The sum S of the unit rows is sufficient; kept
beside it is the dispersion W - |S| (W the sum of the weights), because for concentrated data it is
what decides kappa and a subtraction of two nearly equal numbers would lose it. Two statistics
merge through

    (W - |S|) = (W_1 - |S_1|) + (W_2 - |S_2|) + |S_1| |S_2| |m_1 - m_2|^2 / (|S_1| + |S_2| + |S|),

m_i = S_i/|S_i|: the dispersion within the parts plus that between their directions, as in an
analysis of variance (Mardia & Jupp, Directional Statistics, 2000, section 10.6). Every term is
>= 0, so nothing cancels.

Without weights S is exact (see `vmf.arrays.rows.row_sums`), and unless the rows are very
concentrated W - |S| is computed from it alone. R, kappa and the mean direction then have the same
bits from whatever chunks, files, machines and in whatever order the rows come. Below 1 - R of 2^-12
the merged dispersion takes over, whose last digits depend on the order of the merges. Weighted rows
and rows on a GPU are added with compensation, which leaves such digits too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from vmf.arrays.libraries import is_cupy, is_dask
from vmf.arrays.rows import (
    OnBadRows,
    RowSums,
    as_rows,
    as_weights,
    dispersion_of_each,
    find_fault,
    row_sums,
    scale_to_order_one,
    two_sum,
    unit_norm_tolerance,
    usable_norms,
)
from vmf.arrays.types import Rows, Vector
from vmf.errors import BadRowError

Found = TypeVar("Found")

# Below this 1 - R the dispersion is nothing but the rounding of unit vectors to float64.
_ROUNDING_FLOOR = 2.0**-98

# Above this 1 - R a subtraction W - |S| of float64 numbers costs at most 4 bits.
_SUBTRACTION_IS_FINE = 1.0 / 16.0

_FROM_SUMS = float("-inf")
"""This very object as a dispersion: it is computed from the sums when it is asked for."""

# Above this 1 - R the difference of W and the exact |S| is right to 1e-13: rounding the norms of
# the rows turns each unit vector into one of length 1 +- 1e-16, which averages out over rows.
EXACT_SUBTRACTION_IS_FINE = 2.0**-12


@dataclass(frozen=True, eq=False)
class SufficientStatistics:
    """Count, weights, resultant vector and dispersion of a set of directions; `+` merges two.

    Objects are immutable; `update` returns a new one.

    Parameters
    ----------
    count : float
        Number of rows (a prior may add a fraction of one).
    weight : float
        Sum of the weights, W.
    weight2 : float
        Sum of the squared weights.
    resultant, resultant_lo : (dim,) float64
        S = sum_i w_i x_i / |x_i| as the unevaluated sum of two arrays. The second holds the
        rest that float64 has no room for; without weights the two are the exact sum.
    normalised : int
        Rows whose norm was off 1 by more than 1e-5 (1e-3 in float16) and that were divided by it.
    skipped : int
        Rows left out because they held NaN or infinity or were zero.
    dispersion : float, optional
        W - |S|. Computed from the other fields when left out, which loses it for R near 1.

    Notes
    -----
    What limits `one_minus_mean_resultant_length`: the rows themselves. Unit rows in float64 are
    rounded at 1e-16 in each direction, so the dispersion of *those* rows is exact to about 1e-14
    relative down to 1 - R of 1e-20, and values below 3e-30 count as 0. Rows
    stored in float32 are rounded at 6e-8: below 1 - R of about 1e-14 what is measured is their
    rounding, not their spread.

    Weights are importances: multiplying all of them by a constant changes no estimate, no
    standard error and no interval, except next to a prior, whose pseudo-count is in the same unit.
    """

    count: float
    weight: float
    weight2: float
    resultant: Vector = field(repr=False)
    resultant_lo: Vector = field(repr=False)
    normalised: int = 0
    skipped: int = 0
    # By a factory, or the default would be an attribute of the class and __getattr__ not be asked.
    dispersion: float = field(default_factory=lambda: math.nan)

    def __post_init__(self) -> None:
        for name in ("resultant", "resultant_lo"):
            vector = np.array(getattr(self, name), dtype=np.float64)
            if vector.ndim != 1 or vector.shape[0] < 2:
                raise ValueError(
                    f"{name} has shape {vector.shape}; expected (dim,) with dim 2 or more"
                )
            if not np.isfinite(vector).all():
                raise ValueError(f"{name} has values that are not finite")
            vector.flags.writeable = False
            object.__setattr__(self, name, vector)
        if self.resultant.shape != self.resultant_lo.shape:
            raise ValueError(
                f"resultant has dimension {self.resultant.size}, "
                f"resultant_lo {self.resultant_lo.size}"
            )
        for name in ("count", "weight", "weight2", "normalised", "skipped"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}; it must be finite and >= 0")
        length = _norm(self.resultant + self.resultant_lo)
        if length > self.weight * (1 + 1e-9):
            raise ValueError(
                f"the resultant has length {length}, more than the sum of the weights {self.weight}"
            )
        if self.dispersion is _FROM_SUMS:
            object.__delattr__(self, "dispersion")
        elif math.isnan(self.dispersion):
            object.__setattr__(self, "dispersion", max(self.weight - length, 0.0))
        elif not 0 <= self.dispersion <= self.weight:
            raise ValueError(
                f"dispersion is {self.dispersion}; it must lie between 0 and the sum of the "
                f"weights, {self.weight}"
            )

    def __getattr__(self, name: str) -> float:
        """The dispersion that follows from the sums, when it is asked for.

        It takes longer than all else about a sum, and of what is merged chunk after chunk only the
        last one is ever asked.
        """
        if name != "dispersion":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        found = min(_exact_dispersion(self.weight, self.resultant, self.resultant_lo), self.weight)
        object.__setattr__(self, "dispersion", found)
        return found

    @classmethod
    def empty(cls, dim: int) -> SufficientStatistics:
        """Return the statistics of no rows in dimension `dim` (2 or more)."""
        return cls(0.0, 0.0, 0.0, np.zeros(dim), np.zeros(dim), dispersion=0.0)

    @classmethod
    def from_rows(
        cls,
        X: npt.ArrayLike,
        *,
        weights: npt.ArrayLike | None = None,
        on_bad_rows: OnBadRows = "error",
        first_row: int = 0,
    ) -> SufficientStatistics:
        """Return the statistics of the rows of `X`.

        Parameters
        ----------
        X : (rows, dim) float16, float32, float64 or integers
            Need not be of unit length: only the directions count. A CuPy array is summed on its
            device, a dask array chunk by chunk where dask computes.
        weights : (rows,) numbers, optional
            Finite and >= 0.
        on_bad_rows : {"error", "skip"}
            What to do with rows that hold NaN or infinity or are zero: raise, or leave out and
            count in `skipped`.
        first_row : int
            Index of the first row of `X` in the whole input, for error messages.

        Raises
        ------
        BadRowError
            Names the row and the column.
        TypeError, ValueError
            Wrong type of elements, shape, dimension 1, wrong weights.
        """
        _checked_policy(on_bad_rows)
        if is_cupy(X):
            from vmf.estimation.gathering_cupy import statistics_of

            return statistics_of(X, weights, on_bad_rows, first_row)
        if is_dask(X):
            from vmf.estimation.gathering_dask import statistics_of as of_chunks

            return of_chunks(X, weights, on_bad_rows, first_row)
        rows = as_rows(X)
        return statistics_of_rows(
            rows,
            None if weights is None else as_weights(weights, rows.shape[0]),
            on_bad_rows,
            np.arange(first_row, first_row + rows.shape[0]),
        )

    def update(
        self,
        X: npt.ArrayLike,
        weights: npt.ArrayLike | None = None,
        *,
        on_bad_rows: OnBadRows = "error",
        first_row: int = 0,
    ) -> SufficientStatistics:
        """Return the statistics of these rows and those of `X` together; see `from_rows`."""
        return self + SufficientStatistics.from_rows(
            X, weights=weights, on_bad_rows=on_bad_rows, first_row=first_row
        )

    def __add__(self, other: SufficientStatistics) -> SufficientStatistics:
        if not isinstance(other, SufficientStatistics):
            return NotImplemented
        if self.dimension != other.dimension:
            raise ValueError(
                f"cannot merge statistics of dimension {self.dimension} and {other.dimension}"
            )
        hi, error = two_sum(self.resultant, other.resultant)
        lo = error + (self.resultant_lo + other.resultant_lo)
        hi, lo = two_sum(hi, lo)
        count, weight = self.count + other.count, self.weight + other.weight
        dispersion = _FROM_SUMS
        if not follows_from_sums(count, weight, _norm(hi + lo)):
            dispersion = self.dispersion + other.dispersion + _dispersion_between(self, other)
        return SufficientStatistics(
            count=count,
            weight=weight,
            weight2=self.weight2 + other.weight2,
            resultant=hi,
            resultant_lo=lo,
            normalised=self.normalised + other.normalised,
            skipped=self.skipped + other.skipped,
            dispersion=min(dispersion, weight),
        )

    @property
    def dimension(self) -> int:
        """Dimension p of the space the directions live in."""
        return int(self.resultant.shape[0])

    @property
    def effective_count(self) -> float:
        """Kish's effective number of rows, (sum w)^2 / sum w^2; the number of rows if unweighted.

        With weights, E R^2 = A^2 + (1 - A^2) / effective_count holds exactly.
        """
        self._require_rows()
        return self.weight * self.weight / self.weight2

    @property
    def mean_resultant_length(self) -> float:
        """R = |S| / W, between 0 and 1."""
        self._require_rows()
        r = _norm(self.resultant + self.resultant_lo) / self.weight
        return r if r < 0.5 else 1.0 - self.dispersion / self.weight

    @property
    def one_minus_mean_resultant_length(self) -> float:
        """1 - R, to full relative accuracy for R near 1 too."""
        self._require_rows()
        r = _norm(self.resultant + self.resultant_lo) / self.weight
        return 1.0 - r if r < 0.5 else self.dispersion / self.weight

    @property
    def mean_direction(self) -> Vector:
        """S / |S|, shape (dim,); ValueError when S = 0, which has no direction."""
        self._require_rows()
        total = self.resultant + self.resultant_lo
        length = _norm(total)
        if length == 0:
            raise ValueError("the rows cancel exactly (R = 0): there is no mean direction")
        return total / length

    def _require_rows(self) -> None:
        if self.weight <= 0:
            raise ValueError("there are no rows (or all weights are 0)")


def statistics_by_class(
    X: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    on_bad_rows: OnBadRows = "error",
    first_row: int = 0,
    initial: Mapping[Any, SufficientStatistics] | None = None,
) -> dict[Any, SufficientStatistics]:
    """Return {label: statistics of the rows that have it}, the labels in sorted order.

    Parameters
    ----------
    X, weights, on_bad_rows, first_row
        As for `SufficientStatistics.from_rows`; the rows of a CuPy array stay on its device.
    labels : (rows,) array of strings or numbers
    initial : mapping, optional
        Result for earlier chunks; it is not changed, its labels come first in the result.

    Raises
    ------
    BadRowError, TypeError, ValueError
        As `from_rows`; also when there is not one label a row.
    """
    policy = _checked_policy(on_bad_rows)
    if is_dask(X):
        from vmf.estimation.gathering_dask import statistics_by_class_of

        return statistics_by_class_of(X, labels, weights, policy, first_row, initial)
    count, statistics_of_members = _parts(X, weights, policy, first_row)
    # A CuPy array's own conversion: NumPy's is refused, since it would hide the copy.
    label_array = labels.get() if is_cupy(labels) else np.asarray(labels)  # type: ignore[union-attr]
    if label_array.shape != (count,):
        raise ValueError(f"labels have shape {label_array.shape}; expected ({count},), one a row")
    result: dict[Hashable, SufficientStatistics] = dict(initial or {})
    for label, part in of_each_label(
        label_array, lambda _, members: statistics_of_members(members), first_row
    ):
        result[label] = result[label] + part if label in result else part
    return result


def of_each_label(
    labels: npt.NDArray[Any],
    found_of: Callable[[Any, npt.NDArray[np.intp]], Found],
    first_row: int = 0,
) -> list[tuple[Any, Found]]:
    """Each label, in sorted order, and what ``found_of(label, numbers of its rows)`` gives.

    Raises
    ------
    BadRowError
        That of the first row, of all that ``found_of`` raises.
    TypeError, ValueError
        See `members_by_label`.
    """
    found: list[tuple[Any, Found]] = []
    first_error: BadRowError | None = None
    for label, members in members_by_label(labels, first_row):
        try:
            found.append((label, found_of(label, members)))
        except BadRowError as error:
            if first_error is None or error.row < first_error.row:
                first_error = error
    if first_error is not None:
        raise first_error
    return found


def members_by_label(
    labels: npt.NDArray[Any], first_row: int = 0
) -> Iterator[tuple[Any, npt.NDArray[np.intp]]]:
    """Yield each label, in sorted order, and the numbers of the rows that have it.

    Raises
    ------
    TypeError, ValueError
        For labels that cannot be compared, and for NaN, with its row counted from ``first_row``.
    """
    if labels.size == 0:
        return
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError(
            f"the label of row {first_row + int(np.argmax(np.isnan(labels)))} (counted from 0) is nan"
        )
    # Sorting brings the rows of a class together: one copy of the chunk, whatever the classes.
    try:
        order = np.argsort(labels, kind="stable")
    except TypeError:
        raise TypeError(
            "labels mix types that cannot be compared; use all strings or all numbers"
        ) from None
    borders = np.flatnonzero(labels[order][1:] != labels[order][:-1]) + 1
    for members in np.split(order, borders):
        yield labels[members[:1]].tolist()[0], members


def _parts(
    X: Any, weights: Any, on_bad_rows: OnBadRows, first_row: int
) -> tuple[int, Callable[[npt.NDArray[np.intp]], SufficientStatistics]]:
    """Return the number of rows, and what gives the statistics of those with given numbers."""
    if is_cupy(X):
        from vmf.estimation.gathering_cupy import statistics_of_parts

        return len(X), statistics_of_parts(X, weights, on_bad_rows, first_row)
    rows = as_rows(X)
    row_weights = None if weights is None else as_weights(weights, rows.shape[0])

    def part(members: npt.NDArray[np.intp]) -> SufficientStatistics:
        of_members = None if row_weights is None else row_weights[members]
        return statistics_of_rows(rows[members], of_members, on_bad_rows, first_row + members)

    return rows.shape[0], part


def _checked_policy(on_bad_rows: OnBadRows) -> OnBadRows:
    if on_bad_rows not in ("error", "skip"):
        raise ValueError(f"on_bad_rows is {on_bad_rows!r}; expected 'error' or 'skip'")
    return on_bad_rows


def _norm(vector: Vector) -> float:
    # NumPy's pairwise sum: its rounding error does not grow with the dimension, a BLAS dot's does.
    return math.sqrt(float(np.sum(vector * vector)))


def statistics_of_rows(
    rows: Rows,
    weights: Vector | None,
    on_bad_rows: OnBadRows,
    row_numbers: npt.NDArray[np.intp],
) -> SufficientStatistics:
    if rows.shape[0] == 0:
        return SufficientStatistics.empty(rows.shape[1])
    sums = row_sums(rows, weights)
    usable = usable_norms(sums.squared_norms)
    if usable.all():
        return _from_sums(rows, weights, sums)

    # Rare: rows without a direction, and float64 rows so long or short that squares overflow.
    chosen = np.flatnonzero(~usable)
    doubtful = rows[chosen].astype(np.float64)
    faults = [find_fault(row) for row in doubtful]
    if on_bad_rows == "error":
        for number, fault in sorted(
            (int(row_numbers[index]), fault)
            for index, fault in zip(chosen, faults, strict=True)
            if fault is not None
        ):
            raise BadRowError(number, *fault)
    sound = np.array([fault is None for fault in faults])
    result = SufficientStatistics.empty(rows.shape[1])
    if usable.any():
        part_weights = None if weights is None else weights[usable]
        part = rows[usable]
        result += _from_sums(part, part_weights, row_sums(part, part_weights))
    if sound.any():
        part_weights = None if weights is None else weights[chosen[sound]]
        part = scale_to_order_one(doubtful[sound])
        extreme = _from_sums(part, part_weights, row_sums(part, part_weights))
        result += replace(extreme, normalised=int(sound.sum()))
    return replace(result, skipped=int((~sound).sum()))


def _from_sums(rows: Rows, weights: Vector | None, sums: RowSums) -> SufficientStatistics:
    """Statistics of `rows`, all of which have a direction."""
    count = float(rows.shape[0])

    def dispersion_about(direction: Vector) -> float:
        each = dispersion_of_each(rows, sums.squared_norms, direction)
        return float(np.sum(each if weights is None else weights * each))

    return statistics_from_sums(
        count=count,
        weight=count if weights is None else float(np.sum(weights)),
        weight2=count if weights is None else float(np.sum(weights * weights)),
        resultant=sums.resultant,
        resultant_lo=sums.resultant_lo,
        normalised=count_off_unit(sums.squared_norms, rows.dtype),
        dispersion_about=dispersion_about,
    )


def count_off_unit(squared_norms: Vector, dtype: np.dtype[Any]) -> int:
    """How many rows, stored as `dtype`, are not of unit length."""
    off_unit = np.abs(np.sqrt(squared_norms) - 1.0) > unit_norm_tolerance(dtype)
    return int(np.count_nonzero(off_unit))


def statistics_from_sums(
    *,
    count: float,
    weight: float,
    weight2: float,
    resultant: Vector,
    resultant_lo: Vector,
    normalised: int,
    dispersion_about: Callable[[Vector], float],
) -> SufficientStatistics:
    """Statistics from the sums over rows that all have a direction.

    `dispersion_about(m)` returns sum_i w_i (1 - u_i . m) for a unit vector m, from the rows; it is
    called only where the difference of `weight` and the length of the resultant has lost digits.
    """
    total = resultant + resultant_lo
    length = _norm(total)
    dispersion = _FROM_SUMS
    if not follows_from_sums(count, weight, length):
        dispersion = max(weight - length, 0.0)
        if weight > 0 and dispersion < _SUBTRACTION_IS_FINE * weight:
            dispersion = dispersion_about(total / length)
            if dispersion < _ROUNDING_FLOOR * weight:
                dispersion = 0.0
    return SufficientStatistics(
        count=count,
        weight=weight,
        weight2=weight2,
        resultant=resultant,
        resultant_lo=resultant_lo,
        normalised=normalised,
        dispersion=dispersion,
    )


def follows_from_sums(count: float, weight: float, length: float) -> bool:
    """Whether W - |S| can be had from S, which is exact for rows without weights."""
    return count == weight > 0 and weight - length >= EXACT_SUBTRACTION_IS_FINE * weight


def _exact_dispersion(weight: float, hi: Vector, lo: Vector) -> float:
    """W - |S| from S = hi + lo alone; see `follows_from_sums`.

    (W^2 - |S|^2) / (W + |S|) with the numerator rounded once: squares are taken without error
    (Dekker, Numerische Mathematik 18, 1971) and summed exactly.
    """
    length = _norm(hi + lo)
    values = np.append(hi, weight)
    square = values * values
    split = 134217729.0 * values  # 2^27 + 1
    upper = split - (split - values)
    lower = values - upper
    rest = ((upper * upper - square) + 2.0 * upper * lower) + lower * lower
    rest[:-1] += 2.0 * hi * lo
    small = float(rest[-1]) - float(np.sum(rest[:-1]))
    numerator = math.fsum([float(square[-1]), small, *(-square[:-1]).tolist()])
    return max(numerator / (weight + length), 0.0)


def _dispersion_between(a: SufficientStatistics, b: SufficientStatistics) -> float:
    """|S_a| + |S_b| - |S_a + S_b|, without cancellation when the directions agree."""
    total_a, total_b = a.resultant + a.resultant_lo, b.resultant + b.resultant_lo
    length_a, length_b = _norm(total_a), _norm(total_b)
    if length_a == 0 or length_b == 0:
        return 0.0
    squared_chord = float(np.sum((total_a / length_a - total_b / length_b) ** 2))
    if squared_chord < 2 * _ROUNDING_FLOOR:
        return 0.0
    return length_a * length_b * squared_chord / (length_a + length_b + _norm(total_a + total_b))
