"""Published approximations of kappa = A_p^{-1}(R), for comparison and for starting values.

All take the dimension p and the mean resultant length R and broadcast over both. None of them is
needed for an estimate: `vmf.special.concentration` inverts A_p to machine precision in a few
evaluations. They are here because much published work was computed with them.

A_p(kappa) = I_{p/2}(kappa) / I_{p/2-1}(kappa); derivatives follow from
A' = 1 - A^2 - (p - 1) A / kappa (Mardia & Jupp, Directional Statistics, 2000, A.11-A.14).

Largest relative error against the exact inverse, R in 0.001..0.999 (``python -m benchmarks.estimator_bias``)::

        p   banerjee    tanabe   sra k_1   sra k_2      song
        2    6.5e-02   6.0e-01   4.8e-03   2.7e-05   2.4e-15
        3    4.9e-02   5.9e-02   2.4e-03   5.7e-06   4.4e-16
       64    2.7e-03   2.6e-05   5.3e-06   2.2e-11   4.4e-16
     2048    8.4e-05   2.4e-08   5.2e-09   5.6e-16   4.4e-16
    32768    5.2e-06   5.7e-10   2.0e-11   5.6e-16   4.4e-16

Banerjee's absolute error in kappa never exceeds about 1/2. Tanabe's interpolation has a lower bound
of 0 to lean on for p = 2, and is of little use there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vmf import special
from vmf.arrays.types import FloatArray


def banerjee(dim: npt.ArrayLike, mean_resultant_length: npt.ArrayLike) -> FloatArray:
    """Return R (p - R^2) / (1 - R^2).

    Banerjee, Dhillon, Ghosh & Sra, J. Mach. Learn. Res. 6 (2005) 1345-1382, eq. 4.4. Cheap; right
    as a starting value.

    Parameters
    ----------
    dim : array_like
        Dimension p, 2 or more.
    mean_resultant_length : array_like
        R, from 0 to 1. R = 1 gives infinity.

    Raises
    ------
    ValueError
        For a dimension below 2 or R outside [0, 1].
    """
    p, r = _checked(dim, mean_resultant_length)
    return _banerjee(p, r)[()]


def tanabe(dim: npt.ArrayLike, mean_resultant_length: npt.ArrayLike) -> FloatArray:
    """Return the interpolated fixed point of kappa = R kappa / A_p(kappa).

    Tanabe, Fukumizu, Oba, Takenouchi & Ishii, Comput. Stat. 22 (2007) 145-157. The root lies
    between R (p - 2) / (1 - R^2) and R p / (1 - R^2); the map is evaluated at both and the fixed
    point of the line through these points is returned. Two evaluations of A_p. Parameters and
    errors as for `banerjee`.
    """
    p, r = _checked(dim, mean_resultant_length)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (1.0 - r) * (1.0 + r)
        lower, upper = r * (p - 2.0) / spread, r * p / spread
        # kappa / A_p(kappa) -> p as kappa -> 0, which is where the lower bound lies for p = 2.
        ratio_lower = lower / special.mean_resultant_length(p, lower)
        map_lower = r * np.where(lower == 0, p, ratio_lower)
        map_upper = r * upper / special.mean_resultant_length(p, upper)
        root = (lower * map_upper - upper * map_lower) / ((map_upper - map_lower) - (upper - lower))
    return _with_limits(r, root)


def sra(dim: npt.ArrayLike, mean_resultant_length: npt.ArrayLike, *, steps: int = 2) -> FloatArray:
    """Return kappa_`steps`: Banerjee's value after `steps` Newton steps on A_p(kappa) = R.

    Sra, Comput. Stat. 27 (2012) 177-190: kappa_0 (steps=0), kappa_1 and kappa_2 (steps=2, the
    published approximation). One evaluation of A_p a step. Parameters and errors as for
    `banerjee`.
    """
    if steps not in (0, 1, 2):
        raise ValueError(f"steps is {steps}; kappa_0, kappa_1 and kappa_2 are defined")
    p, r = _checked(dim, mean_resultant_length)
    kappa = _banerjee(p, r)
    for _ in range(steps):
        with np.errstate(invalid="ignore"):
            slope = special.mean_resultant_length_dkappa(p, kappa)
            kappa = kappa - _residual(p, r, kappa) / slope
    return _with_limits(r, kappa)


def song(dim: npt.ArrayLike, mean_resultant_length: npt.ArrayLike) -> FloatArray:
    """Return Banerjee's value after two Halley steps on A_p(kappa) = R.

    Song, Liu & Wang, Appl. Math. Comput. 218 (2012) 11880-11890. One evaluation of A_p a step,
    third-order convergence. Parameters and errors as for `banerjee`.
    """
    p, r = _checked(dim, mean_resultant_length)
    kappa = _banerjee(p, r)
    for _ in range(2):
        with np.errstate(divide="ignore", invalid="ignore"):
            a = special.mean_resultant_length(p, kappa)
            slope = special.mean_resultant_length_dkappa(p, kappa)
            # A'' from differentiating A' = 1 - A^2 - (p - 1) A / kappa once more.
            curvature = -2.0 * a * slope - (p - 1.0) * (slope - a / kappa) / kappa
            residual = _residual(p, r, kappa)
            step = 2.0 * residual * slope / (2.0 * slope * slope - residual * curvature)
        kappa = kappa - step
    return _with_limits(r, kappa)


def _checked(
    dim: npt.ArrayLike, mean_resultant_length: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    p = np.asarray(dim, dtype=np.float64)
    r = np.asarray(mean_resultant_length, dtype=np.float64)
    if not (p >= 2).all():
        raise ValueError("dim must be 2 or more")
    if not ((r >= 0) & (r <= 1)).all():
        raise ValueError("mean_resultant_length must lie between 0 and 1")
    return p, r


def _banerjee(p: FloatArray, r: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.asarray(r * (p - r * r) / ((1.0 - r) * (1.0 + r)))


def _residual(p: FloatArray, r: FloatArray, kappa: FloatArray) -> FloatArray:
    """A_p(kappa) - R, from the complements where A_p is close to 1."""
    complement = special.mean_resultant_length_c(p, kappa)
    return np.asarray(
        np.where(
            complement < 0.5, (1.0 - r) - complement, special.mean_resultant_length(p, kappa) - r
        )
    )


def _with_limits(r: FloatArray, kappa: FloatArray) -> FloatArray:
    limited: FloatArray = np.where(r == 0, 0.0, np.where(r == 1, np.inf, kappa))[()]
    return limited
