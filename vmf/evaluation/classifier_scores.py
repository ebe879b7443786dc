"""Answers and scores of a classifier for rows that it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.estimation import SufficientStatistics, statistics_by_class
from vmf.evaluation.row_store import Indices, blocks_of, slices_of
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
    everywhere = np.arange(len(X)), np.arange(len(outside))
    return _answer(
        Reference(model, training, seed=seed), X, everywhere[0], outside, everywhere[1], names
    )


def _answer(
    reference: Reference,
    X: npt.NDArray[Any],
    inside: Indices,
    outside: npt.NDArray[Any],
    there: Indices,
    names: Sequence[str],
) -> Answers:
    """The answers for the rows `inside` of X and the rows `there` of `outside`, a block at a time."""
    model: Any = reference.model
    codes, confidence = np.empty(len(inside), np.intp), np.empty(len(inside))
    certainty = {name: np.empty(len(inside)) for name in names}
    certainty_outside = {name: np.empty(len(there)) for name in names}
    for part, rows in blocks_of(X, inside):
        probability = np.exp(np.asarray(model.predict_log_proba(rows), np.float64))
        likeliest = probability.argmax(axis=1)
        codes[part] = np.asarray(model.classes_)[likeliest].astype(np.intp)
        confidence[part] = probability.max(axis=1)
        for name in names:
            certainty[name][part] = find_score(name)(reference, rows)
    if len(there):
        for part, rows in blocks_of(outside, there):
            for name in names:
                certainty_outside[name][part] = find_score(name)(reference, rows)
    return Answers(codes, confidence, certainty, certainty_outside)


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
    parts: dict[Any, SufficientStatistics] = {}
    sets = fold_of * classes + codes
    for part in slices_of(X, len(X)):
        parts = statistics_by_class(X[part], sets[part], first_row=part.start, initial=parts)
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
        judged, there = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_outside == fold)
        training = None
        if needs_rows:
            seen = np.flatnonzero(fold_of != fold)
            if "kernel_density" not in names and len(seen) > _ROWS_FOR_A_SCALE:
                seen = np.sort(rng.choice(seen, _ROWS_FOR_A_SCALE, replace=False))
            training = X[seen]
        found = _answer(Reference(model, training, seed=seed), X, judged, outside, there, names)
        predicted[judged], confidence[judged] = found.predicted, found.confidence
        for name in names:
            certainty[name][judged] = found.certainty[name]
            certainty_outside[name][there] = found.certainty_outside[name]
        if progress:
            progress(fold + 1, folds)
    return Answers(predicted, confidence, certainty, certainty_outside)
