"""Classification with a non-isotropic von Mises-Fisher distribution (nivMF) for each class.

With K = kappa U, U diagonal of determinant 1, a class has the density

    f(z) = C_p(a) exp( a cos(U z, U mu) ) / |U z|^p,   a = kappa |U mu|,

which is the distribution of U^-1 y/|U^-1 y| for y ~ vMF(U mu/|U mu|, a): |U z|^-p is the change of area
of that map, so that the density integrates to 1. It is vMF(mu, kappa) for U = 1, and spreads most
along the coordinates in which U is small.

The similarity of an uncertain embedding with a class is their expected likelihood,

    s_ik = log E f_k(z),   z ~ vMF(mu_i, kappa_i),

the log of the mean over draws of z, and the loss is cross-entropy of softmax(beta s).

M. Kirchhof, K. Roth, Z. Akata & E. Kasneci, A Non-isotropic Probabilistic Take on Proxy-based Deep
Metric Learning, ECCV 2022 (EL-nivMF). The paper's code has |K mu| to a fixed power in the place of
|K z|^p and a polynomial in that of log C_p; then neither the integral is 1 nor U = 1 the vMF.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vmf import special
from vmf.torch.losses.base import ClassLoss, InverseTemperature, Reduction, checked_samples
from vmf.torch.von_mises_fisher import VonMisesFisher


class NivMFLoss(ClassLoss):
    """Cross-entropy under one non-isotropic von Mises-Fisher distribution a class (EL-nivMF).

    See the formulas in `vmf.torch.losses.nivmf`.

    Parameters
    ----------
    num_classes : int
    dimension : int
        p of the embeddings, 2 or more.
    n_samples : int
        Draws of each embedding. Without concentrations there is nothing to draw.
    initial_concentration : float, optional
        kappa of every class at the start; by default that of a mean cosine of 0.5. U starts at 1.
    inverse_temperature, learn_inverse_temperature
        beta.
    reduction : {"mean", "sum", "none"}
    validate_args : bool

    Attributes
    ----------
    class_vectors : (num_classes, p) parameter
        Of any length; their directions are the mu.
    log_concentration : (num_classes,) parameter
        log kappa.
    log_shape : (num_classes, p) parameter
        log of the diagonal of U, up to a constant: its mean is taken off.
    """

    def __init__(
        self,
        num_classes: int,
        dimension: int,
        *,
        n_samples: int = 16,
        initial_concentration: float | None = None,
        inverse_temperature: float = 1.0,
        learn_inverse_temperature: bool = False,
        reduction: Reduction = "mean",
        validate_args: bool = True,
    ) -> None:
        super().__init__(
            num_classes,
            dimension,
            initial_concentration=initial_concentration,
            reduction=reduction,
            validate_args=validate_args,
        )
        self.inverse_temperature = InverseTemperature(
            inverse_temperature, learn_inverse_temperature
        )
        self.n_samples = checked_samples(n_samples)
        self.log_shape = nn.Parameter(torch.zeros(num_classes, dimension))

    @property
    def class_shape(self) -> Tensor:
        """The diagonal of U of each class, (num_classes, p)."""
        return (self.log_shape - self.log_shape.mean(-1, keepdim=True)).exp()

    def log_density(self, points: Tensor) -> Tensor:
        """Return log f_k(z) of unit vectors (..., p), (..., num_classes), in float64 and nats."""
        mu = self.class_mean_direction.to(points.dtype)
        weight = self.class_shape.to(points.dtype).square()
        with torch.autocast(points.device.type, enabled=False):
            square = points.square() @ weight.T  # |U z|^2
            product = points @ (weight * mu).T  # U z . U mu
        kappa = self.class_concentration.double()
        at_mean = kappa * torch.sqrt((weight * mu.square()).sum(-1).double())
        square = square.double()
        exponent = kappa * product.double() / torch.sqrt(square)
        log_normalizer: Tensor = special.log_normalizer(self.dimension, at_mean)
        return log_normalizer + exponent - 0.5 * self.dimension * torch.log(square)

    def logits(self, mean_direction: Tensor, concentration: Tensor | None) -> Tensor:
        """See `ClassLoss.logits`: beta s."""
        if concentration is None:
            similarity = self.log_density(mean_direction)
        else:
            embedding = VonMisesFisher(mean_direction, concentration, validate_args=False)
            densities = self.log_density(embedding.rsample((self.n_samples,)))
            similarity = torch.logsumexp(densities, dim=0) - math.log(self.n_samples)
        return self.inverse_temperature() * similarity
