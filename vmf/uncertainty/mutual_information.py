"""How much the class of an embedding depends on what the training rows left open."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vmf.arrays.types import Vector
from vmf.distribution.components import log_peak
from vmf.distribution.sampling import sample_one_minus_cosine
from vmf.uncertainty.class_model import (
    ClassModel,
    log_weights,
    one_minus_cosines,
    posterior_concentrations,
)
from vmf.uncertainty.convention import Higher, orient
from vmf.uncertainty.posterior import entropy_of

_BLOCK_ELEMENTS = 1 << 14  # of which a few matrices stay in the second-level cache


def mutual_information(
    model: ClassModel,
    X: npt.ArrayLike,
    *,
    draws: int = 64,
    rng: np.random.Generator | int = 0,
    higher: Higher = "certain",
) -> Vector:
    """Mutual information between the class and the mean directions, given the embedding,

        I = H(E_mu p(k | x, mu)) - E_mu H(p(k | x, mu)),  mu_k ~ vMF(mu_k, beta_k),

    the part of the uncertainty that more training rows would remove (Houlsby et al., arXiv
    1112.5745; Gal, Islam & Ghahramani, ICML 2017), under the posterior of the mean directions.
    Naturally, higher = more uncertain, so "certain" gives -I.

    Parameters
    ----------
    model : VMFClassifier, VMFMixture
        Fitted, with `posterior_concentrations_`.
    X : (rows, dim) array_like of floats or integers
        Only directions count.
    draws : int
        Draws of the mean directions, 2 or more.
    rng : Generator or int
        The same seed gives the same scores; a row's score does not depend on the other rows.
    higher : {"certain", "ood"}
        What a higher value is to mean.

    Returns
    -------
    (rows,) float64
        I in nats, >= 0 and at most the log of the number of classes, or -I.

    Raises
    ------
    ValueError
        For fewer than 2 draws and a model without a posterior; else as `log_density`.

    Notes
    -----
    The posterior depends on mu_k only through x . mu_k, whose distribution around the cosine c of x
    and the estimated direction is exactly that of w c + sqrt(1 - w^2) sqrt(1 - c^2) z: w the cosine
    of a draw with its mean, z one coordinate of a uniform direction in the dim - 1 dimensions
    around it. So pairs (w, z) are drawn, the same for all rows, not vectors: a draw costs as much
    in 100 000 dimensions as in 3.
    """
    if draws < 2:
        raise ValueError(f"draws is {draws}; at least 2 are needed")
    beta = posterior_concentrations(model)
    kappa = np.asarray(model.concentrations_, np.float64)
    dimension = int(np.shape(model.mean_directions_)[1])
    # log of pi_k C_p(kappa_k) exp(kappa_k): what is left at cosine 1.
    at_mean = log_weights(model) + log_peak(dimension, kappa)
    away, sideways = _draw_cosines(dimension, beta, draws, np.random.default_rng(rng))
    distance = one_minus_cosines(model, X)
    # 1 - (w c + sqrt(1 - w^2) s z), from 1 - w and 1 - c: (1 - w) + (1 - c) w - sqrt(1 - w^2) z s.
    fixed, of_distance, of_sine = at_mean - kappa * away, kappa * (1.0 - away), kappa * sideways
    result = np.empty(len(distance))
    step = max(1, _BLOCK_ELEMENTS // len(kappa))
    for start in range(0, len(distance), step):
        part = slice(start, start + step)
        d = distance[part]
        sine = np.sqrt(np.clip(d * (2.0 - d), 0.0, None))
        result[part] = _information(d, sine, fixed, of_distance, of_sine)
    return orient(np.clip(result, 0.0, None), "ood", higher)


def _information(
    distance: Vector, sine: Vector, fixed: Vector, of_distance: Vector, of_sine: Vector
) -> Vector:
    """H of the mean of the posteriors less the mean of their H, for rows that fit into the cache.

    Draw after draw, log p(k, x | mu) = fixed - of_distance d + of_sine s up to a constant. With
    d_k >= 0 its differences to the largest one, p_k = exp(-d_k)/Z, Z = 1 + the others, whose sum
    keeps the 1 out, and H = log Z + sum p d; so one exponential does.
    """
    rows = np.arange(len(distance))
    total = np.zeros_like(distance)
    entropy = np.zeros(len(distance))
    gap, scratch = np.empty_like(distance), np.empty_like(distance)
    for draw in range(len(fixed)):
        np.multiply(distance, of_distance[draw], out=gap)
        gap -= np.multiply(sine, of_sine[draw], out=scratch)
        gap -= fixed[draw]
        likeliest = gap.argmin(axis=1)
        gap -= gap[rows, likeliest][:, np.newaxis]
        others = np.exp(np.negative(gap, out=scratch), out=scratch)
        others[rows, likeliest] = 0.0
        rest = others.sum(axis=1)
        entropy += np.log1p(rest) + np.einsum("ij,ij->i", others, gap) / (1.0 + rest)
        others[rows, likeliest] = 1.0
        others /= (1.0 + rest)[:, np.newaxis]
        total += others
    with np.errstate(divide="ignore", invalid="ignore"):  # classes that no draw makes possible
        return entropy_of(np.log(total / len(fixed))) - entropy / len(fixed)


def _draw_cosines(
    dimension: int, beta: Vector, draws: int, rng: np.random.Generator
) -> tuple[Vector, Vector]:
    """1 - w and sqrt(1 - w^2) z for each draw and class, both (draws, classes)."""
    away = np.stack([sample_one_minus_cosine(dimension, b, draws, rng) for b in beta], axis=1)
    if dimension == 2:
        z = rng.choice([-1.0, 1.0], size=away.shape)
    else:
        z = 1.0 - sample_one_minus_cosine(dimension - 1, 0.0, away.size, rng).reshape(away.shape)
    return away, np.sqrt(away * (2.0 - away)) * z
