"""Classification with a von Mises-Fisher distribution for each class.

The similarity of a point z on the sphere with class k is the log of the class density, and that of an
uncertain embedding z ~ vMF(mu_i, kappa_i) the log of its expectation, the expected likelihood, which
has a closed form:

    s_ik = log C_p(kappa_k) + kappa_k mu_k . z                                   (a point)
    s_ik = log E f_k(z) = log C_p(kappa_i) C_p(kappa_k) / C_p(|kappa_i mu_i + kappa_k mu_k|).

The loss is cross-entropy of softmax(s), the class posterior under equal class probabilities. It is
flat for kappa_i = 0 and that of the point mu_i for kappa_i -> infinity: so low concentrations are
learnt where labels are not certain.

M. A. Hasnat, J. Bohne, J. Milgram, S. Gentric & L. Chen, von Mises-Fisher Mixture Model-based Deep
Learning, 2017 (points); M. Kirchhof, K. Roth, Z. Akata & E. Kasneci, A Non-isotropic Probabilistic Take
on Proxy-based Deep Metric Learning, ECCV 2022 (expected likelihood, with a polynomial for log C_p).
"""

from __future__ import annotations

import torch
from torch import Tensor

from vmf import special
from vmf.torch.losses.arguments import check_labels, check_mean_direction
from vmf.torch.losses.base import ClassLoss
from vmf.torch.losses.expected_likelihood import cosines, log_kernel_of_cosine


class VMFClassificationLoss(ClassLoss):
    """Cross-entropy under one von Mises-Fisher distribution a class, with their exact densities.

    See the formulas in `vmf.torch.losses.classification`.

    Parameters
    ----------
    num_classes : int
    dimension : int
        p of the embeddings, 2 or more.
    initial_concentration : float, optional
        kappa_k at the start; by default that of a mean cosine of 0.5 in p dimensions. Equal ones
        make the loss a normalised softmax of temperature 1/kappa.
    learn_concentration : bool
        Whether the kappa_k (their logarithms) are learnt.
    reduction : {"mean", "sum", "none"}
    validate_args : bool

    Attributes
    ----------
    class_vectors : (num_classes, p) parameter
        Of any length; their directions are the mu_k.
    log_concentration : (num_classes,) parameter or buffer

    Examples
    --------
    >>> import torch
    >>> from vmf.torch.losses import VMFClassificationLoss
    >>> loss = VMFClassificationLoss(10, 128)
    >>> mean_direction = torch.nn.functional.normalize(torch.randn(32, 128), dim=1)
    >>> concentration = torch.full((32,), 100.0, requires_grad=True)
    >>> loss(mean_direction, concentration, torch.arange(32) % 10).backward()
    """

    def initialise(self, mean_direction: Tensor, labels: Tensor) -> None:
        """Set the classes to the maximum-likelihood fits of labelled unit vectors (n, p)."""
        check_mean_direction(mean_direction, self.dimension, True)
        check_labels(labels, mean_direction.shape[0], self.num_classes, True)
        with torch.no_grad():
            direction, length = class_means(mean_direction, labels, self.num_classes)
            self.class_vectors.copy_(direction)
            # A class of equal rows has an infinite one; a mean cosine of 1 - 1e-6 is as good.
            kappa = special.concentration(self.dimension, length.clamp(1e-6, 1.0 - 1e-6))
            self.log_concentration.copy_(kappa.log())

    def logits(self, mean_direction: Tensor, concentration: Tensor | None) -> Tensor:
        """See `ClassLoss.logits`."""
        cosine = cosines(mean_direction, self.class_mean_direction)
        kappa = self.class_concentration.double()
        if concentration is None:
            log_normalizer: Tensor = special.log_normalizer(self.dimension, kappa)
            return log_normalizer + kappa * cosine.double()
        return log_kernel_of_cosine(self.dimension, cosine, concentration[:, None], kappa)


def class_means(vectors: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return mean direction (num_classes, p) and mean resultant length (num_classes,), float64."""
    sums = vectors.new_zeros((num_classes, vectors.shape[1]), dtype=torch.float64)
    sums.index_add_(0, labels.long(), vectors.detach().double())
    counts = torch.bincount(labels.long(), minlength=num_classes)
    norms = torch.linalg.vector_norm(sums, dim=-1)
    for label in (norms == 0.0).nonzero()[:1].flatten().tolist():
        raise ValueError(f"class {label} has no direction: its rows are none or sum to zero")
    return sums / norms[:, None], norms / counts
