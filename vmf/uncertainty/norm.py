"""Concentrations from feature lengths, for networks whose feature length carries confidence."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vmf import special
from vmf.arrays.rows import as_rows, block_slices, norm_of
from vmf.arrays.types import Rows, Vector
from vmf.estimation.root import find_root
from vmf.uncertainty.class_model import ClassModel, one_minus_cosines
from vmf.uncertainty.convention import Higher, orient

_ROUNDING = 1e-3  # of a length in half precision


def norm_concentration(
    X: npt.ArrayLike, *, scale: float = 1.0, higher: Higher = "certain"
) -> Vector:
    """kappa of each embedding from the length of the feature, kappa = scale |x|.

    With scale 1 for networks trained so that the length is the concentration (vMF losses); for
    others `fit_norm_scale` finds it. Naturally, higher = more certain: that is an assumption about
    the network, which `vmf evaluate` tests.

    Parameters
    ----------
    X : (rows, dim) array_like
        As the network gave them, not normalised.
    scale : float
        Finite and > 0.
    higher : {"certain", "ood"}
        What a higher value is to mean.

    Returns
    -------
    (rows,) float64

    Raises
    ------
    ValueError
        For a scale out of range, rows with NaN or infinity, and normalised rows: their length says
        nothing.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale is {scale}; it must be finite and > 0")
    rows = as_rows(X)
    if are_normalised(rows):
        raise ValueError(
            "all rows have length 1: they are normalised, so their length carries no confidence;"
            " pass the features as the network gave them"
        )
    return orient(scale * row_lengths(rows), "certain", higher)


def carries_length(rows: Rows) -> bool:
    """Whether the rows differ in length by more than rounding."""
    return lengths_differ(row_lengths(rows))


def lengths_differ(lengths: Vector) -> bool:
    """Whether lengths of rows, (rows,), differ by more than rounding."""
    return bool(np.ptp(lengths) > _ROUNDING * lengths.max())


def fit_norm_scale(
    model: ClassModel, X: npt.ArrayLike, codes: npt.ArrayLike | None = None
) -> float:
    """The scale for which kappa_i = scale |x_i| describes best how far rows are from their means.

    Maximum likelihood of the directions x_i/|x_i| ~ vMF(mu_class, scale |x_i|): the root of
    sum |x_i| (cos_i - A_p(scale |x_i|)), which decreases in the scale.

    Parameters
    ----------
    model : VMFClassifier, VMFMixture
        Gives the mean directions.
    X : (rows, dim) array_like
        As the network gave them, not normalised.
    codes : (rows,) array_like of integers, optional
        The class of each row, as its position in the model; else the class of the nearest mean.

    Raises
    ------
    ValueError
        When there is none: the rows lie on their means, or on average away from them.
    """
    away = one_minus_cosines(model, X)
    lengths = row_lengths(as_rows(X))
    away = away.min(axis=1) if codes is None else away[np.arange(len(away)), np.asarray(codes)]
    return scale_from_distances(away, lengths, int(np.shape(model.mean_directions_)[1]))


def scale_from_distances(away: Vector, lengths: Vector, dimension: int) -> float:
    """`fit_norm_scale` from 1 - cosine of each row with its mean direction, and its length, (rows,)."""
    p = float(dimension)
    total = float(lengths.sum())

    def excess(log_scale: float) -> float:
        short = special.mean_resultant_length_c(p, math.exp(log_scale) * lengths)
        return float(lengths @ (short - away)) / total

    low, high = -60.0 - math.log(total / len(lengths)), 60.0 - math.log(total / len(lengths))
    if not excess(low) > 0 > excess(high):
        raise ValueError(
            "no scale fits: the rows lie on their mean directions, or on average away from them"
        )
    return math.exp(find_root(excess, low, high))


def are_normalised(rows: Rows) -> bool:
    """Whether all rows have length 1, up to rounding."""
    return bool((np.abs(row_lengths(rows) - 1.0) <= _ROUNDING).all())


def row_lengths(rows: Rows) -> Vector:
    """|x| of each row, (rows,) float64; ValueError for a row with NaN or infinity."""
    lengths = np.empty(len(rows))
    for part in block_slices(rows):
        lengths[part] = np.linalg.norm(rows[part].astype(np.float64), axis=1)
    for index in np.flatnonzero(~np.isfinite(lengths)):  # squares overflow before the length does
        row = rows[index].astype(np.float64)
        if np.isfinite(row).all():
            lengths[index] = norm_of(row)
    bad = ~np.isfinite(lengths)
    if bad.any():
        raise ValueError(
            f"row {int(np.argmax(bad))} (counted from 0) has no finite length; correct or remove it"
        )
    return lengths
