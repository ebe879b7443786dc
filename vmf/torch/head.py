"""Heads that turn features into von Mises-Fisher distributions.

    mu = W h/|W h|,   kappa = kappa_0 g(w . h + b),   g(0) = 1,

with g the softplus, scaled, or the exponential. w and b start at 0, so that every embedding starts with
kappa_0, chosen by the mean cosine A_p(kappa_0) of draws with their mean direction: a concentration
means nothing without its dimension, a cosine does.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from vmf.torch.half_precision import widened
from vmf.torch.losses.base import default_concentration, positive_number
from vmf.torch.losses.classification import class_means
from vmf.torch.losses.polar import direction_and_concentration

# softplus(t + this) = 1 at t = 0.
_UNIT_SOFTPLUS = math.log(math.e - 1.0)
# exp beyond leaves float32 with kappa_0 on top.
_LARGEST_EXPONENT = 60.0


class VMFHead(nn.Module):  # type: ignore[misc]
    """Features (..., in_features) to mean directions (..., p) and concentrations (...).

    Parameters
    ----------
    in_features : int
    dimension : int
        p of the embeddings, 2 or more.
    parameterisation : {"softplus", "exp"}
        The concentration is linear in large activations, or exponential in all.
    initial_concentration : float, optional
        kappa_0 > 0; by default from `initial_cosine`.
    initial_cosine : float
        A_p(kappa_0), between 0 and 1.
    hidden_features : int, optional
        Width of one hidden layer (ReLU) before the concentration; without, it is linear in the features.

    Both outputs are float32 under autocast and of half-precision features, which leave too few digits
    for a direction's norm, and float64 of a module in float64.

    Examples
    --------
    >>> import torch
    >>> from vmf.torch import VMFHead
    >>> mean_direction, concentration = VMFHead(2048, 128)(torch.randn(4, 2048))
    >>> mean_direction.shape, concentration.shape
    (torch.Size([4, 128]), torch.Size([4]))
    """

    def __init__(
        self,
        in_features: int,
        dimension: int,
        *,
        parameterisation: Literal["softplus", "exp"] = "softplus",
        initial_concentration: float | None = None,
        initial_cosine: float = 0.5,
        hidden_features: int | None = None,
    ) -> None:
        super().__init__()
        if dimension < 2:
            raise ValueError(f"dimension is {dimension}; a direction needs 2 or more")
        if parameterisation not in ("softplus", "exp"):
            raise ValueError(
                f"parameterisation is {parameterisation!r}; expected 'softplus' or 'exp'"
            )
        if initial_concentration is None:
            initial_concentration = default_concentration(dimension, initial_cosine)
        self.initial_concentration = positive_number("initial_concentration", initial_concentration)
        self.parameterisation = parameterisation
        self.dimension = dimension
        self.direction = nn.Linear(in_features, dimension, bias=False)
        last = nn.Linear(hidden_features or in_features, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.activation = (
            last
            if hidden_features is None
            else nn.Sequential(nn.Linear(in_features, hidden_features), nn.ReLU(), last)
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean directions (..., p) and concentrations (...) of features (..., in_features)."""
        mean_direction, _ = direction_and_concentration(self.direction(features))
        activation = widened(self.activation(features))[..., 0]
        with torch.autocast(features.device.type, enabled=False):
            if self.parameterisation == "exp":
                growth = activation.clamp(-_LARGEST_EXPONENT, _LARGEST_EXPONENT).exp()
            else:
                growth = nn.functional.softplus(activation + _UNIT_SOFTPLUS)
            return mean_direction, self.initial_concentration * growth

    def initialise_direction(self, features: Tensor, labels: Tensor) -> None:
        """Set W from labelled features (n, in_features): the class means first, then random rows.

        The first rows are the directions of the class means about the mean of all features, as many
        as there are classes (labels 0, 1, ...) or dimensions; the rest stay random, orthogonal to
        them as far as there is room, and of the same length.
        """
        with torch.no_grad():
            weight = self.direction.weight
            centred = features.to(weight) - features.to(weight).mean(0)
            means, _ = class_means(centred, labels, int(labels.max()) + 1)
            means = means[: self.dimension].to(weight)
            rest = torch.randn(self.dimension - len(means), weight.shape[1]).to(weight)
            basis, _ = torch.linalg.qr(means.T)
            rest -= rest @ basis @ basis.T
            weight.copy_(torch.cat([means, torch.nn.functional.normalize(rest, dim=-1)]))

    def extra_repr(self) -> str:
        """Name what the head was made with."""
        return (
            f"dimension={self.dimension}, parameterisation={self.parameterisation!r}, "
            f"initial_concentration={self.initial_concentration:g}"
        )


class VMFEmbedder(VMFHead):
    """The head with one output, kappa mu (..., p): vectors whose norm is the concentration.

    That is what pipelines take that know one tensor an image, such as the trainers of
    pytorch-metric-learning; the losses of `vmf.torch.metric_learning` read it.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return kappa mu, (..., p)."""
        mean_direction, concentration = super().forward(features)
        return concentration[..., None] * mean_direction
