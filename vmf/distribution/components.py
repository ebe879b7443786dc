"""Log-densities of the rows under several von Mises-Fisher distributions.

    log f_k(x) = (log C_p(kappa_k) + kappa_k) - kappa_k (1 - mu_k . x)

so that for large kappa neither term is a difference of large numbers. 1 - cos comes from one matrix product; where it
is small and kappa large, from |x - mu|^2 / 2, which keeps the digits that the subtraction loses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vmf import special
from vmf.arrays.blocks import Block, DirectionRows
from vmf.arrays.libraries import cast, in_library_of, namespace, to_numpy
from vmf.arrays.types import Matrix, Vector

# Above this kappa the rounding of a float64 cosine shows in the eighth digit of the log-density.
_LARGE = 1e8
_NEAR = 1e-2


def log_peak(dim: int, concentration: Any) -> Any:
    """Return log C_p(kappa) + kappa, the log-density at the mean direction."""
    return special.log_normalizer_e(float(dim), concentration)


def log_density(dim: int, concentration: Any, distance: Any) -> Any:
    """Return the log-density where 1 - mu . x is `distance`; the two broadcast."""
    return log_peak(dim, concentration) - concentration * distance


@dataclass(frozen=True, eq=False)
class Components:
    """Mean directions, concentrations and log-weights of K distributions: components or classes.

    Attributes
    ----------
    mean_directions : (K, dim) float64
        Unit vectors.
    concentrations, log_weights : (K,) float64
    """

    mean_directions: Matrix
    concentrations: Vector
    log_weights: Vector

    @cached_property
    def log_peaks(self) -> Vector:
        """The log-density of each at its mean direction."""
        peaks: Vector = log_peak(self.mean_directions.shape[1], self.concentrations)
        return peaks

    @cached_property
    def weighted_log_peaks(self) -> Vector:
        """The same, with the log-weights."""
        return self.log_weights + self.log_peaks

    def log_joint(self, distance: Any) -> Any:
        """Return log(w_k f_k(x_i)) where 1 - mu_k . x_i is `distance`, (rows, K) beside it."""
        peaks = in_library_of(self.weighted_log_peaks, distance)
        return peaks - in_library_of(self.concentrations, distance) * distance


def one_minus_cosines(block: Block, means: Matrix, device_means: Any, large: Any) -> Any:
    """Return 1 - cos between rows and unit `means`, (rows, K) float64.

    `large` are the components for which values near 0 are computed from differences.
    """
    distance = 1.0 - block.dot(device_means)
    if not len(large):
        return distance
    is_near = distance < _NEAR
    has_near = to_numpy(is_near.any(0))
    for k in large:
        if has_near[k]:
            near = np.flatnonzero(to_numpy(is_near[:, k]))
            chosen = in_library_of(near, block.inverse_norms)
            values = block.array[near].toarray() if block.sparse else block.array[chosen]
            difference = cast(values, "float64") * block.inverse_norms[chosen][:, None]
            difference = difference - in_library_of(means[k], difference)
            distance[chosen, k] = 0.5 * (difference * difference).sum(1)
    return distance


def distances(directions: Matrix, means: Matrix) -> Matrix:
    """Return 1 - cos between unit rows and unit `means`, (rows, K), all from float64 NumPy arrays."""
    block = Block(0, directions, np.ones(len(directions)))
    result: Matrix = one_minus_cosines(block, means, means, range(len(means)))
    return result


def log_sum_exp(joint: Any) -> Any:
    """Return the log of the sum of exponentials along the last axis; -inf where all are, NaN where one is NaN."""
    xp = namespace(joint)
    top = xp.amax(joint, -1)
    top = xp.where(top == -np.inf, xp.zeros_like(top), top)
    with np.errstate(divide="ignore"):
        return top + xp.log(xp.sum(xp.exp(joint - top[..., None]), -1))


def log_expected_likelihood(dim: float, k1: Any, k2: Any, distance: Any) -> Any:
    """Return log integral vMF(x; m1, k1) vMF(x; m2, k2) dx, `distance` being 1 - m1 . m2; the three broadcast.

    log C(k1) + log C(k2) - log C(s), s = |k1 m1 + k2 m2|, without differences of large numbers: with
    C_e = log C + its argument, C_e(k1) + C_e(k2) - C_e(s) - (k1 + k2 - s), and
    k1 + k2 - s = 2 k1 k2 (1 - cos)/(k1 + k2 + s).
    """
    xp = namespace(distance)
    whole = k1 + k2
    product = 2.0 * k1 * k2 * distance
    s = xp.sqrt(xp.clip(whole * whole - product, 0.0, None))
    total = whole + s
    deficit = product / xp.where(total > 0, total, xp.ones_like(total))
    peaks = special.log_normalizer_e(dim, k1) + special.log_normalizer_e(dim, k2)
    return peaks - special.log_normalizer_e(dim, s) - deficit


def evaluate(
    rows: DirectionRows,
    means: Matrix,
    concentrations: Vector,
    of_distance: Callable[[Any], Any],
) -> Any:
    """Fill an array (n, K) with `of_distance`(1 - cos) of block after block.

    In float64, in the library and on the device of the rows.
    """
    large = np.flatnonzero(concentrations > _LARGE)
    like = rows.like
    result = in_library_of(np.empty((rows.count, len(means))), like)
    for block in rows.blocks("float64"):
        device_means = in_library_of(means, block.inverse_norms)
        distance = one_minus_cosines(block, means, device_means, large)
        result[block.start : block.start + distance.shape[0]] = of_distance(distance)
    return result


def plug_in_densities(rows: DirectionRows, means: Matrix, concentrations: Vector) -> Any:
    """Return log f_k(x_i), (n, K), beside the rows."""
    peaks = in_library_of(log_peak(rows.dim, concentrations), rows.like)
    kappas = in_library_of(concentrations, rows.like)
    return evaluate(rows, means, concentrations, lambda distance: peaks - kappas * distance)
