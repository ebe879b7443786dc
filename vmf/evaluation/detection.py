"""How well a score tells rows inside the known classes from those outside."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


def ranks(values: npt.ArrayLike, name: str = "scores") -> Vector:
    """Dense ranks of the values: the same order and ties, without infinities.

    Raises
    ------
    ValueError
        For NaN, which has no place in the order; names the row.
    """
    array = np.asarray(values, np.float64)
    undefined = np.isnan(array)
    if undefined.any():
        raise ValueError(f"{name}: the score of row {int(np.argmax(undefined))} is nan")
    order: Vector = np.unique(array, return_inverse=True)[1].reshape(array.shape).astype(np.float64)
    return order


def auroc(certainty: npt.ArrayLike, positive: npt.ArrayLike) -> float | None:
    """Probability that a positive row has the higher certainty, ties counted half.

    None when all rows are positive, or none is.
    """
    from sklearn.metrics import roc_auc_score

    truth = np.asarray(positive, bool)
    if truth.all() or not truth.any():
        return None
    return float(roc_auc_score(truth, certainty))


def detect(inside: npt.ArrayLike, outside: npt.ArrayLike) -> dict[str, float | None]:
    """Measure how a certainty separates rows inside from rows outside.

    Parameters
    ----------
    inside, outside : (rows,) array_like, finite
        Higher = more certain, that is, more likely inside.

    Returns
    -------
    dict
        "auroc": probability that a row inside has the higher certainty, ties counted half.
        "aupr_in", "aupr_out": average precision with the rows inside, and outside, as positives.
        "fpr95": share of the rows outside that are accepted at the threshold which accepts 95 % of
        those inside; lower is better. The rows inside are the positives of the rate, as in Liang,
        Li & Srikant, ICLR 2018 (ODIN); pytorch-ood and OpenOOD take those outside, so that their
        figure is `detect(-outside, -inside)["fpr95"]`.
    """
    from sklearn.metrics import auc, average_precision_score, roc_curve

    certainty = np.concatenate([np.asarray(inside), np.asarray(outside)])
    truth = np.arange(len(certainty)) < len(np.asarray(inside))
    accepted_outside, accepted_inside, _ = roc_curve(truth, certainty, drop_intermediate=False)
    return {
        "auroc": float(auc(accepted_outside, accepted_inside)),
        "aupr_in": float(average_precision_score(truth, certainty)),
        "aupr_out": float(average_precision_score(~truth, -certainty)),
        "fpr95": float(accepted_outside[np.argmax(accepted_inside >= 0.95)]),
    }


def roc(inside: npt.ArrayLike, outside: npt.ArrayLike) -> tuple[Vector, Vector]:
    """Shares of the rows outside and inside that are accepted, over all thresholds."""
    from sklearn.metrics import roc_curve

    certainty = np.concatenate([np.asarray(inside), np.asarray(outside)])
    truth = np.arange(len(certainty)) < len(np.asarray(inside))
    accepted_outside, accepted_inside, _ = roc_curve(truth, certainty)
    return accepted_outside, accepted_inside
