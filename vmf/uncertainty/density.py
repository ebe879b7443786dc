"""How likely an embedding is under the classes, and how near the next mean direction is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vmf.arrays.types import Vector
from vmf.distribution.components import log_sum_exp
from vmf.uncertainty.class_model import (
    ClassModel,
    checked_rows,
    log_weights,
    one_minus_cosines,
    posterior_concentrations,
)
from vmf.uncertainty.convention import Higher, orient
from vmf.uncertainty.expected_likelihood import log_elk


def log_joint(model: ClassModel, X: npt.ArrayLike) -> Vector:
    """log pi_k vMF(x; mu_k, kappa_k) of every row and class, (rows, classes), in nats."""
    joint: Vector = log_weights(model) + np.asarray(
        model.log_density(checked_rows(model, X)), np.float64
    )
    return joint


def log_density(model: ClassModel, X: npt.ArrayLike, *, higher: Higher = "certain") -> Vector:
    """Log-density under the mixture of the classes, log sum_k pi_k vMF(x; mu_k, kappa_k).

    With respect to the area of the unit sphere, in nats; in high dimension it is far above 0 and
    only differences mean something. Naturally, higher = more certain.

    Parameters
    ----------
    model : VMFClassifier, VMFMixture
        Fitted.
    X : (rows, dim) array_like of floats or integers
        Only directions count.
    higher : {"certain", "ood"}
        What a higher value is to mean.

    Returns
    -------
    (rows,) float64

    Raises
    ------
    vmf.estimation.BadRowError
        For a row with NaN or infinity, or of zeros.
    TypeError, ValueError
        For other elements, another dimension.
    """
    return orient(log_sum_exp(log_joint(model, X)), "certain", higher)


def class_log_density(model: ClassModel, X: npt.ArrayLike, *, higher: Higher = "certain") -> Vector:
    """Log-density under the class in which it is largest, max_k log vMF(x; mu_k, kappa_k).

    The prior does not enter, so a rare class counts as much as a frequent one. Naturally, higher =
    more certain; parameters, result and errors as for `log_density`.
    """
    each = np.asarray(model.log_density(checked_rows(model, X)), np.float64)
    return orient(each.max(axis=1), "certain", higher)


def predictive_log_density(
    model: ClassModel, X: npt.ArrayLike, *, higher: Higher = "certain"
) -> Vector:
    """Log-density when the mean directions are not known but have a posterior,

        log sum_k pi_k integral vMF(x; mu, kappa_k) vMF(mu; mu_k, beta_k) dmu,

    beta_k being `posterior_concentrations_`. The integral is an expected likelihood kernel, in
    closed form. With many rows a class it agrees with `log_density`; a class of few rows becomes
    wider. Naturally, higher = more certain; parameters, result and errors as for `log_density`.
    """
    kappa = np.asarray(model.concentrations_, np.float64)
    beta = posterior_concentrations(model)
    dimension = int(np.shape(model.mean_directions_)[1])
    each = log_elk(dimension, kappa, beta, one_minus_cosines(model, X))
    return orient(log_sum_exp(log_weights(model) + each), "certain", higher)


def nearest_mean_cosine(
    model: ClassModel, X: npt.ArrayLike, *, higher: Higher = "certain"
) -> Vector:
    """Cosine of the angle to the nearest mean direction, max_k mu_k . x / |x|.

    The usual score without a concentration, and the same order as `class_log_density` when all
    classes share one. Naturally, higher = more certain; parameters, result and errors as for
    `log_density`.
    """
    return orient(1.0 - one_minus_cosines(model, X).min(axis=1), "certain", higher)
