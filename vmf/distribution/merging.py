"""Models added to each other through the sufficient statistics that they keep."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import get_args

from vmf.arrays.labels import label_order
from vmf.distribution.fitting import model_of_fits, solve
from vmf.distribution.model import Model, load_model
from vmf.errors import Argument, EmbeddingError, PathLike, listed
from vmf.estimation import Estimator, SufficientStatistics


def load_models(paths: Sequence[PathLike]) -> list[Model]:
    """Read models that are to be merged.

    Raises
    ------
    EmbeddingError
        When one is given twice.
    ModelFileError
        See :func:`vmf.distribution.model.load_model`.
    """
    models = [load_model(path) for path in paths]
    for position, path in enumerate(paths):
        if any(os.path.samefile(path, earlier) for earlier in paths[:position]):
            raise EmbeddingError(path, "is given twice; its rows would count double")
    return models


def merge_models(
    models: Sequence[Model],
    names: Sequence[PathLike],
    *,
    estimator: Estimator | None = None,
    new_classes: bool = False,
) -> Model:
    """Fit one model to the rows of several, without the rows.

    Parameters
    ----------
    models : sequence of Model
        Of the same dimension, from :func:`vmf.distribution.model.load_model`.
    names : sequence of path-like
        What to call each in a message.
    estimator : str, optional
        Of the concentration; by default that of the models, which must then be the same.
    new_classes : bool
        Take the classes of all models together. Without it each model must have the same ones.

    Returns
    -------
    Model
        As one fit of all rows: the same bits of kappa and of the mean direction, unless 1 - R is
        below 2^-12; see :mod:`vmf.estimation.statistics`.

    Raises
    ------
    EmbeddingError
        When they do not fit together; one line that says why.
    """
    first = models[0]
    for model, name in zip(models, names, strict=True):
        _check_pair(first, names[0], model, name, estimator, new_classes)
    chosen = estimator or as_estimator(first.estimator, names[0])
    statistics: dict[str | None, SufficientStatistics] = {}
    for label in _classes(models):
        parts = [
            model.statistics[model.classes.index(label)]
            for model in models
            if label in model.classes
        ]
        total = parts[0]
        for part in parts[1:]:
            total += part
        statistics[label] = total
    sources = dict.fromkeys(source for model in models for source in model.sources)
    fits = []
    for label, one in statistics.items():
        where = names[0] if label is None else f"{os.fspath(names[0])}, class {label!r}"
        fits.append(solve(where, one, chosen))
    left_out = dict.fromkeys(line for model in models for line in model.left_out)
    return model_of_fits(
        list(statistics),
        list(statistics.values()),
        fits,
        chosen,
        tuple(sources),
        tuple(left_out),
    )


def _check_pair(
    first: Model,
    first_name: PathLike,
    model: Model,
    name: PathLike,
    estimator: str | None,
    new_classes: bool,
) -> None:
    other = os.fspath(first_name)
    _check_mergeable(model, name)
    if model.dimension != first.dimension:
        raise EmbeddingError(
            name,
            f"has dimension {model.dimension}, but {other} has {first.dimension}; only models of"
            " the same network can be merged",
        )
    if (model.classes[0] is None) != (first.classes[0] is None):
        with_classes, without = (other, name) if model.classes[0] is None else (name, other)
        raise EmbeddingError(
            without,
            f"has no classes, but {os.fspath(with_classes)} has; fit both with ",
            Argument("labels"),
        )
    missing = sorted(set(map(str, model.classes)) ^ set(map(str, first.classes)))
    if missing and not new_classes:
        raise EmbeddingError(
            name,
            f"has not the same classes as {other} (only one has {listed(missing, 5)});"
            " take all together with ",
            Argument("new_classes", True),
        )
    if estimator is None and model.estimator != first.estimator:
        raise EmbeddingError(
            name,
            f"was fitted with estimator {model.estimator!r}, {other} with {first.estimator!r};"
            " choose one with ",
            Argument("estimator"),
        )


def check_addition(
    model: Model,
    name: PathLike,
    file: PathLike,
    dimension: int,
    with_labels: bool,
    estimator: Estimator | None,
) -> None:
    """Refuse, before it is read, a file whose rows cannot be added to a model; EmbeddingError."""
    _check_mergeable(model, name)
    if estimator is None:
        as_estimator(model.estimator, name)
    if dimension != model.dimension:
        raise EmbeddingError(
            file,
            f"has dimension {dimension}, the model {os.fspath(name)} {model.dimension}; add"
            " embeddings from the network that the model was fitted to",
        )
    if with_labels != (model.classes[0] is not None):
        raise EmbeddingError(
            name,
            "has no classes; leave out "
            if with_labels
            else "has classes; give the classes of the new rows with ",
            Argument("labels"),
        )


def _check_mergeable(model: Model, name: PathLike) -> None:
    if model.kind != "classes":
        raise EmbeddingError(
            name, "is a mixture; its components have no counterpart among other rows"
        )
    if any(not math.isclose(s.weight, s.count) for s in model.statistics):
        raise EmbeddingError(
            name, "was fitted to weighted rows, whose weights may be on another scale"
        )


def as_estimator(text: str, name: PathLike) -> Estimator:
    """An estimator that works on each class alone, which a tied or a given kappa does not."""
    known: tuple[Estimator, ...] = get_args(Estimator)
    for one in known:
        if one == text:
            return one
    raise EmbeddingError(
        name,
        f"has concentrations by {text!r}, which cannot be repeated for more rows; choose an"
        " estimator with ",
        Argument("estimator"),
    )


def _classes(models: Sequence[Model]) -> list[str | None]:
    """All labels: in numeric order when all are whole numbers, else alphabetical."""
    if models[0].classes == (None,):
        return [None]
    return list(label_order({str(label) for model in models for label in model.classes}))
