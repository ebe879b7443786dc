"""Whether a probability of 0.8 is right in 8 of 10 cases."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

DEFAULT_BINS = 15
"""As Guo et al., ICML 2017, and torchmetrics."""


class Reliability(NamedTuple):
    """Confidence and accuracy in bins of equal width between 0 and 1.

    Attributes
    ----------
    share : (bins,) float64
        Share of the rows in the bin.
    confidence, accuracy : (bins,) float64
        Means over the rows of the bin, NaN for an empty one.
    """

    share: Vector
    confidence: Vector
    accuracy: Vector


def reliability(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = DEFAULT_BINS
) -> Reliability:
    """The reliability diagram of the most probable class.

    Parameters
    ----------
    confidence : (rows,) array_like in [0, 1]
        Probability of the predicted class.
    correct : (rows,) array_like of bool
    bins : int
    """
    p, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    bin_of = bin_numbers(p, bins)
    count = np.bincount(bin_of, minlength=bins).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return Reliability(
            count / len(p),
            np.bincount(bin_of, p, bins) / count,
            np.bincount(bin_of, right, bins) / count,
        )


def expected_calibration_error(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = DEFAULT_BINS
) -> float:
    """Mean of |accuracy - confidence| over the bins, weighted by their rows; lower is better."""
    p, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    return gap_of_bins(bin_numbers(p, bins), p - right, bins) / len(p)


def bin_numbers(confidence: Vector, bins: int) -> npt.NDArray[np.intp]:
    """The bin of each confidence; 1 belongs to the last one."""
    return np.minimum((confidence * bins).astype(np.intp), bins - 1)


def gap_of_bins(numbers: npt.NDArray[np.intp], gap: Vector, bins: int) -> float:
    """The sum over the bins of |sum of confidence - accuracy of their rows|."""
    return float(np.abs(np.bincount(numbers, gap, bins)).sum())
