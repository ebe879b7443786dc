"""Quantiles of the distributions that a confidence cone is made of, by summing their densities.

All three densities are smooth and log-concave (the angle's nearly so), so the trapezoidal rule on
a fine grid gives the distribution function to about six digits of the distribution's width,
plenty for an interval, without SciPy among the requirements.
"""

from __future__ import annotations

import math

import numpy as np

from vmf.arrays.types import Vector

_GRID = 8001
_STANDARD_DEVIATIONS = 12.0


def angle_quantile(dim: float, kappa: float, probability: float) -> float:
    """Return the angle within which a vMF(mu, kappa) direction lies from mu with `probability`.

    The angle t has density proportional to exp(kappa cos t) sin(t)^(p-2) on [0, pi] (Mardia &
    Jupp, Directional Statistics, 2000, eq. 9.3.10). The grid spans 12 standard deviations of its
    normal approximation to each side of the mode.

    Parameters
    ----------
    dim : float
        Dimension p, 2 or more.
    kappa : float
        Concentration, >= 0, finite.
    probability : float
        Between 0 and 1.

    Returns
    -------
    float
        Radians, 0 to pi.
    """
    m = dim - 2.0
    # The mode solves kappa sin^2 t = (p - 2) cos t; written so that nothing cancels.
    root = math.hypot(m, 2.0 * kappa)
    cosine = 2.0 * kappa / (m + root) if root > 0 else 0.0
    sine = math.sqrt(2.0 * m / (m + root)) if root > 0 else 1.0
    mode = math.atan2(sine, cosine)
    curvature = kappa * cosine + (m / (sine * sine) if m > 0 else 0.0)
    reach = _STANDARD_DEVIATIONS / math.sqrt(curvature) if curvature > 0 else math.pi
    angles = np.linspace(max(mode - reach, 0.0), min(mode + reach, math.pi), _GRID)
    with np.errstate(divide="ignore"):
        log_density = -2.0 * kappa * np.sin(0.5 * (angles + mode)) * np.sin(0.5 * (angles - mode))
        if m > 0:
            log_density = log_density + m * np.log(np.sin(angles) / sine)
    return _quantile(angles, log_density, probability)


def log_chi_squared_quantile(freedom: float, probability: float) -> float:
    """Return log(x / freedom) for the quantile x of chi-squared with `freedom` > 0 degrees."""
    z = _grid_around_zero(math.sqrt(2.0 / freedom), 50.0 / freedom, 0.0)
    return _quantile(z, 0.5 * freedom * (z - np.expm1(z)), probability)


def log_f_quantile(numerator: float, denominator: float, probability: float) -> float:
    """Return the log of the quantile of F with these degrees of freedom, both > 0."""
    m, d = numerator, denominator
    z = _grid_around_zero(math.sqrt(2.0 / m + 2.0 / d), 50.0 / m, 50.0 / d)
    # The density of z = log F, with log1p of (m/d) (e^z - 1) / (1 + m/d) for large d.
    log_ratio = np.logaddexp(math.log(d), z + math.log(m)) - math.log(d + m)
    return _quantile(z, 0.5 * m * z - 0.5 * (m + d) * log_ratio, probability)


def _grid_around_zero(deviation: float, left_tail: float, right_tail: float) -> Vector:
    """Grid for a density of mode 0 and exponential tails that fall by e^25 over the tail widths."""
    reach = _STANDARD_DEVIATIONS * deviation
    return np.linspace(-reach - left_tail, reach + right_tail, _GRID)


def _quantile(points: Vector, log_density: Vector, probability: float) -> float:
    density = np.exp(log_density - log_density.max())
    below = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    return float(np.interp(probability * below[-1], below, points))
