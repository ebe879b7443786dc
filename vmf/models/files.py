"""Mixtures and classifiers in model files, the same that `vmf fit` writes and `vmf score` and `vmf info` read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from vmf.distribution.model import Model, load_model, save_model
from vmf.errors import PathLike
from vmf.estimation import SufficientStatistics, concentration_standard_error
from vmf.models.classifier import VMFClassifier
from vmf.models.mixture import VMFDensity, VMFMixture
from vmf.version import __version__


def save(estimator: VMFClassifier | VMFMixture, path: PathLike) -> None:
    """Write a fitted estimator to `path`, a .safetensors file.

    Kept are the parameters, the statistics they come from, the labels as text, the estimator of kappa and whether it
    was tied or given; not how EM is run.

    Raises
    ------
    ValueError
        For what the file has no place for: weights or priors other than the shares of the rows, a prior of one's own,
        predictive densities, and components without rows.
    EmbeddingError, OSError
        See `vmf.distribution.model.save_model`.
    """
    save_model(as_model(estimator), path)


def load(
    path: PathLike, *, label: Callable[[str], Any] = str
) -> VMFClassifier | VMFMixture | VMFDensity:
    """Read an estimator from a model file of `save` or of `vmf fit`.

    Parameters
    ----------
    label : callable
        Makes a label of the text in the file; `int` for whole numbers.

    Returns
    -------
    VMFClassifier for a model with classes, VMFMixture for one with components, else VMFDensity.

    Raises
    ------
    ModelFileError
        See `vmf.distribution.model.load_model`.
    """
    model = load_model(path)
    mode, estimator = _mode(model)
    if model.kind == "classes" and model.classes[0] is not None:
        classifier = VMFClassifier(concentration=mode, estimator=estimator)
        labels = [label(text) for text in model.classes if text is not None]
        order = np.argsort(np.array(labels), kind="stable")
        if len(set(labels)) < len(labels):
            raise ValueError(f"{path}: {label!r} makes one label of two different ones")
        classifier.set_fitted(
            np.array(labels)[order],
            [model.statistics[k] for k in order],
            model.mean_direction[order],
            model.concentration[order],
        )
        return classifier
    if len(model.classes) == 1:
        mixture: VMFMixture = VMFDensity(concentration=mode, estimator=estimator)
    else:
        mixture = VMFMixture(len(model.classes), concentration=mode, estimator=estimator)
    mixture.set_fitted(model.mean_direction, model.concentration, list(model.statistics))
    return mixture


def as_model(estimator: VMFClassifier | VMFMixture) -> Model:
    """Return a fitted estimator as the content of a model file; ValueError as `save`."""
    check_is_fitted(estimator)
    if estimator.prior is not None:
        raise ValueError("a model file has no place for a prior of one's own; keep the statistics")
    classes: tuple[str | None, ...]
    if isinstance(estimator, VMFClassifier):
        if estimator.priors is not None or estimator.predictive:
            raise ValueError(
                "a model file keeps the shares of the rows as probabilities of the classes and their "
                "densities at the mean directions; set priors=None and predictive=False, and fit again"
            )
        classes = tuple(str(label) for label in estimator.classes_.tolist())
        statistics = tuple(estimator.statistics_.values())
        kind = "classes"
    else:
        if not (isinstance(estimator.weights, str) and estimator.weights == "free"):
            raise ValueError(
                "a model file keeps the shares of the rows as weights; fit with weights='free'"
            )
        statistics = tuple(estimator.statistics_)
        count = len(statistics)
        kind = (
            "components" if count > 1 else "classes"
        )  # of one distribution, as `vmf fit` writes it
        classes = (None,) if count == 1 else tuple(str(k) for k in range(count))
    for name, one in zip(classes, statistics, strict=True):
        if not one.weight > 0:
            raise ValueError(f"component {name} has no rows; a model file cannot keep it")
    return Model(
        classes=classes,
        mean_direction=estimator.mean_directions_,
        concentration=estimator.concentrations_,
        standard_error=np.array(
            [
                _standard_error(one, float(kappa))
                for one, kappa in zip(statistics, estimator.concentrations_, strict=True)
            ]
        ),
        statistics=statistics,
        estimator=_estimator_text(estimator),
        toolkit_version=__version__,
        kind=kind,
    )


def _estimator_text(estimator: VMFClassifier | VMFMixture) -> str:
    if not isinstance(estimator.concentration, str):
        return "given"
    return (
        f"tied {estimator.estimator}" if estimator.concentration == "tied" else estimator.estimator
    )


def _mode(model: Model) -> tuple[Any, Any]:
    """The parameters `concentration` and `estimator` that `_estimator_text` wrote."""
    if model.estimator == "given":
        return model.concentration, "unbiased"
    first, _, last = model.estimator.rpartition(" ")
    return ("tied" if first == "tied" else "free"), last


def _standard_error(statistics: SufficientStatistics, kappa: float) -> float:
    if statistics.effective_count <= 1 + 1e-9:
        return math.nan
    return concentration_standard_error(statistics, kappa)
