"""The likelihood of kappa given only the length of the resultant.

With r = |S| the length of the sum of n independent unit vectors, integrating the mean direction
out of the likelihood leaves (Schou, Biometrika 65 (1978) 369-377)

    l(kappa) = n log C_p(kappa) - log C_p(r kappa),    l'(kappa) = r A_p(r kappa) - n A_p(kappa).

It holds for every n and p. The p - 1 unknowns of the mean direction, which bias maximum
likelihood when p is comparable with n or larger, are gone, and kappa is the only parameter left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vmf import special
from vmf.arrays.types import FloatArray
from vmf.estimation.quadrature import integrate_over_concentration
from vmf.estimation.root import find_root
from vmf.estimation.statistics import SufficientStatistics


@dataclass(frozen=True)
class MarginalLikelihood:
    """l(kappa) of a resultant.

    Parameters
    ----------
    dim : float
        Dimension p.
    count : float
        n > 1. With weights, Kish's effective number of rows: then l is an approximation that
        matches the mean and the leading variance of R^2.
    mean_resultant_length, one_minus_mean_resultant_length : float
        R = r/n and 1 - R, both accurate.
    """

    dim: float
    count: float
    mean_resultant_length: float
    one_minus_mean_resultant_length: float

    @classmethod
    def of(cls, statistics: SufficientStatistics) -> MarginalLikelihood:
        """Return the likelihood for `statistics`; ValueError for fewer than two rows."""
        n = statistics.effective_count
        if not n > 1 + 1e-9:
            raise ValueError(
                f"the (effective) number of rows is {n:g}; "
                "one row says nothing about the concentration, two or more are needed"
            )
        return cls(
            float(statistics.dimension),
            n,
            statistics.mean_resultant_length,
            statistics.one_minus_mean_resultant_length,
        )

    @property
    def resultant_length(self) -> float:
        """Length r = n R of the resultant."""
        return self.count * self.mean_resultant_length

    @property
    def _scale(self) -> float:
        # A_p(r kappa) bends where r kappa ~ p/2.
        return 0.5 * self.dim / max(1.0, self.resultant_length)

    def score(self, kappa: npt.ArrayLike) -> FloatArray:
        """Return l'(kappa)."""
        k = np.asarray(kappa, dtype=np.float64)
        n, r, p = self.count, self.resultant_length, self.dim
        if self.mean_resultant_length < 0.5:
            return np.asarray(
                r * special.mean_resultant_length(p, r * k)
                - n * special.mean_resultant_length(p, k)
            )
        return np.asarray(
            n * special.mean_resultant_length_c(p, k)
            - r * special.mean_resultant_length_c(p, r * k)
            - n * self.one_minus_mean_resultant_length
        )

    def maximum(self) -> float:
        """Return the kappa at which l is largest: 0 if r^2 <= n, infinity if R = 1."""
        if self.one_minus_mean_resultant_length <= 0:
            return math.inf
        # Near 0, l' = kappa (r^2 - n) / p: rows in general position have E r^2 = n at kappa = 0.
        if self.count * self.mean_resultant_length**2 <= 1:
            return 0.0
        # l' > 0 below the root, < 0 above; the root of n A = r, the MLE, lies above it.
        upper = float(
            special.concentration_c(self.dim, self.one_minus_mean_resultant_length)
            if self.mean_resultant_length > 0.5
            else special.concentration(self.dim, self.mean_resultant_length)
        )
        lower = 0.5 * upper
        while lower > 0 and float(self.score(lower)) <= 0:
            upper, lower = lower, 0.5 * lower
        return find_root(lambda k: float(self.score(k)), lower, upper)

    def deviance(self, kappa: float, maximum: float) -> float:
        """Return 2 (l(maximum) - l(kappa))."""
        low, high = min(kappa, maximum), max(kappa, maximum)
        drop = integrate_over_concentration(self.score, low, high, self._scale)
        return max(2.0 * (drop if kappa < maximum else -drop), 0.0)

    def interval(self, deviance: float) -> tuple[float, float]:
        """Return the concentrations, around the maximum, at which the deviance is `deviance`."""
        top = self.maximum()
        if math.isinf(top):
            raise ValueError("all rows are equal (R = 1): the concentration has no upper bound")

        def excess(kappa: float) -> float:
            return self.deviance(kappa, top) - deviance

        low = 0.0
        if top > 0 and excess(0.0) > 0:
            low = find_root(excess, 0.0, top)
        below, above = top, 2.0 * top if top > 0 else math.sqrt(self.dim / self.count)
        while excess(above) < 0:
            below, above = above, 2.0 * above
        return low, find_root(excess, below, above)
