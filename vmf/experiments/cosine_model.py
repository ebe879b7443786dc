"""Is a von Mises-Fisher distribution a good model? The cosine to the mean direction tells.

Under the model the cosine t has the density C_p(kappa) |S^(p-2)| exp(kappa t) (1 - t^2)^((p-3)/2)
(Mardia & Jupp, Directional Statistics, 2000, section 9.3.3), whose mean is A_p(kappa) and whose
variance A_p'(kappa). The fit makes the mean right; the spread and the shape are what it predicts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vmf import special
from vmf.arrays.types import FloatArray

_GRID = 20001
_DEVIATIONS = 40
_ENOUGH = 50


@dataclass(frozen=True)
class CosineLaw:
    """The distribution of the cosine in dimension p at concentration kappa."""

    dimension: int
    kappa: float

    @property
    def mean(self) -> float:
        """A_p(kappa)."""
        return float(special.mean_resultant_length(self.dimension, self.kappa))

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        return math.sqrt(special.mean_resultant_length_dkappa(self.dimension, self.kappa))

    def log_density(self, t: FloatArray) -> FloatArray:
        """Logarithm of the density with respect to t, -infinity outside -1..1."""
        p = self.dimension
        log_area = math.log(2) + (p - 1) / 2 * math.log(math.pi) - math.lgamma((p - 1) / 2)
        log_c = float(special.log_normalizer(p, self.kappa))
        with np.errstate(divide="ignore", invalid="ignore"):
            shape = (p - 3) / 2 * np.log1p(-t * t)
        inside: FloatArray = np.where(
            np.abs(t) < 1, log_c + log_area + self.kappa * t + shape, -np.inf
        )
        return inside

    def distribution_function(self, t: FloatArray) -> FloatArray:
        """P(cosine <= t), by the trapezoidal rule where the density is not negligible."""
        grid, below = self._table()
        return np.interp(t, grid, below, left=0.0, right=1.0)

    def quantile(self, share: float) -> float:
        """The t below which the cosine lies with this probability."""
        grid, below = self._table()
        return float(np.interp(share, below, grid))

    def _table(self) -> tuple[FloatArray, FloatArray]:
        reach = _DEVIATIONS * self.deviation
        grid = np.linspace(max(self.mean - reach, -1.0), min(self.mean + reach, 1.0), _GRID)
        density = np.exp(self.log_density(grid))
        below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
        return grid, below / below[-1]


def comparison(law: CosineLaw, cosines: FloatArray) -> dict[str, float]:
    """How cosines that were seen, of images not fitted, differ from the law."""
    ordered = np.sort(cosines)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    expected = law.distribution_function(ordered)
    distance = max(float(np.max(steps[1:] - expected)), float(np.max(expected - steps[:-1])))
    low, high = law.quantile(0.0005), law.quantile(0.9995)
    return {
        "mean": float(cosines.mean()),
        "mean of the model": law.mean,
        "deviation": float(cosines.std()),
        "deviation of the model": law.deviation,
        "times as wide": float(cosines.std()) / law.deviation,
        "Kolmogorov distance": distance,
        "outside the central 99.9 %": float(np.mean((cosines < low) | (cosines > high))),
        "nats lost an image": nats_lost(law, cosines),
    }


def nats_lost(law: CosineLaw, cosines: FloatArray) -> float:
    """Mean log-likelihood that a smooth estimate of the cosine's density has over the law.

    What is lost because the cosine is not distributed as the model says, directions at equal cosine
    being treated alike. Each half of the cosines is judged by the estimate from the other; NaN for
    fewer than 50.
    """
    from scipy.stats import gaussian_kde

    if len(cosines) < _ENOUGH:
        return math.nan
    halves = cosines[::2], cosines[1::2]
    gains = [
        np.log(np.maximum(gaussian_kde(seen)(judged), 1e-300)) - law.log_density(judged)
        for seen, judged in (halves, halves[::-1])
    ]
    return float(np.concatenate(gains).mean())
