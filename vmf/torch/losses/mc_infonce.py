"""MCInfoNCE: InfoNCE of draws from the embeddings' von Mises-Fisher posteriors.

    l_ij = -log E[ e^{beta z_i . z_j} / ( e^{beta z_i . z_j} + sum_{k in N(i)} e^{beta z_i . z_k} ) ],
    z_i ~ vMF(mu_i, kappa_i),

for each pair i, j of one label. The expectation is a mean over draws of the whole batch, taken as
logsumexp. The draws are exact in any dimension and their gradients unbiased (`vmf.torch.cosine`);
the paper proves that the concentrations which minimise the loss are those of the posteriors of the
process that made the data.

M. Kirchhof, E. Kasneci & S. J. Oh, Probabilistic Contrastive Learning Recovers the Correct Aleatoric
Uncertainty of Ambiguous Inputs, ICML 2023. Their code has the mean over the negatives for the sum.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vmf.torch.losses.base import PairLoss, Reduction, checked_samples
from vmf.torch.losses.contrast import info_nce
from vmf.torch.von_mises_fisher import VonMisesFisher


class MCInfoNCELoss(PairLoss):
    """InfoNCE averaged over draws of the embeddings, by log-mean-exp.

    See the formula in `vmf.torch.losses.mc_infonce`.

    Parameters
    ----------
    n_samples : int
        Draws of each embedding; memory grows with n_samples n (n + p).
    inverse_temperature : float
        beta, the concentration of positives around each other. 20, and learnt, in the paper's code.
    learn_inverse_temperature : bool
    reduction : {"mean", "sum", "none"}
        Over the pairs; "none" gives one value a pair, in the order of `torch.nonzero`. A batch
        without pairs has loss 0.
    validate_args : bool

    Examples
    --------
    >>> import torch
    >>> from vmf.torch.losses import MCInfoNCELoss
    >>> mean_direction = torch.nn.functional.normalize(torch.randn(32, 128), dim=1)
    >>> concentration = torch.full((32,), 500.0, requires_grad=True)
    >>> MCInfoNCELoss()(mean_direction, concentration, torch.arange(32) // 2).backward()
    """

    def __init__(
        self,
        *,
        n_samples: int = 16,
        inverse_temperature: float = 20.0,
        learn_inverse_temperature: bool = False,
        reduction: Reduction = "mean",
        validate_args: bool = True,
    ) -> None:
        super().__init__(
            inverse_temperature=inverse_temperature,
            learn_inverse_temperature=learn_inverse_temperature,
            reduction=reduction,
            validate_args=validate_args,
        )
        self.n_samples = checked_samples(n_samples)

    def pair_losses(
        self,
        mean_direction: Tensor,
        concentration: Tensor | None,
        positive: Tensor,
        negative: Tensor,
        other: tuple[Tensor, Tensor | None] | None = None,
    ) -> Tensor:
        """See `PairLoss.pair_losses`."""
        points = self._draw(mean_direction, concentration)
        others = points if other is None else self._draw(*other)
        with torch.autocast(points.device.type, enabled=False):
            cosine = points @ others.to(points.dtype).transpose(-2, -1)
        similarity = self.inverse_temperature() * cosine
        losses = info_nce(similarity, negative)
        return math.log(points.shape[0]) - torch.logsumexp(-losses, dim=0)

    def _draw(self, mean_direction: Tensor, concentration: Tensor | None) -> Tensor:
        if concentration is None:
            return mean_direction[None]
        embedding = VonMisesFisher(mean_direction, concentration, validate_args=False)
        return embedding.rsample((self.n_samples,))
