"""What estimators take as X and sample_weight, checked the way scikit-learn's own do it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from vmf.arrays.blocks import DirectionRows
from vmf.arrays.libraries import dtype_name, is_dask, namespace, to_numpy
from vmf.arrays.rows import as_weights
from vmf.arrays.types import Vector
from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.errors import Argument, DegenerateFitError
from vmf.models.concentrations import Concentrations
from vmf.passes.file_rows import FileRows

_FLOATS = ("float16", "bfloat16", "float32", "float64")


def direction_rows(estimator: Any, X: Any, *, reset: bool = False) -> DirectionRows:
    """Check X and remember or compare its number (and names) of features.

    Raises
    ------
    TypeError, ValueError
        For what has no rows of 2 or more numbers, BadRowError for a row with NaN or infinity, and for a zero one if the
        estimator's `zero_rows` is "error".
    """
    if estimator.zero_rows not in ("skip", "error"):
        raise ValueError(f"zero_rows is {estimator.zero_rows!r}; expected 'skip' or 'error'")
    if isinstance(X, (EmbeddingFile, FileRows)):
        _check_features(estimator, X, reset)
        if isinstance(X, EmbeddingFile):
            X = FileRows(X.parts, zero_rows_allowed=estimator.zero_rows == "skip")
        return _told_of_zero_rows(X)
    if namespace(X) is np and not is_dask(X):
        X = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=[np.float64, np.float32, np.float16],
            ensure_all_finite=False,
            ensure_min_features=2 if reset else 1,
        )
        return _read(estimator, X)
    if X.ndim != 2 or X.shape[0] < 1 or X.shape[1] < 2:
        raise ValueError(
            f"X has shape {tuple(X.shape)}; expected (rows, dim), one row or more, dim 2 or more"
        )
    if dtype_name(X) not in _FLOATS:
        raise TypeError(f"X has dtype {X.dtype}; expected float16, float32 or float64")
    _check_features(estimator, X, reset)
    return _read(estimator, X)


def _check_features(estimator: Any, X: Any, reset: bool) -> None:
    features = X.dim if isinstance(X, FileRows) else int(X.shape[1])
    if reset:
        estimator.n_features_in_ = features
    elif features != estimator.n_features_in_:
        raise ValueError(
            f"X has {features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )


def _read(estimator: Any, X: Any) -> DirectionRows:
    kind = DirectionRows
    if is_dask(X):
        from vmf.arrays.dask_directions import SpreadRows as kind
    return _told_of_zero_rows(kind(X, zero_rows_allowed=estimator.zero_rows == "skip"))


def _told_of_zero_rows(rows: DirectionRows) -> DirectionRows:
    if rows.zero is not None:
        warnings.warn(
            f"{int(rows.zero.sum())} rows of X are zero, the first of them row "
            f"{int(np.argmax(rows.zero))} (counted from 0): they have no direction and count for nothing",
            UserWarning,
            stacklevel=6,
        )
    return rows


def row_weights(sample_weight: Any, rows: DirectionRows) -> Vector:
    """Return how many rows each row stands for, (n,): `sample_weight`, and 0 for zero rows."""
    weights = repetitions(sample_weight, rows.count)
    if rows.zero is not None:
        weights[rows.zero] = 0.0
        if not weights.any():
            raise ValueError("every row of X (that has a weight) is zero; there is no direction")
    return weights


def repetitions(sample_weight: Any, count: int) -> Vector:
    """Return `sample_weight` (n,) as float64, ones for None; ValueError unless finite and >= 0."""
    if sample_weight is None:
        return np.ones(count)
    array = to_numpy(sample_weight)
    if array.ndim == 0:
        array = np.full(count, array)
    try:
        weights = as_weights(array, count)
    except (TypeError, ValueError) as error:
        raise type(error)(f"sample_weight: {error}") from None
    if not weights.any():
        raise ValueError("sample_weight is zero for every row; no row would count")
    return weights


def enough_rows(weights: Vector, concentrations: Concentrations) -> None:
    """Raise DegenerateFitError for a single row, unless its concentration need not come from it."""
    if concentrations.fixed is not None or concentrations.estimator == "map":
        return
    if np.count_nonzero(weights) == 1:
        raise DegenerateFitError(
            "X has n_samples = 1 row that counts, which says nothing about the concentration; "
            "give more rows, the concentration, or ",
            Argument("estimator", "map"),
        )
