"""What the scores ask of a model: `VMFClassifier` and `VMFMixture` have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import as_rows, unit_rows
from vmf.arrays.types import Rows, Vector
from vmf.distribution.components import distances

BLOCK_ELEMENTS = 1 << 20  # 8 MB of float64: large enough for the matrix product


class ClassModel(Protocol):
    """A fitted mixture of von Mises-Fisher distributions, one a class or component.

    Attributes
    ----------
    mean_directions_ : (classes, dim)
        Unit vectors.
    concentrations_ : (classes,)
    """

    mean_directions_: Any
    concentrations_: Any

    def log_density(self, X: Any) -> Any:
        """log vMF(x; mu_k, kappa_k), (rows, classes)."""
        ...


def log_weights(model: ClassModel) -> Vector:
    """Log of the prior probability of each class, or of the weight of each component, (classes,)."""
    priors = getattr(model, "log_priors_", None)
    if priors is not None:
        return np.asarray(priors, np.float64)
    weights = np.asarray(model.weights_, np.float64)  # type: ignore[attr-defined]
    with np.errstate(divide="ignore"):
        return np.log(weights)


def posterior_concentrations(model: ClassModel) -> Vector:
    """How concentrated the posterior of each mean direction is, (classes,).

    The mean direction of class k is von Mises-Fisher around mean_directions_[k] with this
    concentration, given the rows that the model was fitted to.

    Raises
    ------
    ValueError
        For a model that does not say.
    """
    found = getattr(model, "posterior_concentrations_", None)
    if found is None:
        raise ValueError(
            f"{type(model).__name__} has no posterior_concentrations_: how sure the mean directions"
            " are is known to a fitted VMFClassifier or VMFMixture"
        )
    return np.asarray(found, np.float64)


def checked_rows(model: ClassModel, X: npt.ArrayLike) -> Rows:
    """`X` as an array of rows of the model's dimension; ValueError or TypeError otherwise."""
    rows = as_rows(X)
    dimension = np.shape(model.mean_directions_)[1]
    if rows.shape[1] != dimension:
        raise ValueError(f"X has dimension {rows.shape[1]}, the model {dimension}")
    return rows


def unit_blocks(rows: Rows, elements: int = BLOCK_ELEMENTS) -> Iterator[tuple[slice, Vector]]:
    """Yield the directions of the rows, block by block, in float64.

    Raises
    ------
    vmf.estimation.BadRowError
        For the first row that holds NaN or infinity or is zero.
    """
    step = max(1, elements // rows.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        yield part, unit_rows(rows[part], "error", start)[0]


def one_minus_cosines(model: ClassModel, X: npt.ArrayLike) -> Vector:
    """1 - cosine between each row and each mean direction, (rows, classes) float64.

    Near a mean direction, where the subtraction would lose the digits that a large kappa brings
    out, it is computed from the difference of the vectors. A model may have a method of this name
    that knows them already.
    """
    known = getattr(model, "one_minus_cosines", None)
    if known is not None:
        found: Vector = known(X)
        return found
    rows = checked_rows(model, X)
    means = np.asarray(model.mean_directions_, np.float64)
    result = np.empty((len(rows), len(means)))
    for part, directions in unit_blocks(rows):
        result[part] = distances(directions, means)
    return result
