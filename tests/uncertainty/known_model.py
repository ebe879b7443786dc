"""A mixture with given parameters, which the scores take as a fitted model."""

from __future__ import annotations

import numpy as np

from tests.libraries import optional
from vmf import VonMisesFisher
from vmf.arrays.rows import unit_rows

mpmath = optional("mpmath")


class KnownModel:
    """Three classes, one of them rare; computed without the code under test."""

    def __init__(self, dimension: int, concentrations=(40.0, 20.0, 60.0), seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        means = rng.standard_normal((len(concentrations), dimension)) + 0.5
        self.mean_directions_ = means / np.linalg.norm(means, axis=1, keepdims=True)
        self.concentrations_ = np.array(concentrations)
        self.log_priors_ = np.log([0.5, 0.4, 0.1])
        self.posterior_concentrations_ = np.array([300.0, 1000.0, 50.0])

    def log_density(self, X):
        parts = zip(self.mean_directions_, self.concentrations_, strict=True)
        unit, _ = unit_rows(X, "error", 0)
        return np.stack([VonMisesFisher(m, k).logpdf(unit) for m, k in parts], axis=1)

    def draw(self, rows: int, seed: int = 1) -> np.ndarray:
        parts = zip(self.mean_directions_, self.concentrations_, strict=True)
        drawn = [VonMisesFisher(m, k).sample(rows, seed + i) for i, (m, k) in enumerate(parts)]
        return np.concatenate(drawn)


def log_normalizer(dimension: int, kappa: float) -> mpmath.mpf:
    """log C_p(kappa) to 40 digits."""
    p, k = mpmath.mpf(dimension), mpmath.mpf(float(kappa))
    if k == 0:
        return mpmath.log(mpmath.gamma(p / 2) / (2 * mpmath.pi ** (p / 2)))
    return (
        (p / 2 - 1) * mpmath.log(k)
        - p / 2 * mpmath.log(2 * mpmath.pi)
        - mpmath.log(mpmath.besseli(p / 2 - 1, k))
    )
