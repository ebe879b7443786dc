"""Answers and scores of a classifier for rows that it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.estimation import statistics_by_class
from vmf.uncertainty.reference import Reference
from vmf.uncertainty.registry import find_score

Vector = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]

FOLDS = 5
# Without a kernel density the training rows give one number, the scale of the lengths: a sample
# does, and the memory of a copy is saved.
_ROWS_FOR_A_SCALE = 10_000


@dataclass(frozen=True)
class Answers:
    """What a classifier says of some rows, as codes of classes, and how certain it is."""

    predicted: npt.NDArray[np.intp]
    confidence: Vector
    certainty: dict[str, Vector]
    certainty_outside: dict[str, Vector]


def answer_with(
    model: Any,
    training: npt.NDArray[Any] | None,
    X: npt.NDArray[Any],
    outside: npt.NDArray[Any],
    names: Sequence[str],
    seed: int,
) -> Answers:
    """The answers of a classifier fitted to `training`, rows that are not among `X`."""
    reference = Reference(model, training, seed=seed)
    probability = np.exp(np.asarray(model.predict_log_proba(X), np.float64))
    certainty = {name: find_score(name)(reference, X) for name in names}
    certainty_outside = {
        name: find_score(name)(reference, outside) if len(outside) else np.empty(0)
        for name in names
    }
    likeliest = probability.argmax(axis=1)
    codes = np.asarray(model.classes_)[likeliest].astype(np.intp)
    return Answers(codes, probability.max(axis=1), certainty, certainty_outside)


def cross_fit(
    X: npt.NDArray[Any],
    codes: npt.NDArray[np.intp],
    outside: npt.NDArray[Any],
    names: Sequence[str],
    seed: int,
    progress: Progress | None = None,
) -> Answers:
    """The answers for each row of a classifier fitted to the other folds.

    Rows are cut into 5 folds with the classes in proportion (fewer where a class has fewer rows).
    The rows outside are dealt out to the folds, so that each is judged by one of the classifiers,
    as a row inside is.
    """
    from sklearn.model_selection import StratifiedKFold

    from vmf.models import VMFClassifier

    classes = int(codes.max()) + 1
    folds = min(FOLDS, int(np.bincount(codes).min()))
    fold_of = np.empty(len(codes), np.intp)
    for fold, (_, judged) in enumerate(
        StratifiedKFold(folds, shuffle=True, random_state=seed).split(codes, codes)
    ):
        fold_of[judged] = fold
    # One pass over the rows: what the classifier of a fold needs is the sum over the other folds.
    parts = statistics_by_class(X, fold_of * classes + codes)
    fold_outside = np.arange(len(outside)) % folds
    predicted, confidence = np.empty(len(X), np.intp), np.empty(len(X))
    certainty = {name: np.empty(len(X)) for name in names}
    certainty_outside = {name: np.empty(len(outside)) for name in names}
    needs_rows = any("training rows" in find_score(name).needs for name in names)
    rng = np.random.default_rng(seed)
    for fold in range(folds):
        others = [other for other in range(folds) if other != fold]
        model = VMFClassifier.from_statistics(
            {
                code: reduce(add, (parts[other * classes + code] for other in others))
                for code in range(classes)
            }
        )
        judged, there = fold_of == fold, fold_outside == fold
        training = None
        if needs_rows:
            seen = np.flatnonzero(~judged)
            if "kernel_density" not in names and len(seen) > _ROWS_FOR_A_SCALE:
                seen = np.sort(rng.choice(seen, _ROWS_FOR_A_SCALE, replace=False))
            training = X[seen]
        part = answer_with(model, training, X[judged], outside[there], names, seed)
        predicted[judged], confidence[judged] = part.predicted, part.confidence
        for name in names:
            certainty[name][judged] = part.certainty[name]
            certainty_outside[name][there] = part.certainty_outside[name]
        if progress:
            progress(fold + 1, folds)
    return Answers(predicted, confidence, certainty, certainty_outside)
