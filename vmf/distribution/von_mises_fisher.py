"""The von Mises-Fisher distribution on the unit sphere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf import special
from vmf.arrays.libraries import is_cupy, is_dask
from vmf.arrays.rows import (
    OnBadRows,
    as_rows,
    block_slices,
    dispersion_of_each,
    unit_norm_tolerance,
)
from vmf.arrays.types import Rows, Vector
from vmf.distribution import sampling
from vmf.distribution.components import log_density
from vmf.estimation.concentration import Estimator
from vmf.estimation.fit import FitResult, fit
from vmf.estimation.prior import ConjugatePrior
from vmf.estimation.quadrature import integrate_over_concentration
from vmf.estimation.statistics import SufficientStatistics

# Below this 1 - cosine, it is worth computing from the difference of the vectors.
_NEAR = 0.1


class VonMisesFisher:
    """Density C_p(kappa) exp(kappa mu . x) on the unit sphere of R^p.

    Mardia & Jupp, Directional Statistics, 2000, section 9.3. Densities are with respect to the
    surface measure; in high dimension they overflow float64 both ways, so use `logpdf`.

    Parameters
    ----------
    mean_direction : (dim,) array_like
        mu, of unit length (within 1e-5), dim 2 or more.
    concentration : float
        kappa, finite and >= 0; 0 is the uniform distribution, for which mu is irrelevant.

    Attributes
    ----------
    fit_ : FitResult or None
        What `fit` learnt beside mu and kappa: statistics, standard error, intervals. None for
        a distribution that was given, not fitted.

    Raises
    ------
    ValueError
        For a mean direction that is not a unit vector and a concentration out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from vmf import VonMisesFisher
    >>> true = VonMisesFisher(np.eye(2048)[0], 500.0)
    >>> rows = true.sample(10_000, rng=1)
    >>> fitted = VonMisesFisher.fit(rows)
    >>> low, high = fitted.fit_.concentration_interval(0.99)
    >>> low < 500.0 < high
    True
    """

    __slots__ = ("_concentration", "_mean_direction", "fit_")

    _mean_direction: Vector
    _concentration: float
    fit_: FitResult | None

    def __init__(self, mean_direction: npt.ArrayLike, concentration: float) -> None:
        mu = np.array(mean_direction, dtype=np.float64)
        if mu.ndim != 1 or mu.size < 2:
            raise ValueError(
                f"mean_direction has shape {mu.shape}; expected (dim,) with dim 2 or more"
            )
        norm = float(np.linalg.norm(mu))
        if not abs(norm - 1.0) <= unit_norm_tolerance(mu.dtype):
            raise ValueError(f"mean_direction has norm {norm}; divide it by its norm first")
        kappa = float(concentration)
        if not (math.isfinite(kappa) and kappa >= 0):
            raise ValueError(f"concentration is {kappa}; it must be finite and >= 0")
        mu /= norm
        mu.flags.writeable = False
        self._mean_direction = mu
        self._concentration = kappa
        self.fit_ = None

    @classmethod
    def fit(
        cls,
        X: npt.ArrayLike,
        weights: npt.ArrayLike | None = None,
        estimator: Estimator = "unbiased",
        prior: ConjugatePrior | None = None,
        *,
        on_bad_rows: OnBadRows = "error",
    ) -> VonMisesFisher:
        """Fit the distribution to the directions of the rows of `X`.

        Parameters
        ----------
        X : (rows, dim) array_like of float16, float32, float64 or integers
            Rows that are not of unit length are divided by their norm;
            a CuPy array is summed on its device. `fit_.statistics.normalised` says how many.
        weights : (rows,) array_like, optional
            Finite and >= 0; importances, whose common scale is irrelevant (but next to a prior).
        estimator : str
            "unbiased" or "marginal" for any number of rows, "mle" (maximum likelihood), which comes
            out too large for few rows, "map" with a prior. See `vmf.estimation.fit_concentration`.
        prior : ConjugatePrior, optional
            For "map".
        on_bad_rows : {"error", "skip"}
            For rows with NaN or infinity and zero rows.

        Raises
        ------
        vmf.estimation.BadRowError
            Names the row and column.
        vmf.estimation.DegenerateFitError
            One row only, or all equal (kappa infinite), or R = 0 (no mean direction).
        TypeError, ValueError
            For unusable types, shapes, weights.
        """
        statistics = SufficientStatistics.from_rows(X, weights=weights, on_bad_rows=on_bad_rows)
        return cls.from_statistics(statistics, estimator, prior)

    @classmethod
    def from_statistics(
        cls,
        statistics: SufficientStatistics,
        estimator: Estimator = "unbiased",
        prior: ConjugatePrior | None = None,
    ) -> VonMisesFisher:
        """Fit from statistics that were gathered in chunks; parameters and errors as for `fit`."""
        result = fit(statistics, estimator, prior)
        distribution = cls(result.mean_direction, result.concentration)
        distribution.fit_ = result
        return distribution

    def __repr__(self) -> str:
        return f"VonMisesFisher(dimension={self.dimension}, concentration={self.concentration!r})"

    @property
    def dimension(self) -> int:
        """Dimension p of the space around the sphere."""
        return int(self._mean_direction.size)

    @property
    def mean_direction(self) -> Vector:
        """mu, (dim,), read-only."""
        return self._mean_direction

    @property
    def concentration(self) -> float:
        """Concentration kappa."""
        return self._concentration

    @property
    def mean_resultant_length(self) -> float:
        """A_p(kappa), the length of `mean` and the mean cosine with mu."""
        return float(special.mean_resultant_length(self.dimension, self.concentration))

    @property
    def mean(self) -> Vector:
        """E x = A_p(kappa) mu, inside the sphere."""
        return self.mean_resultant_length * self._mean_direction

    @property
    def mode(self) -> Vector:
        """Where the density is largest: mu (for kappa = 0 it is so everywhere)."""
        return self._mean_direction

    def entropy(self) -> float:
        """Differential entropy, -log C_p(kappa) - kappa A_p(kappa), in nats."""
        return float(special.entropy(self.dimension, self.concentration))

    def logpdf(self, x: npt.ArrayLike) -> Vector:
        """Return the log density at unit vectors.

        Computed as (log C_p + kappa) - kappa (1 - cos), where 1 - cos of vectors near mu comes
        from |x/|x| - mu|^2 / 2: for large kappa neither of the two terms is a difference of
        large numbers.

        Parameters
        ----------
        x : (..., dim) array_like of floats or integers
            Norm 1 within 1e-5 (float16: 1e-3). The direction counts; a norm that is off by
            rounding does not change the result.

        Returns
        -------
        (...) float64
            For a single vector, a scalar. On the device of `x` where that is a CuPy array; a dask
            array for one of rows.

        Raises
        ------
        ValueError
            For vectors of another dimension, not of unit length, or not finite.
        TypeError
            For elements that are not numbers.
        """
        if is_dask(x):
            from vmf.arrays.dask_rows import mapped

            found: Vector = mapped(self, "logpdf", x)
            return found
        points: Any = x if is_cupy(x) else np.asarray(x)
        if points.ndim == 0 or points.shape[-1] != self.dimension:
            raise ValueError(
                f"x has shape {points.shape}; the last axis must have length {self.dimension}"
            )
        if is_cupy(points):
            from vmf.estimation import gathering_cupy

            one_minus_cosine = gathering_cupy.one_minus_cosine(points, self._mean_direction)
        else:
            rows = as_rows(points.reshape(-1, self.dimension), name="x")
            one_minus_cosine = self._one_minus_cosine(rows).reshape(points.shape[:-1])
        result: Vector = log_density(self.dimension, self.concentration, one_minus_cosine)[()]
        return result

    def pdf(self, x: npt.ArrayLike) -> Vector:
        """Return exp(logpdf(x)); 0 or infinity where that leaves the range of float64."""
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(self.logpdf(x))

    def kl_divergence(self, other: VonMisesFisher) -> float:
        """Return KL(self || other) = E_self[log self(x) - log other(x)], in nats.

        The closed form log C_p(k1) - log C_p(k2) + A_p(k1) (k1 - k2 mu1 . mu2) subtracts numbers
        of the size of p log p. Instead it is split into two parts that are >= 0, so that it
        keeps its digits for close distributions:

            integral from k1 to k2 of (k2 - s) A_p'(s) ds  +  A_p(k1) k2 |mu1 - mu2|^2 / 2,

        the first being the Bregman divergence of -log C_p, whose derivative is A_p.

        Raises
        ------
        ValueError
            If the dimensions differ.
        """
        if not isinstance(other, VonMisesFisher):
            raise TypeError(f"expected a VonMisesFisher, got {type(other).__name__}")
        if other.dimension != self.dimension:
            raise ValueError(f"dimensions differ: {self.dimension} and {other.dimension}")
        difference = self._mean_direction - other._mean_direction
        squared_chord = float(difference @ difference)
        turn = 0.5 * self.mean_resultant_length * other.concentration * squared_chord
        return turn + self._kl_of_concentration(other.concentration)

    def kl_to_uniform(self) -> float:
        """Return KL(self || uniform distribution on the sphere), in nats: log area - entropy."""
        return self._kl_of_concentration(0.0)

    def sample(
        self,
        size: int,
        rng: np.random.Generator | int | None = None,
        *,
        dtype: npt.DTypeLike = np.float64,
    ) -> npt.NDArray[np.floating[Any]]:
        """Draw `size` rows, (size, dim); see `vmf.distribution.sampling.sample`."""
        return sampling.sample(self._mean_direction, self.concentration, size, rng, dtype=dtype)

    def sample_chunks(
        self,
        size: int,
        rng: np.random.Generator | int | None = None,
        *,
        dtype: npt.DTypeLike = np.float64,
        chunk_rows: int | None = None,
    ) -> Iterator[npt.NDArray[np.floating[Any]]]:
        """Yield `size` rows in chunks of bounded memory; see `vmf.distribution.sampling.sample_chunks`."""
        return sampling.sample_chunks(
            self._mean_direction, self.concentration, size, rng, dtype=dtype, chunk_rows=chunk_rows
        )

    def _kl_of_concentration(self, other: float) -> float:
        p, scale = float(self.dimension), 0.5 * self.dimension

        def integrand(s: Vector) -> Vector:
            slope: Vector = special.mean_resultant_length_dkappa(p, s)
            return np.abs(other - s) * slope

        low, high = sorted((self.concentration, other))
        return integrate_over_concentration(integrand, low, high, scale)

    def _one_minus_cosine(self, rows: Rows) -> Vector:
        mu = self._mean_direction
        norms, result = np.empty(rows.shape[0]), np.empty(rows.shape[0])
        for part in block_slices(rows):
            block = rows[part].astype(np.float64, copy=False)
            norms[part] = np.sqrt(np.einsum("ij,ij->i", block, block))
            with np.errstate(invalid="ignore", divide="ignore"):
                result[part] = 1.0 - (block @ mu) / norms[part]
        off_unit = ~(np.abs(norms - 1.0) <= unit_norm_tolerance(rows.dtype))
        if off_unit.any():
            row = int(np.argmax(off_unit))
            raise ValueError(
                f"row {row} of x (counted from 0) has norm {norms[row]}; "
                "the density is on unit vectors, divide rows by their norms first"
            )
        near = np.flatnonzero(result < _NEAR)
        if near.size:
            result[near] = dispersion_of_each(rows[near], norms[near] ** 2, mu)
        return result
