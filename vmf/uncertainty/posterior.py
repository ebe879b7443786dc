"""How decided the class of an embedding is, given the model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vmf.arrays.types import Vector
from vmf.distribution.components import log_sum_exp
from vmf.uncertainty.class_model import ClassModel
from vmf.uncertainty.convention import Higher, orient
from vmf.uncertainty.density import log_joint


def max_probability(model: ClassModel, X: npt.ArrayLike, *, higher: Higher = "certain") -> Vector:
    """Probability of the most probable class, max_k p(k | x), by Bayes' rule.

    In high dimension it is 1 to the last digit for most rows; `log_odds` tells those apart.
    Naturally, higher = more certain; "ood" gives -max_k p(k | x). Parameters, result and errors as
    for `log_density`.
    """
    return orient(1.0 / (1.0 + np.exp(-_log_odds(log_joint(model, X)))), "certain", higher)


def log_odds(model: ClassModel, X: npt.ArrayLike, *, higher: Higher = "certain") -> Vector:
    """Log-odds of the most probable class, log p - log(1 - p) with p = max_k p(k | x).

    They order rows as the probability does, without its ties at 1. With one class they are
    infinite. Naturally, higher = more certain; parameters, result and errors as for `log_density`.
    """
    return orient(_log_odds(log_joint(model, X)), "certain", higher)


def entropy(model: ClassModel, X: npt.ArrayLike, *, higher: Higher = "certain") -> Vector:
    """Entropy of the class posterior, H = -sum_k p(k | x) log p(k | x), in nats.

    Between 0 and the log of the number of classes, with its relative accuracy near 0. Naturally,
    higher = more uncertain, so "certain" gives -H. Parameters, result and errors as for
    `log_density`.
    """
    return orient(entropy_of(log_joint(model, X)), "ood", higher)


def entropy_of(log_unnormalised: Vector) -> Vector:
    """Entropy along the last axis of the probabilities proportional to exp(`log_unnormalised`).

    With d_k >= 0 the differences to the largest one, H = log sum exp(-d) + sum p d: no term of it
    is a difference, and the 1 of the largest one is kept out of the sum.
    """
    largest = log_unnormalised.argmax(axis=-1)[..., np.newaxis]
    gap = np.take_along_axis(log_unnormalised, largest, axis=-1) - log_unnormalised
    others = np.exp(-gap)
    np.put_along_axis(others, largest, 0.0, axis=-1)
    rest = others.sum(axis=-1)
    weighted = np.where(others > 0, others * gap, 0.0).sum(axis=-1)
    result: Vector = np.log1p(rest) + weighted / (1.0 + rest)
    return result


def _log_odds(joint: Vector) -> Vector:
    likeliest = joint.argmax(axis=1)
    rows = np.arange(len(joint))
    largest = joint[rows, likeliest]
    others = joint.copy()
    others[rows, likeliest] = -np.inf
    odds: Vector = largest - log_sum_exp(others)
    return odds
