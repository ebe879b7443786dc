"""How far an embedding with a concentration of its own is from saying nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vmf import special
from vmf.arrays.types import Vector
from vmf.estimation.quadrature import integrals_over_concentration
from vmf.uncertainty.convention import Higher, orient


def kl_to_uniform(
    concentration: npt.ArrayLike, dimension: int, *, higher: Higher = "certain"
) -> Vector:
    """Distance of vMF(mu, kappa) to the uniform distribution on the sphere, in nats:

        KL(vMF(mu, kappa) || uniform) = integral from 0 to kappa of s A_p'(s) ds
                                      = kappa A_p(kappa) + log C_p(kappa) - log C_p(0).

    0 for kappa = 0 and increasing in kappa; unlike kappa itself it can be compared between
    dimensions. Computed as the integral, whose terms are all positive: the closed form subtracts
    numbers of the size of p log p. Naturally, higher = more certain.

    Parameters
    ----------
    concentration : (rows,) array_like
        kappa of each embedding, finite and >= 0: what the network predicts, or
        `norm_concentration`.
    dimension : int
        Of the embeddings, 2 or more.
    higher : {"certain", "ood"}
        What a higher value is to mean.

    Returns
    -------
    (rows,) float64

    Raises
    ------
    ValueError
        For a dimension below 2 and a concentration out of range.
    """
    kappa = checked_concentrations(concentration)
    if dimension < 2:
        raise ValueError(f"dimension is {dimension}; it must be 2 or more")
    p = float(dimension)

    def integrand(s: Vector) -> Vector:
        slope: Vector = special.mean_resultant_length_dkappa(p, s)
        return s * slope

    return orient(integrals_over_concentration(integrand, kappa, 0.5 * p), "certain", higher)


def checked_concentrations(concentration: npt.ArrayLike) -> Vector:
    """The concentrations as float64, (rows,); ValueError unless all are finite and >= 0."""
    kappa = np.asarray(concentration, np.float64)
    if kappa.ndim != 1:
        raise ValueError(f"concentration has shape {kappa.shape}; expected (rows,)")
    bad = ~(np.isfinite(kappa) & (kappa >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"concentration[{row}] is {kappa[row]}; it must be finite and >= 0")
    return kappa
