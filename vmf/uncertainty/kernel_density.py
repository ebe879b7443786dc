"""The density around training rows, without classes: a vMF kernel on each of them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vmf import special
from vmf.arrays.rows import as_rows
from vmf.arrays.types import Rows, Vector
from vmf.distribution.components import log_peak, log_sum_exp
from vmf.estimation.root import find_root
from vmf.uncertainty.class_model import BLOCK_ELEMENTS, unit_blocks
from vmf.uncertainty.convention import Higher, orient

_ANCHOR_ELEMENTS = 1 << 24  # cosines kept for the bandwidth, 128 MB of float64


class VMFKernelDensity:
    """Density (1/n) sum_i C_p(kappa) exp(kappa x_i . x) around n training rows.

    Hall, Watson & Cabrera, Biometrika 74 (1987) 751-762; the bandwidth is the concentration kappa
    of each kernel. In log-space, in blocks: the n cosines of a row are never kept.

    Parameters
    ----------
    concentration : float, optional
        kappa > 0. By default the one that maximises the leave-one-out likelihood: each of
        `anchors` training rows under the kernels of all the others.
    anchors : int
        Most rows that take part in the choice of the bandwidth; drawn if there are more.
    rng : Generator or int
        For that draw.

    Attributes
    ----------
    concentration_ : float
        kappa used.
    training_ : (n, dim) float32 or float64
        The directions of the training rows.
    """

    def __init__(
        self,
        concentration: float | None = None,
        *,
        anchors: int = 1000,
        rng: np.random.Generator | int = 0,
    ) -> None:
        self.concentration = concentration
        self.anchors = anchors
        self.rng = rng

    def fit(self, X: npt.ArrayLike) -> VMFKernelDensity:
        """Keep the directions of the training rows, and choose the bandwidth if none was given.

        Raises
        ------
        vmf.estimation.BadRowError
            For a row with NaN or infinity, or of zeros.
        TypeError, ValueError
            For other elements or shapes, fewer than two rows, a concentration out of range; and
            when the leave-one-out likelihood grows without bound, as with equal rows.
        """
        rows = as_rows(X)
        if len(rows) < 2:
            raise ValueError(f"X has {len(rows)} rows; a kernel density needs at least 2")
        if self.concentration is not None and not (
            math.isfinite(self.concentration) and self.concentration > 0
        ):
            raise ValueError(f"concentration is {self.concentration}; it must be finite and > 0")
        self.training_ = np.empty(rows.shape, np.result_type(rows.dtype, np.float32))
        for part, directions in unit_blocks(rows):
            self.training_[part] = directions
        self.concentration_ = (
            self._leave_one_out() if self.concentration is None else float(self.concentration)
        )
        return self

    def score_samples(
        self,
        X: npt.ArrayLike,
        *,
        higher: Higher = "certain",
        block_elements: int = BLOCK_ELEMENTS,
    ) -> Vector:
        """Log-density at each row, (rows,) float64, in nats. Naturally, higher = more certain.

        `block_elements` float64 numbers of the rows, and four times as many cosines, are in memory at
        a time.

        Raises
        ------
        vmf.estimation.BadRowError, TypeError, ValueError
            As `fit`, and for another dimension.
        """
        rows = as_rows(X)
        count, dimension = self.training_.shape
        if rows.shape[1] != dimension:
            raise ValueError(f"X has dimension {rows.shape[1]}, the training rows {dimension}")
        kappa = self.concentration_
        result = np.empty(len(rows))
        for part, directions in unit_blocks(rows, block_elements):
            result[part] = self._log_mean_kernel(directions, kappa, 4 * block_elements)
        at_mode = float(log_peak(dimension, kappa))
        return orient(at_mode + result - math.log(count), "certain", higher)

    def _log_mean_kernel(self, directions: Vector, kappa: float, elements: int) -> Vector:
        """log sum_i exp(kappa (x_i . x - 1)), the training rows taken in blocks."""
        block = directions.astype(self.training_.dtype, copy=False)
        total = np.full(len(block), -np.inf)
        step = max(1, elements // len(block))
        for start in range(0, len(self.training_), step):
            cosines = block @ self.training_[start : start + step].T
            exponents = kappa * (cosines.astype(np.float64) - 1.0)
            total = np.logaddexp(total, log_sum_exp(exponents))
        return total

    def _leave_one_out(self) -> float:
        """The kappa at which the derivative of the leave-one-out likelihood vanishes.

        Per anchor it is the mean cosine with the other rows, weighted by their kernels, less
        A_p(kappa); below 0 for large kappa, where only the nearest row counts.
        """
        training: Rows = self.training_
        count, dimension = training.shape
        most = max(2, min(self.anchors, count, _ANCHOR_ELEMENTS // count))
        chosen = np.sort(np.random.default_rng(self.rng).choice(count, most, replace=False))
        away = 1.0 - (training[chosen] @ training.T).astype(np.float64)
        away[np.arange(most), chosen] = np.inf
        nearest = np.clip(away.min(axis=1), 0.0, None)

        def excess(log_kappa: float) -> float:
            kappa = math.exp(log_kappa)
            short = special.mean_resultant_length_c(float(dimension), kappa)
            weighted = 0.0
            for anchor, least in zip(away, nearest, strict=True):
                kernels = np.exp(-kappa * (anchor - least))
                others = kernels > 0  # leaves out the anchor itself, at infinity
                weighted += float(kernels[others] @ anchor[others]) / float(kernels.sum())
            return float(short - weighted / most)

        rounding = 8.0 * float(np.finfo(training.dtype).eps)
        high = math.log(max(dimension, 2) / max(float(nearest.mean()), rounding))
        if excess(high) >= 0 or float(np.median(nearest)) <= rounding:
            raise ValueError(
                "the leave-one-out likelihood has no maximum: most rows have an equal one (are some"
                " given twice?); remove them, or give the concentration"
            )
        # Downwards, because rows that point nowhere on average have a second root next to 0.
        low = high
        while excess(low) <= 0:
            high, low = low, low - math.log(2.0)
            if low < math.log(1e-6):
                raise ValueError(
                    "the leave-one-out likelihood is largest for kappa = 0: the rows spread evenly"
                    " over the sphere; give the concentration"
                )
        return math.exp(find_root(excess, low, high))
