"""The expected likelihood kernel: how well two uncertain embeddings agree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import as_rows
from vmf.arrays.types import Vector
from vmf.distribution.components import log_expected_likelihood, log_sum_exp
from vmf.uncertainty.class_model import ClassModel, log_weights, one_minus_cosines, unit_blocks
from vmf.uncertainty.convention import Higher, orient
from vmf.uncertainty.uniform import checked_concentrations

_NEAR = 1e-2


def log_elk(
    dimension: int,
    concentration_1: npt.ArrayLike,
    concentration_2: npt.ArrayLike,
    one_minus_cosine: npt.ArrayLike,
) -> Vector:
    """Log of the expected likelihood kernel, the integral of vMF(x; mu1, k1) vMF(x; mu2, k2) dx:

        log C_p(k1) + log C_p(k2) - log C_p(|k1 mu1 + k2 mu2|).

    Jebara & Kondor, COLT 2003; for vMF embeddings Kirchhof et al., ECCV 2022 ("A Non-isotropic
    Probabilistic Take on Proxy-based Deep Metric Learning"). Exact, at any dimension.

    Parameters
    ----------
    dimension : int
    concentration_1, concentration_2 : array_like, >= 0
    one_minus_cosine : array_like in [0, 2]
        1 - mu1 . mu2; all three broadcast.

    Returns
    -------
    float64 array of the broadcast shape
        In nats. With one of the two uniform it is minus the log of the sphere's area.
    """
    k1, k2, away = (
        np.asarray(a, np.float64) for a in (concentration_1, concentration_2, one_minus_cosine)
    )
    result: Vector = log_expected_likelihood(float(dimension), k1, k2, away)
    return result


def elk_pairs(
    X: npt.ArrayLike,
    concentration_x: npt.ArrayLike,
    Y: npt.ArrayLike,
    concentration_y: npt.ArrayLike,
    *,
    higher: Higher = "certain",
) -> Vector:
    """log ELK between row i of `X` and row i of `Y`, (rows,).

    How sure it is that two embeddings show the same thing: high when they are close and both
    certain, low when they are certain of different things, in between when either is uncertain.
    Naturally, higher = more certain that they match.

    Parameters
    ----------
    X, Y : (rows, dim) array_like
        Only directions count.
    concentration_x, concentration_y : (rows,) array_like
        kappa of each embedding, finite and >= 0.
    higher : {"certain", "ood"}
        What a higher value is to mean.

    Raises
    ------
    vmf.estimation.BadRowError
        For a row with NaN or infinity, or of zeros.
    TypeError, ValueError
        For shapes that do not fit and concentrations out of range.
    """
    rows, others = as_rows(X), as_rows(Y, name="Y")
    if rows.shape != others.shape:
        raise ValueError(f"X has shape {rows.shape} and Y {others.shape}; pairs need the same")
    kx = _one_a_row(concentration_x, len(rows), "concentration_x")
    ky = _one_a_row(concentration_y, len(others), "concentration_y")
    away = np.empty(len(rows))
    for (part, a), (_, b) in zip(unit_blocks(rows), unit_blocks(others), strict=True):
        difference = a - b
        # |a - b|^2 / 2 has the digits of 1 - cos for near and for far pairs alike.
        away[part] = 0.5 * np.einsum("ij,ij->i", difference, difference)
    return orient(log_elk(rows.shape[1], kx, ky, away), "certain", higher)


def elk_matrix(
    X: npt.ArrayLike,
    concentration_x: npt.ArrayLike,
    Y: npt.ArrayLike,
    concentration_y: npt.ArrayLike,
    *,
    higher: Higher = "certain",
) -> Vector:
    """log ELK between every row of `X` and every row of `Y`, (rows of X, rows of Y).

    Parameters, sign and errors as for `elk_pairs`; `Y` is held in float64.
    """
    rows, others = as_rows(X), as_rows(Y, name="Y")
    if rows.shape[1] != others.shape[1]:
        raise ValueError(f"X has dimension {rows.shape[1]}, Y {others.shape[1]}")
    kx = _one_a_row(concentration_x, len(rows), "concentration_x")
    ky = _one_a_row(concentration_y, len(others), "concentration_y")
    gallery = np.concatenate([block for _, block in unit_blocks(others)])
    result = np.empty((len(rows), len(others)))
    for part, directions in unit_blocks(rows):
        away = np.clip(1.0 - directions @ gallery.T, 0.0, 2.0)
        i, j = np.nonzero(away < _NEAR)
        if i.size:
            difference = directions[i] - gallery[j]
            away[i, j] = 0.5 * np.einsum("ij,ij->i", difference, difference)
        result[part] = log_elk(rows.shape[1], kx[part, np.newaxis], ky, away)
    return orient(result, "certain", higher)


def elk_to_classes(
    model: ClassModel,
    X: npt.ArrayLike,
    concentration: npt.ArrayLike,
    *,
    higher: Higher = "certain",
) -> Vector:
    """log ELK between an uncertain embedding and the mixture of the classes,

        log sum_k pi_k ELK(vMF(x, kappa_x), vMF(mu_k, kappa_k)).

    The log-density of `log_density`, averaged over where the embedding may really lie. Naturally,
    higher = more certain.

    Parameters
    ----------
    model : VMFClassifier, VMFMixture
        Fitted.
    X : (rows, dim) array_like
        Only directions count.
    concentration : (rows,) array_like
        kappa of each embedding, finite and >= 0.
    higher : {"certain", "ood"}
        What a higher value is to mean.
    """
    away = one_minus_cosines(model, X)
    kx = _one_a_row(concentration, len(away), "concentration")
    kappa = np.asarray(model.concentrations_, np.float64)
    dimension = int(np.shape(model.mean_directions_)[1])
    each = log_elk(dimension, kx[:, np.newaxis], kappa, away)
    return orient(log_sum_exp(log_weights(model) + each), "certain", higher)


def _one_a_row(concentration: npt.ArrayLike, rows: int, name: str) -> Vector:
    kappa = checked_concentrations(concentration)
    if len(kappa) != rows:
        raise ValueError(
            f"{name} has {len(kappa)} entries for {rows} rows; there must be one a row"
        )
    return kappa
