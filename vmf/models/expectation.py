"""One pass of EM over the rows: responsibilities, and the statistics they give.

A block of rows is read twice by matrix products, X (kappa mu)^T and r^T X, the second time from cache; everything else
is of the size of the responsibilities, which exist for one block at a time. Products are in the type of the rows,
everything summed over blocks, and the responsibilities, in float64.

The dispersion W_k - |S_k| of a concentrated component is not subtracted but summed (m and m' the directions before and
after):  W - |S| = sum_i w_i r_i (1 - cos(x_i, m)) - |S| |m' - m|^2 / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from vmf.arrays.blocks import Block, DirectionRows
from vmf.arrays.libraries import cast, dtype_name, in_library_of, namespace, to_numpy
from vmf.arrays.types import Matrix, Vector
from vmf.distribution.components import Components, one_minus_cosines
from vmf.estimation.statistics import SufficientStatistics

Assignment = Literal["soft", "hard", "stochastic"]

# Below this 1 - R, W - |S| is summed from 1 - cos.
_SUBTRACTION_IS_FINE = 1.0 / 16.0


@dataclass(frozen=True)
class Precision:
    """How the products are computed: in the type of the rows or wide, and with differences or not.

    float32 products give 1 - R with an error of about 1e-7, float64 ones 1e-16.
    """

    wide: bool = False
    differences: bool = False

    def suffices(self, smallest_dispersion: float, largest_concentration: float) -> bool:
        """Whether 1 - R and kappa cos keep four digits."""
        if not self.wide:
            return smallest_dispersion > 1e-3 and largest_concentration < 1e5
        return self.differences or smallest_dispersion > 1e-9

    def finer(self) -> Precision:
        """Return the next one."""
        return Precision(True, self.wide)


@dataclass(frozen=True, eq=False)
class Pass:
    """What one pass gives.

    Attributes
    ----------
    statistics : list of SufficientStatistics
        One a component.
    log_densities : (n,) float64
        log p(x_i), or max_k log(w_k f_k(x_i)) for hard assignment, at the parameters before.
    objective : float
        Their mean, weighted by the rows' weights.
    """

    statistics: list[SufficientStatistics]
    log_densities: Vector
    objective: float


def expectation(
    rows: DirectionRows,
    sample_weight: Vector,
    components: Components,
    assignment: Assignment = "soft",
    precision: Precision = Precision(),
    uniforms: Vector | None = None,
) -> Pass:
    """Assign all rows to the components, and add them up.

    Parameters
    ----------
    rows : DirectionRows
    sample_weight : (n,) float64
        How many rows each row stands for.
    components : Components
        Parameters of the K components.
    assignment : {"soft", "hard", "stochastic"}
        Responsibilities, the most probable component, or one drawn with them as probabilities.
    uniforms : (n,) float64
        Uniform random numbers, for "stochastic".
    """
    sums = rows.reduce(
        _sums,
        _added,
        (sample_weight, uniforms),
        components=components,
        assignment=assignment,
        precision=precision,
    )
    statistics = merged_statistics(
        sums.weights, sums.weights2, sums.vectors, sums.dispersions, components.mean_directions
    )
    objective = float(sample_weight @ sums.log_densities / sample_weight.sum())
    return Pass(statistics, sums.log_densities, objective)


class _Sums(NamedTuple):
    """Sums over rows: of shares and their squares (K,), shares times rows (K, dim) and shares times
    1 - cos (K,) or None; and the log-density of each."""

    weights: Vector
    weights2: Vector
    vectors: Matrix
    dispersions: Vector | None
    log_densities: Vector


def _added(parts: Sequence[_Sums]) -> _Sums:
    weights, weights2, vectors, dispersions, _ = parts[0]
    for part in parts[1:]:
        weights, weights2 = weights + part.weights, weights2 + part.weights2
        vectors = vectors + part.vectors
        if dispersions is not None and part.dispersions is not None:
            dispersions = dispersions + part.dispersions
    densities = np.concatenate([part.log_densities for part in parts])
    return _Sums(weights, weights2, vectors, dispersions, densities)


def _sums(
    rows: DirectionRows,
    sample_weight: Vector,
    uniforms: Vector | None,
    *,
    components: Components,
    assignment: Assignment,
    precision: Precision,
) -> _Sums:
    count, dim = components.mean_directions.shape
    wide = precision.wide or rows.own_dtype == "float64"
    plain = bool((sample_weight == 1).all())
    sums = np.zeros((count, dim))
    weights, weights2 = np.zeros(count), np.zeros(count)
    dispersions = np.zeros(count) if precision.differences else None
    log_densities = np.empty(rows.count)
    of_block = _Joint(components, precision.differences)
    for block in rows.blocks("float64" if wide else None):
        joint, distance = of_block(block)
        part = slice(block.start, block.start + joint.shape[0])
        shares, value = _assigned(joint, assignment, None if uniforms is None else uniforms[part])
        log_densities[part] = to_numpy(value)
        weighted = shares
        if not plain:
            weighted = shares * in_library_of(sample_weight[part], shares)[:, None]
        xp = namespace(shares)
        weights += to_numpy(weighted.sum(0))
        weights2 += to_numpy(xp.einsum("ik,ik->k", weighted, shares))
        if dispersions is not None:
            dispersions += to_numpy(xp.einsum("ik,ik->k", weighted, distance))
        sums += block.sums(weighted)
    return _Sums(weights, weights2, sums, dispersions, log_densities)


class _Joint:
    """log(w_k f_k(x)) of the rows of a block, and 1 - cos where that is asked for."""

    def __init__(self, components: Components, differences: bool) -> None:
        self._components = components
        self._differences = differences
        self._scaled: Any = None
        self._constants: Any = None

    def __call__(self, block: Block) -> tuple[Any, Any]:
        """Return them, (rows, K) float64 each; an array of its own, that may be written to."""
        components = self._components
        if self._differences:
            means = components.mean_directions
            device_means = in_library_of(means, block.inverse_norms)
            distance = one_minus_cosines(block, means, device_means, range(len(means)))
            return components.log_joint(distance), distance
        if self._scaled is None or self._scaled.dtype != block.array.dtype:
            kappas = components.concentrations
            scaled = components.mean_directions * kappas[:, np.newaxis]
            self._scaled = cast(in_library_of(scaled, block.inverse_norms), dtype_name(block.array))
            constants = components.log_weights + (components.log_peaks - kappas)
            self._constants = in_library_of(constants, block.inverse_norms)
        joint = block.dot(self._scaled)
        joint += self._constants
        return joint, None


def _assigned(joint: Any, assignment: Assignment, uniforms: Vector | None) -> tuple[Any, Any]:
    """Shares (rows, K) of the components in each row, and the objective of each row.

    `joint` is overwritten. Shares are at least exp(-80): smaller ones would add nothing to any sum, and the exponential
    of what underflows takes many times as long.
    """
    xp = namespace(joint)
    top = xp.amax(joint, 1)
    if assignment == "hard":
        return one_hot(xp.argmax(joint, 1), joint.shape[1]), top
    joint -= top[:, None]
    shares = xp.exp(xp.clip(joint, -80.0, None, out=joint), out=joint)
    total = shares.sum(1)
    value = top + xp.log(total)
    shares /= total[:, None]
    if assignment == "soft":
        return shares, value
    heights = xp.cumsum(shares, 1)
    drawn = in_library_of(uniforms, joint)[:, None] * heights[:, -1:]
    return one_hot((heights[:, :-1] <= drawn).sum(1), joint.shape[1]), value


def one_hot(chosen: Any, count: int) -> Any:
    """Return (rows, count) float64, 1 in the column `chosen` of each row."""
    numbers = in_library_of(np.arange(count), chosen)
    return cast(chosen[:, None] == numbers, "float64")


def merged_statistics(
    weights: Vector,
    weights2: Vector,
    sums: Matrix,
    dispersions: Vector | None,
    before: Matrix,
) -> list[SufficientStatistics]:
    """Return the statistics of each component; `dispersions` are about the directions `before`."""
    return [
        _statistics(
            float(weights[k]),
            float(weights2[k]),
            sums[k],
            None if dispersions is None else float(dispersions[k]),
            before[k],
        )
        for k in range(len(weights))
    ]


def _statistics(
    weight: float,
    weight2: float,
    resultant: Vector,
    dispersion_before: float | None,
    before: Vector,
) -> SufficientStatistics:
    length = float(np.sqrt(np.sum(resultant * resultant)))
    if length > weight:  # by rounding
        resultant = resultant * (weight / length)
        length = weight
    dispersion = weight - length
    if dispersion_before is not None and length > 0 and dispersion < _SUBTRACTION_IS_FINE * weight:
        turn = resultant / length - before
        dispersion = dispersion_before - 0.5 * length * float(np.sum(turn * turn))
    return SufficientStatistics(
        count=weight,
        weight=weight,
        weight2=min(weight2, weight),
        resultant=resultant,
        resultant_lo=np.zeros_like(resultant),
        dispersion=min(max(dispersion, 0.0), weight),
    )
