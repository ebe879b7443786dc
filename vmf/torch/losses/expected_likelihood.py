"""The expected likelihood kernel of two uncertain embeddings, and its loss.

    ELK = int f(z; mu_1, kappa_1) f(z; mu_2, kappa_2) dz
        = C_p(kappa_1) C_p(kappa_2) / C_p(|kappa_1 mu_1 + kappa_2 mu_2|),

the density that draws of the two coincide (the probability product kernel of order 1). The logarithms
are computed in float64, in which what cancels leaves enough digits, the cosines in the type of the
input. |.| is taken from its square, (kappa_1 - kappa_2)^2 + 2 kappa_1 kappa_2 (1 + cos), in which log
C_p(sqrt(.)) is smooth, also at 0.

T. Jebara & R. Kondor, Bhattacharyya and Expected Likelihood Kernels, COLT 2003; M. Kirchhof, K. Roth,
Z. Akata & E. Kasneci, A Non-isotropic Probabilistic Take on Proxy-based Deep Metric Learning, ECCV
2022; M. Kirchhof, E. Kasneci & S. J. Oh, Probabilistic Contrastive Learning Recovers the Correct
Aleatoric Uncertainty of Ambiguous Inputs, ICML 2023, where it is a contrastive loss as here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vmf import special
from vmf.torch.half_precision import widened
from vmf.torch.losses.base import PairLoss
from vmf.torch.losses.contrast import info_nce

# Added to a square of which the root is taken: its derivative is finite, and A_p(k)/k is exact there.
_TINY = 1e-200


class ELKLoss(PairLoss):
    """Contrastive loss with the log of the expected likelihood kernel for its similarity.

        s_ij = beta log ELK(i, j),   l_ij = log( e^{s_ij} + sum_{k in N(i)} e^{s_ik} ) - s_ij

    for each pair i, j of one label; N(i) are the rows of other labels. No class parameters and no
    sampling. Without concentrations ELK is the indicator of equal points, which no gradient
    reaches: they are required. Kirchhof, Kasneci & Oh, ICML 2023.

    Parameters
    ----------
    inverse_temperature : float
        beta. 1 takes the likelihoods at their word, which in some hundred dimensions is a hard
        decision; smaller is softer.
    learn_inverse_temperature : bool
        As in the paper, whose authors learn it. The default keeps it.
    reduction : {"mean", "sum", "none"}
        Over the pairs; "none" gives one value a pair, in the order of `torch.nonzero`. A batch
        without pairs has loss 0.
    validate_args : bool

    Examples
    --------
    >>> import torch
    >>> from vmf.torch.losses import ELKLoss
    >>> vectors = torch.randn(32, 128, generator=torch.Generator().manual_seed(0))
    >>> ELKLoss().from_embeddings(vectors, torch.arange(32) % 4).shape
    torch.Size([])
    """

    def pair_losses(
        self,
        mean_direction: Tensor,
        concentration: Tensor | None,
        positive: Tensor,
        negative: Tensor,
        other: tuple[Tensor, Tensor | None] | None = None,
    ) -> Tensor:
        """See `PairLoss.pair_losses`."""
        others, other_concentration = other or (mean_direction, concentration)
        if concentration is None or other_concentration is None:
            raise ValueError("ELKLoss needs a concentration for every embedding, not None")
        similarity = _log_kernel(mean_direction, concentration, others, other_concentration)
        losses = info_nce(self.inverse_temperature() * similarity, negative)
        return losses.to(mean_direction.dtype)


def log_expected_likelihood(
    mean_direction: Tensor,
    concentration: Tensor,
    other_mean_direction: Tensor,
    other_concentration: Tensor,
) -> Tensor:
    """Return log ELK of every row with every other row, (n, m), in nats.

    Parameters
    ----------
    mean_direction, other_mean_direction : (n, p) and (m, p) tensors
        Unit rows.
    concentration, other_concentration : (n,) and (m,) tensors
        >= 0.
    """
    first, second = widened(mean_direction), widened(other_mean_direction)
    kernel = _log_kernel(first, widened(concentration), second, widened(other_concentration))
    return kernel.to(first.dtype)


def _log_kernel(
    mean_direction: Tensor, concentration: Tensor, others: Tensor, other_concentration: Tensor
) -> Tensor:
    cosine = cosines(mean_direction, others)
    dimension = mean_direction.shape[1]
    return log_kernel_of_cosine(
        dimension, cosine, concentration[:, None], other_concentration[None, :]
    )


def cosines(mean_direction: Tensor, others: Tensor) -> Tensor:
    """Return the scalar products (n, m), which autocast must not round."""
    with torch.autocast(mean_direction.device.type, enabled=False):
        return mean_direction @ others.to(mean_direction.dtype).T


def log_kernel_of_cosine(dimension: int, cosine: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return log ELK in float64, from cosines and concentrations that broadcast."""
    k1, k2, cosine = first.double(), second.double(), cosine.double()
    square = (k1 - k2).square() + 2.0 * k1 * k2 * (1.0 + cosine).clamp(min=0.0)
    both: Tensor = special.log_normalizer(dimension, torch.sqrt(square + _TINY))
    one: Tensor = special.log_normalizer(dimension, k1)
    other: Tensor = special.log_normalizer(dimension, k2)
    return one + other - both
