"""What is gained by leaving the least certain rows to a person."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


class RiskCoverage(NamedTuple):
    """Risk among the most certain rows, as their share grows.

    Attributes
    ----------
    coverage : (rows,) float64
        1/n, 2/n, ..., 1.
    risk : (rows,) float64
        Share of errors among that many most certain rows. Where the certainty is the same for
        several rows, its mean over all orders of them.
    """

    coverage: Vector
    risk: Vector


def risk_coverage(certainty: npt.ArrayLike, correct: npt.ArrayLike) -> RiskCoverage:
    """The risk-coverage curve (El-Yaniv & Wiener, JMLR 11 (2010) 1605-1641).

    Parameters
    ----------
    certainty : (rows,) array_like
        Higher = more certain.
    correct : (rows,) array_like of bool
        Whether the answer for the row is right.
    """
    values, wrong = np.asarray(certainty), 1.0 - np.asarray(correct, np.float64)
    _, group = np.unique(values, return_inverse=True)
    # The mean of a group of ties stands for each of its rows: then the order within is irrelevant.
    wrong = (np.bincount(group, wrong) / np.bincount(group))[group]
    order = np.argsort(-group, kind="stable")
    number = np.arange(1, len(order) + 1)
    return RiskCoverage(number / len(order), np.cumsum(wrong[order]) / number)


def aurc(certainty: npt.ArrayLike, correct: npt.ArrayLike) -> float:
    """Area under the risk-coverage curve: the mean risk over all coverages; lower is better."""
    return float(risk_coverage(certainty, correct).risk.mean())


def best_aurc(correct: npt.ArrayLike) -> float:
    """The AURC of a score that puts all wrong rows last."""
    return aurc(correct, correct)
