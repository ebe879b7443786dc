"""What the losses have in common: their call, their checks, their reduction."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from vmf import special
from vmf.torch.half_precision import widened
from vmf.torch.losses.arguments import (
    check_concentration,
    check_embeddings,
    check_labels,
    check_mean_direction,
)
from vmf.torch.losses.polar import direction_and_concentration

Reduction = Literal["mean", "sum", "none"]


class UncertainEmbeddingLoss(nn.Module):  # type: ignore[misc]
    """Base of the losses: of mean directions, concentrations and labels.

    Parameters
    ----------
    dimension, num_classes : int, optional
        Where the loss has class parameters, what is checked against them.
    reduction : {"mean", "sum", "none"}
    validate_args : bool
        Whether values are checked: it waits for a CUDA device. `torch.compile` leaves that out.
    """

    def __init__(
        self,
        *,
        dimension: int | None = None,
        num_classes: int | None = None,
        reduction: Reduction = "mean",
        validate_args: bool = True,
    ) -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction is {reduction!r}; expected 'mean', 'sum' or 'none'")
        self.dimension = dimension
        self.num_classes = num_classes
        self.reduction = reduction
        self.validate_args = validate_args

    def forward(
        self, mean_direction: Tensor, concentration: Tensor | None, labels: Tensor
    ) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        mean_direction : (n, p) tensor
            Unit rows (within 1e-5).
        concentration : (n,) tensor or None
            Finite and >= 0; None for embeddings without uncertainty, where the loss has that limit.
        labels : (n,) tensor of integers

        Returns
        -------
        () tensor, or (n,) or (pairs,) for reduction "none"
            In nats. float32, or float64 for input in float64.

        Raises
        ------
        ValueError, TypeError
            In one line that names the argument and the row.
        """
        check_mean_direction(mean_direction, self.dimension, self.validate_args)
        rows = mean_direction.shape[0]
        if concentration is not None:
            check_concentration(concentration, rows, self.validate_args)
            concentration = widened(concentration)
        check_labels(labels, rows, self.num_classes, self.validate_args)
        return self._reduced(widened(mean_direction), concentration, labels)

    def from_embeddings(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of vectors (n, p) whose norm is the concentration; see `forward`."""
        check_embeddings(embeddings, self.dimension, self.validate_args)
        check_labels(labels, embeddings.shape[0], self.num_classes, self.validate_args)
        return self._reduced(*direction_and_concentration(embeddings), labels)

    def _reduced(
        self, mean_direction: Tensor, concentration: Tensor | None, labels: Tensor
    ) -> Tensor:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Name what the loss was made with."""
        named = {"num_classes": self.num_classes, "dimension": self.dimension}
        parts = [f"{name}={value}" for name, value in named.items() if value is not None]
        return ", ".join([*parts, f"reduction={self.reduction!r}"])


class ClassLoss(UncertainEmbeddingLoss):
    """Base of the losses with a distribution for each class: cross-entropy, one loss a row.

    Parameters
    ----------
    num_classes, dimension : int
        2 or more each.
    initial_concentration : float, optional
        kappa of every class at the start; by default that of a mean cosine of 0.5.
    learn_concentration : bool
        Whether the logarithms of the concentrations are a parameter, else a buffer.
    reduction, validate_args
        See `UncertainEmbeddingLoss`.

    Attributes
    ----------
    class_vectors : (num_classes, p) parameter
    log_concentration : (num_classes,) parameter or buffer
    """

    num_classes: int
    dimension: int

    def __init__(
        self,
        num_classes: int,
        dimension: int,
        *,
        initial_concentration: float | None = None,
        learn_concentration: bool = True,
        reduction: Reduction = "mean",
        validate_args: bool = True,
    ) -> None:
        super().__init__(
            dimension=dimension,
            num_classes=num_classes,
            reduction=reduction,
            validate_args=validate_args,
        )
        if num_classes < 2:
            raise ValueError(f"num_classes is {num_classes}; a classification needs 2 or more")
        if dimension < 2:
            raise ValueError(f"dimension is {dimension}; a direction needs 2 or more")
        if initial_concentration is None:
            initial_concentration = default_concentration(dimension, 0.5)
        positive_number("initial_concentration", initial_concentration)
        directions = nn.functional.normalize(torch.randn(num_classes, dimension), dim=-1)
        self.class_vectors = nn.Parameter(directions)
        logarithm = torch.full((num_classes,), math.log(initial_concentration))
        if learn_concentration:
            self.log_concentration = nn.Parameter(logarithm)
        else:
            self.register_buffer("log_concentration", logarithm)

    @property
    def class_mean_direction(self) -> Tensor:
        """mu of each class, (num_classes, p)."""
        return nn.functional.normalize(self.class_vectors, dim=-1)

    @property
    def class_concentration(self) -> Tensor:
        """kappa of each class, (num_classes,)."""
        return self.log_concentration.exp()

    def logits(self, mean_direction: Tensor, concentration: Tensor | None) -> Tensor:
        """Return the similarities (n, num_classes) in float64: their softmax is the class posterior.

        Parameters
        ----------
        mean_direction, concentration
            As in `forward`, not checked and not of half precision.
        """
        raise NotImplementedError

    def row_losses(
        self, mean_direction: Tensor, concentration: Tensor | None, labels: Tensor
    ) -> Tensor:
        """Return the cross-entropies (n,) of rows that are checked and not of half precision."""
        logits = self.logits(mean_direction, concentration)
        losses = nn.functional.cross_entropy(logits, labels.long(), reduction="none")
        return losses.to(mean_direction.dtype)

    def _reduced(
        self, mean_direction: Tensor, concentration: Tensor | None, labels: Tensor
    ) -> Tensor:
        losses = self.row_losses(mean_direction, concentration, labels)
        if self.reduction == "none":
            return losses
        return losses.sum() if self.reduction == "sum" else losses.mean()


class PairLoss(UncertainEmbeddingLoss):
    """Base of the losses of pairs: one loss for each pair of rows of one label.

    Parameters
    ----------
    inverse_temperature : float
        beta.
    learn_inverse_temperature : bool
    reduction : {"mean", "sum", "none"}
        Over the pairs; "none" gives one value a pair, in the order of `torch.nonzero`. A batch
        without pairs has loss 0.
    validate_args : bool
    """

    def __init__(
        self,
        *,
        inverse_temperature: float = 1.0,
        learn_inverse_temperature: bool = False,
        reduction: Reduction = "mean",
        validate_args: bool = True,
    ) -> None:
        super().__init__(reduction=reduction, validate_args=validate_args)
        self.inverse_temperature = InverseTemperature(
            inverse_temperature, learn_inverse_temperature
        )

    def pair_losses(
        self,
        mean_direction: Tensor,
        concentration: Tensor | None,
        positive: Tensor,
        negative: Tensor,
        other: tuple[Tensor, Tensor | None] | None = None,
    ) -> Tensor:
        """Return (n, m) losses, that of row i with row j of `other`, valid where `positive`.

        Parameters
        ----------
        mean_direction, concentration
            (n, p) and (n,), checked and not of half precision.
        positive, negative : (n, m) bool tensors
            Which pairs belong together, and against which they are held.
        other : pair of tensors, optional
            (m, p) and (m,), the second of each pair; the rows themselves by default.
        """
        raise NotImplementedError

    def _reduced(
        self, mean_direction: Tensor, concentration: Tensor | None, labels: Tensor
    ) -> Tensor:
        same = labels[:, None] == labels[None, :]
        positive = same & ~torch.eye(labels.shape[0], dtype=torch.bool, device=labels.device)
        losses = self.pair_losses(mean_direction, concentration, positive, ~same)
        if self.reduction == "none":
            return losses[positive]
        # No pair, no loss: the gradient is 0.
        total = torch.where(positive, losses, 0.0).sum()
        return total if self.reduction == "sum" else total / positive.sum().clamp(min=1)


class InverseTemperature(nn.Module):  # type: ignore[misc]
    """The factor beta > 0 of similarities: called, it gives the number.

    Parameters
    ----------
    value : float
    learn : bool
        Whether it is a parameter; its logarithm is what is learnt.
    """

    def __init__(self, value: float, learn: bool) -> None:
        super().__init__()
        self.value = positive_number("inverse_temperature", value)
        self.logarithm = nn.Parameter(torch.tensor(math.log(value))) if learn else None

    def forward(self) -> Tensor | float:
        """Return beta: a tensor () where it is learnt."""
        return self.value if self.logarithm is None else self.logarithm.exp()

    def extra_repr(self) -> str:
        """Name the value."""
        return f"{float(self.forward()):g}" + (", learnt" if self.logarithm is not None else "")


def positive_number(name: str, value: float) -> float:
    """Return `value`; raise ValueError unless it is finite and > 0."""
    if not 0.0 < value < math.inf:
        raise ValueError(f"{name} is {value}; it must be finite and > 0")
    return value


def checked_samples(n_samples: int) -> int:
    """Return the number of draws; raise ValueError unless there is one."""
    if n_samples < 1:
        raise ValueError(f"n_samples is {n_samples}; it must be 1 or more")
    return n_samples


def default_concentration(dimension: int, mean_cosine: float) -> float:
    """Return the concentration whose draws have that mean cosine with their mean direction."""
    if not 0.0 < mean_cosine < 1.0:
        raise ValueError(f"the mean cosine is {mean_cosine}; it must be between 0 and 1")
    return float(special.concentration(dimension, mean_cosine))
