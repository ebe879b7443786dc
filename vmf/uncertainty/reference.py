"""What embeddings are judged against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy.typing as npt

from vmf.uncertainty.class_model import ClassModel
from vmf.uncertainty.kernel_density import VMFKernelDensity
from vmf.uncertainty.norm import fit_norm_scale


@dataclass(frozen=True)
class Reference:
    """A fitted model, and the rows it was fitted to where a score needs those.

    Parameters
    ----------
    model : VMFClassifier or VMFMixture, optional
    training : (n, dim) array_like, optional
        The rows that the model was fitted to; not normalised if their length carries confidence.
    draws : int
        Of the mean directions, for the mutual information.
    seed : int
        Of these draws, and of the rows that choose the kernel density's bandwidth.
    """

    model: ClassModel | None = None
    training: npt.ArrayLike | None = None
    draws: int = 64
    seed: int = 0

    def required_model(self) -> ClassModel:
        """The model; ValueError without one."""
        if self.model is None:
            raise ValueError("needs a fitted model; pass model=VMFClassifier().fit(X, y)")
        return self.model

    def required_training(self) -> npt.ArrayLike:
        """The training rows; ValueError without them."""
        if self.training is None:
            raise ValueError("needs the rows that the model was fitted to; pass training=X")
        return self.training

    @cached_property
    def norm_scale(self) -> float:
        """What a length is multiplied by to give a concentration, fitted to the training rows."""
        return fit_norm_scale(self.required_model(), self.required_training())

    @cached_property
    def kernel_density(self) -> VMFKernelDensity:
        """The density of the training rows, its bandwidth chosen by leave-one-out likelihood."""
        return VMFKernelDensity(rng=self.seed).fit(self.required_training())
