"""Draws of the resultant of n directions without drawing the directions.

The estimates and intervals of this package depend on the rows through the length r of their sum
and the angle of the sum with the mean direction only. Both follow from the n cosines and from the
lengths of the tangential parts, added one by one: a uniform direction in p - 1 dimensions meets
the sum so far at a cosine t with (1 + t)/2 ~ Beta((p-2)/2, (p-2)/2). That is O(n) a data set
instead of O(n p), which makes coverage, power and the number of rows needed cheap to look at in
any dimension.

``python -m benchmarks.simulation`` prints the tables in the docstrings of this package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vmf.distribution.sampling import sample_one_minus_cosine
from vmf.estimation.statistics import SufficientStatistics

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Resultants:
    """Resultants of simulated data sets.

    Parameters
    ----------
    dim, count : int
        Dimension p and rows n of every data set.
    length : (replicates,) float64
        r = |S|.
    dispersion : (replicates,) float64
        n - r.
    angle : (replicates,) float64
        Angle between S and the true mean direction, radians.
    """

    dim: int
    count: int
    length: Vector
    dispersion: Vector
    angle: Vector

    def statistics(self, index: int) -> SufficientStatistics:
        """Return data set `index` as statistics, with S in the plane of the first two axes."""
        resultant = np.zeros(self.dim)
        resultant[0] = self.length[index] * math.cos(self.angle[index])
        resultant[1] = self.length[index] * math.sin(self.angle[index])
        n = float(self.count)
        return SufficientStatistics(
            n, n, n, resultant, np.zeros(self.dim), dispersion=float(self.dispersion[index])
        )


def simulate_resultants(
    dim: int,
    kappa: float,
    count: int,
    replicates: int,
    rng: np.random.Generator | int | None = None,
) -> Resultants:
    """Draw the resultants of `replicates` data sets of `count` rows from vMF(mu, `kappa`).

    Parameters
    ----------
    dim : int
        Dimension, 2 or more.
    kappa : float
        Concentration, finite and >= 0.
    count, replicates : int
        Rows of a data set, data sets.
    rng : numpy.random.Generator, int or None
        Generator or seed.
    """
    generator = np.random.default_rng(rng)
    short = np.zeros(replicates)  # n - sum of the cosines
    tangential = np.zeros(replicates)  # squared length of the tangential sum
    for _ in range(count):
        q = sample_one_minus_cosine(dim, kappa, replicates, generator)
        square = q * (2.0 - q)
        if dim == 2:
            t = generator.integers(0, 2, replicates) * 2.0 - 1.0
        else:
            t = 2.0 * generator.beta(0.5 * dim - 1.0, 0.5 * dim - 1.0, replicates) - 1.0
        short += q
        tangential = np.maximum(tangential + square + 2.0 * t * np.sqrt(tangential * square), 0.0)
    along = count - short
    length = np.hypot(along, np.sqrt(tangential))
    dispersion = np.clip(
        (short * (2.0 * count - short) - tangential) / (count + length), 0.0, count
    )
    return Resultants(dim, count, length, dispersion, np.arctan2(np.sqrt(tangential), along))
