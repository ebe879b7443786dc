"""What estimators take as X and sample_weight, checked the way scikit-learn's own do it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import validate_data

from vmf.estimation.rows import as_weights
from vmf.models.arrays import dtype_name, namespace, to_numpy
from vmf.models.rows import DirectionRows

_FLOATS = ("float16", "bfloat16", "float32", "float64")


def direction_rows(estimator: Any, X: Any, *, reset: bool = False) -> DirectionRows:
    """Check X and remember or compare its number (and names) of features.

    Raises
    ------
    TypeError, ValueError
        For what has no rows of 2 or more numbers, BadRowError for a row without direction.
    """
    if namespace(X) is np:
        X = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=[np.float64, np.float32, np.float16],
            ensure_all_finite=False,
            ensure_min_features=2 if reset else 1,
        )
        return DirectionRows(X)
    if X.ndim != 2 or X.shape[0] < 1 or X.shape[1] < 2:
        raise ValueError(
            f"X has shape {tuple(X.shape)}; expected (rows, dim), one row or more, dim 2 or more"
        )
    if dtype_name(X) not in _FLOATS:
        raise TypeError(f"X has dtype {X.dtype}; expected float16, float32 or float64")
    if reset:
        estimator.n_features_in_ = int(X.shape[1])
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )
    return DirectionRows(X)


def row_weights(sample_weight: Any, count: int) -> npt.NDArray[np.float64]:
    """Return `sample_weight` (n,) as float64, ones for None; ValueError unless usable."""
    if sample_weight is None:
        return np.ones(count)
    given = to_numpy(sample_weight) if namespace(sample_weight) is not np else sample_weight
    array = np.asarray(given)
    if array.ndim == 0:
        array = np.full(count, array)
    try:
        weights = as_weights(array, count)
    except (TypeError, ValueError) as error:
        raise type(error)(f"sample_weight: {error}") from None
    if not weights.sum() > 0:
        raise ValueError("sample_weight is zero for every row; no row would count")
    return weights
