"""What mixtures and classifiers share: densities of rows, and the probabilities that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from vmf.arrays.blocks import DirectionRows
from vmf.arrays.libraries import in_library_of, is_dask, namespace
from vmf.arrays.types import Vector
from vmf.distribution.components import log_sum_exp
from vmf.models.input import direction_rows

ZeroRows = Literal["skip", "error"]


def of_each_row(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Let a method that gives something for each row of X take dask arrays, and give one."""

    @wraps(method)
    def of_rows(self: Any, X: Any) -> Any:
        if not is_dask(X):
            return method(self, X)
        from vmf.arrays.dask_rows import mapped

        return mapped(self, method.__name__, X)

    return of_rows


class DirectionModel(BaseEstimator):
    """Distributions of directions with weights: components of a mixture or classes.

    A row that is zero has no direction. Unless `zero_rows` is "error", its densities are NaN and its probabilities are
    the weights, which is all that is known of it; a warning says so.
    """

    def _densities(self, rows: DirectionRows) -> Any:
        """Log-density of every row under every component or class, (n, K)."""
        raise NotImplementedError

    def _log_weights(self) -> Vector:
        """Log of the weights of components or classes, (K,)."""
        raise NotImplementedError

    @of_each_row
    def log_density(self, X: Any) -> Any:
        """Return the log-density of every row under every component or class, (n, K), in nats."""
        rows = self._checked(X)
        densities = self._densities(rows)
        if rows.zero is not None:
            densities[in_library_of(rows.zero, densities)] = np.nan
        return densities

    @of_each_row
    def score_samples(self, X: Any) -> Any:
        """Return log p(x_i), over all components or classes, (n,), in nats; higher = more in-distribution."""
        densities = self.log_density(X)
        return log_sum_exp(densities + in_library_of(self._log_weights(), densities))

    @of_each_row
    def predict_log_proba(self, X: Any) -> Any:
        """Return the log of the probability of each component or class given the row, (n, K)."""
        joint = self._joint(X)
        return joint - log_sum_exp(joint)[:, None]

    @of_each_row
    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each component or class given the row, (n, K)."""
        log_proba = self.predict_log_proba(X)
        return namespace(log_proba).exp(log_proba)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _checked(self, X: Any) -> DirectionRows:
        check_is_fitted(self)
        return direction_rows(self, X)

    def _joint(self, X: Any) -> Any:
        """log(weight f_k(x_i)), and only log(weight) for rows that are zero, (n, K)."""
        rows = self._checked(X)
        densities = self._densities(rows)
        if rows.zero is not None:
            densities[in_library_of(rows.zero, densities)] = 0.0
        return densities + in_library_of(self._log_weights(), densities)

    def _most_probable(self, X: Any) -> Any:
        joint = self._joint(X)
        return namespace(joint).argmax(joint, 1)
