"""Kullback-Leibler divergences between the distributions on the sphere, in nats.

    KL(k1 || k2) = B(k1, k2) + A_p(k1) k2 |mu1 - mu2|^2/2,
    B(k1, k2) = int_{k1}^{k2} (k2 - s) A_p'(s) ds = log C_p(k1) + k1 - log C_p(k2) - k2
                                                     + (k2 - k1)(1 - A_p(k1)) >= 0,

the Bregman divergence of -log C_p. The right-hand side of B differences numbers of the size of
p log p: it gives the derivatives, the integral gives the value where the concentrations are close.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.distributions.kl import register_kl

from vmf import special
from vmf.torch.half_precision import widened
from vmf.torch.hyperspherical_uniform import HypersphericalUniform
from vmf.torch.von_mises_fisher import VonMisesFisher

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


@register_kl(VonMisesFisher, VonMisesFisher)  # type: ignore[untyped-decorator]
def _kl_vmf_vmf(p: VonMisesFisher, q: VonMisesFisher) -> Tensor:
    _same_dimension(p, q)
    half_squared_chord = 0.5 * (widened(p.loc) - widened(q.loc)).square().sum(-1)
    turn = p.mean_resultant_length * q.concentration * half_squared_chord
    return turn + _bregman(p.dimension, p.concentration, q.concentration)


@register_kl(VonMisesFisher, HypersphericalUniform)  # type: ignore[untyped-decorator]
def _kl_vmf_uniform(p: VonMisesFisher, q: HypersphericalUniform) -> Tensor:
    _same_dimension(p, q)
    kappa = p.concentration.expand(torch.broadcast_shapes(p.batch_shape, q.batch_shape))
    return _bregman(p.dimension, kappa, torch.zeros_like(kappa))


@register_kl(HypersphericalUniform, VonMisesFisher)  # type: ignore[untyped-decorator]
def _kl_uniform_vmf(p: HypersphericalUniform, q: VonMisesFisher) -> Tensor:
    _same_dimension(p, q)
    kappa = q.concentration.expand(torch.broadcast_shapes(p.batch_shape, q.batch_shape))
    return _bregman(p.dimension, torch.zeros_like(kappa), kappa)


@register_kl(HypersphericalUniform, HypersphericalUniform)  # type: ignore[untyped-decorator]
def _kl_uniform_uniform(p: HypersphericalUniform, q: HypersphericalUniform) -> Tensor:
    _same_dimension(p, q)
    return torch.zeros_like(p.entropy() + q.entropy())


def _same_dimension(
    p: VonMisesFisher | HypersphericalUniform, q: VonMisesFisher | HypersphericalUniform
) -> None:
    if p.dimension != q.dimension:
        raise ValueError(f"dimensions differ: {p.dimension} and {q.dimension}")


def _bregman(dim: int, start: Tensor, stop: Tensor) -> Tensor:
    dtype = torch.promote_types(widened(start).dtype, widened(stop).dtype)
    k1, k2 = torch.broadcast_tensors(start.double(), stop.double())
    gap = special.log_normalizer_e(dim, k1) - special.log_normalizer_e(dim, k2)
    difference = gap + (k2 - k1) * special.mean_resultant_length_c(dim, k1)
    with torch.no_grad():
        # 20 nodes are exact to rounding where p/2 + kappa grows by less than a half.
        near = (k2 - k1).abs() <= 0.5 * (0.5 * dim + torch.minimum(k1, k2))
        nodes, weights = (torch.as_tensor(rule, device=k1.device) for rule in (_NODES, _WEIGHTS))
        s = 0.5 * (k1 + k2)[..., None] + 0.5 * (k2 - k1)[..., None] * nodes
        slope = special.mean_resultant_length_dkappa(dim, s)
        terms = weights * (k2[..., None] - s) * slope
        integral = 0.5 * (k2 - k1) * terms.sum(-1)
        correction = torch.where(near, integral - difference, 0.0)
    return (difference + correction).to(dtype)
