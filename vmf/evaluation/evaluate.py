"""Evaluation of embeddings and of the scores that say which of them to trust."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import as_rows
from vmf.evaluation.calibration import expected_calibration_error, reliability
from vmf.evaluation.classifier_scores import FOLDS, Answers, answer_with, cross_fit
from vmf.evaluation.detection import auroc, detect, ranks
from vmf.evaluation.metric import Indices, Metric, bootstrap
from vmf.evaluation.result import ClassResult, Evaluation, ScoreResult
from vmf.evaluation.retrieval import Retrieval, retrieve
from vmf.evaluation.row_store import RowStore
from vmf.evaluation.selective import aurc, best_aurc, risk_coverage
from vmf.uncertainty.norm import carries_length
from vmf.uncertainty.registry import SCORES, find_score

Vector = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

DEFAULT_SCORES = (
    "log_density",
    "class_log_density",
    "nearest_mean_cosine",
    "log_odds",
    "entropy",
    "mutual_information",
    "norm",
    "elk",
)
"""Those of `vmf.uncertainty.SCORES` that cost no more than reading the rows; "norm" and "elk" where
the rows differ in length."""

DEFAULT_KS = (1, 2, 4, 8)


def evaluate(
    X: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    outside: npt.ArrayLike | None = None,
    held_out: Sequence[str] = (),
    train: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    scores: Sequence[str] | None = None,
    given: Mapping[str, npt.ArrayLike] | None = None,
    given_outside: Mapping[str, npt.ArrayLike] | None = None,
    ks: Sequence[int] = DEFAULT_KS,
    replicates: int = 200,
    seed: int = 0,
    level: float = 0.95,
    numbers: npt.ArrayLike | None = None,
    numbers_outside: npt.ArrayLike | None = None,
    store: RowStore | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure embeddings, a classifier on them, and each score of how far a row can be trusted.

    Parameters
    ----------
    X : (rows, dim) array_like
        Embeddings as the network gave them; a read-only memory map will do.
    labels : (rows,) array_like of str or integers
    outside : (n, dim) array_like, optional
        Embeddings of none of the classes.
    held_out : sequence of str
        Labels whose rows count as outside instead.
    train : (X, labels), optional
        Rows to fit the classifier to. Without them the rows themselves are, in 5 folds, each row
        judged by a classifier that was fitted to the other folds.
    scores : sequence of str, optional
        Names in `vmf.uncertainty.SCORES`; by default those of `DEFAULT_SCORES` that apply.
    given : mapping of str to (rows,) array_like, optional
        Scores that were computed elsewhere, higher = more certain.
    given_outside : mapping, optional
        The same for `outside`.
    ks : sequence of int
        For Recall@k.
    replicates : int
        Of the bootstrap; 0 for no intervals.
    seed : int
        Of the folds, the bootstrap and the mutual information.
    level : float
        Of the intervals.
    numbers, numbers_outside : (rows,) array_like of integers, optional
        What the rows are called, in the result; by default 0, 1, ...
    store : RowStore, optional
        Where copies of rows are kept.
    progress : callable, optional
        Called with what is being done, how much is done and how much there is.

    Returns
    -------
    Evaluation

    Raises
    ------
    vmf.estimation.BadRowError
        For a row with NaN or infinity, or of zeros.
    TypeError, ValueError
        For what does not fit: shapes, labels, one class only, an unknown score.
    """
    rows = as_rows(X)
    names = _labels_of(labels, len(rows))
    called = np.arange(len(rows)) if numbers is None else np.asarray(numbers)
    notes: list[str] = []
    inside = ~np.isin(names, [str(label) for label in held_out])
    alone = inside & np.isin(names, _labels_of_single_rows(names[inside])) & (train is None)
    if alone.any():
        notes.append(f"{int(alone.sum())} rows alone in their class are left out")
    kept = np.flatnonzero(inside & ~alone)
    away = np.flatnonzero(~inside)
    classes, codes = np.unique(names[kept], return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"the rows have {len(classes)} class with at least 2 rows; evaluation needs 2 or more"
        )
    store = store or RowStore()
    X_in = rows if len(kept) == len(rows) else store.taken(rows, kept)
    X_out = _rows_outside(rows, away, outside, store)
    called_outside = (
        np.arange(len(X_out)) if numbers_outside is None else np.asarray(numbers_outside)
    )
    own = {name: _one_a_row(name, values, len(rows)) for name, values in (given or {}).items()}
    chosen = _chosen_scores(scores, X_in, own)

    def say(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    neighbours = retrieve(X_in, codes, progress=say("neighbours"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        answers, how = _answers(
            X_in, classes, codes, X_out, train, chosen, seed, store, say("classifier and scores")
        )
    notes += sorted({f"classifier: {warning.message}" for warning in caught})
    correct = answers.predicted == codes
    near = codes[neighbours.nearest] == codes
    results = []
    for number, name in enumerate([*chosen, *own]):
        if name in own:
            certainty = own[name][kept]
            elsewhere = (given_outside or {}).get(name)
            certainty_out = (
                own[name][away] if elsewhere is None else _one_a_row(name, elsewhere, len(X_out))
            )
        else:
            certainty, certainty_out = answers.certainty[name], answers.certainty_outside[name]
        results.append(
            _judge(
                name,
                certainty,
                certainty_out if len(certainty_out) else None,
                correct,
                near,
                replicates,
                seed,
                level,
            )
        )
        if progress:
            progress("intervals", number + 1, len(chosen) + len(own))
    best_first: Callable[[ScoreResult], float] = (
        (lambda one: -(one.metrics["auroc"].value or 0.0) if "auroc" in one.metrics else 1.0)
        if len(X_out)
        else (lambda one: one.metrics["aurc"].value or 0.0)
    )
    return Evaluation(
        facts={
            "rows": len(X_in),
            "rows_outside": len(X_out),
            "dimension": int(rows.shape[1]),
            "class_count": len(classes),
            "held_out": list(held_out),
            "classifier": how,
            "best_aurc": best_aurc(correct),
            "replicates": replicates,
            "level": level,
            "seed": seed,
        },
        retrieval=_retrieval_metrics(neighbours, ks, replicates, seed, level),
        classification=_classification_metrics(answers, correct, replicates, seed, level),
        scores=tuple(sorted(results, key=best_first)),
        classes=_per_class(classes, codes, answers.predicted, neighbours),
        reliability=reliability(answers.confidence, correct),
        labels=classes[codes],
        predicted=classes[answers.predicted],
        confidence=answers.confidence,
        nearest=neighbours.nearest,
        nearest_cosine=neighbours.cosine,
        numbers=called[kept],
        numbers_outside=called[away] if outside is None else called_outside,
        labels_outside=names[away] if len(away) else None,
        best_risk_coverage=risk_coverage(correct, correct),
        notes=tuple(notes),
    )


def _labels_of(labels: npt.ArrayLike, rows: int) -> npt.NDArray[np.str_]:
    array = np.asarray(labels)
    if array.shape != (rows,):
        raise ValueError(f"labels have shape {array.shape}; expected ({rows},), one a row")
    if array.dtype.kind == "f":
        raise TypeError(f"labels have dtype {array.dtype}; expected integers or strings")
    return array.astype(np.str_)


def _labels_of_single_rows(names: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    present, count = np.unique(names, return_counts=True)
    single: npt.NDArray[np.str_] = present[count < 2]
    return single


def _rows_outside(
    rows: npt.NDArray[Any], away: Indices, outside: npt.ArrayLike | None, store: RowStore
) -> npt.NDArray[Any]:
    if outside is None:
        return store.taken(rows, away)
    if len(away):
        raise ValueError("give rows outside or labels to hold out, not both")
    others = as_rows(outside, name="outside")
    if others.shape[1] != rows.shape[1]:
        raise ValueError(f"outside has dimension {others.shape[1]}, X {rows.shape[1]}")
    return others


def _one_a_row(name: str, values: npt.ArrayLike, rows: int) -> Vector:
    array = np.asarray(values, np.float64)
    if array.shape != (rows,):
        raise ValueError(f"the score {name} has shape {array.shape}; expected ({rows},)")
    return array


def _chosen_scores(
    scores: Sequence[str] | None, rows: npt.NDArray[Any], given: Mapping[str, Vector]
) -> list[str]:
    if scores is None:
        lengths = carries_length(rows)
        wanted = [n for n in DEFAULT_SCORES if lengths or "lengths" not in find_score(n).needs]
    else:
        wanted = [find_score(name).name for name in scores]
    for name in wanted:
        if name in given:
            raise ValueError(f"the score {name} was given; leave it out of the scores to compute")
    return wanted


def _answers(
    X: npt.NDArray[Any],
    classes: npt.NDArray[np.str_],
    codes: npt.NDArray[np.intp],
    outside: npt.NDArray[Any],
    train: tuple[npt.ArrayLike, npt.ArrayLike] | None,
    names: Sequence[str],
    seed: int,
    store: RowStore,
    progress: Callable[[int, int], None] | None,
) -> tuple[Answers, str]:
    if train is None:
        folds = min(FOLDS, int(np.bincount(codes).min()))
        return (
            cross_fit(X, codes, outside, names, seed, progress),
            f"fitted to these rows in {folds} folds, each row judged by the one that has not seen it",
        )
    from vmf.models import VMFClassifier

    training = as_rows(train[0], name="the training rows")
    if training.shape[1] != X.shape[1]:
        raise ValueError(f"the training rows have dimension {training.shape[1]}, X {X.shape[1]}")
    labels = _labels_of(train[1], len(training))
    known = np.isin(labels, classes)
    missing = np.setdiff1d(classes, labels)
    if missing.size:
        raise ValueError(f"no training row has the label {str(missing[0])!r}")
    if not known.all():
        training, labels = store.taken(training, np.flatnonzero(known)), labels[known]
    model = VMFClassifier().fit(training, np.searchsorted(classes, labels))
    return (
        answer_with(model, training, X, outside, names, seed),
        f"fitted to {len(training)} other rows",
    )


def _judge(
    name: str,
    certainty: Vector,
    outside: Vector | None,
    correct: npt.NDArray[np.bool_],
    near: npt.NDArray[np.bool_],
    replicates: int,
    seed: int,
    level: float,
) -> ScoreResult:
    count = len(certainty)
    order = ranks(np.concatenate([certainty, np.empty(0) if outside is None else outside]), name)
    inside_order, outside_order = order[:count], order[count:]

    def of_rows(index: Indices) -> dict[str, float | None]:
        return {
            "r_auroc": auroc(inside_order[index], near[index]),
            "aurc": aurc(inside_order[index], correct[index]),
        }

    def of_both(index: Indices, index_outside: Indices) -> dict[str, float | None]:
        return detect(inside_order[index], outside_order[index_outside])

    how = {"replicates": replicates, "seed": seed, "level": level}
    metrics: dict[str, Metric] = bootstrap(of_rows, count, **how)  # type: ignore[arg-type]
    if outside is not None:
        metrics |= bootstrap(of_both, count, len(outside), **how)  # type: ignore[arg-type]
    return ScoreResult(
        name=name,
        formula=SCORES[name].formula if name in SCORES else "",
        metrics=metrics,
        certainty=certainty,
        certainty_outside=outside,
        risk_coverage=risk_coverage(inside_order, correct),
    )


def _retrieval_metrics(
    found: Retrieval, ks: Sequence[int], replicates: int, seed: int, level: float
) -> dict[str, Metric]:
    values = {f"recall@{k}": found.recall_at(k) for k in ks}
    values["map@r"] = found.average_precision
    return _means(values, replicates, seed, level)


def _classification_metrics(
    answers: Answers, correct: npt.NDArray[np.bool_], replicates: int, seed: int, level: float
) -> dict[str, Metric]:
    def statistic(index: Indices) -> dict[str, float | None]:
        return {
            "accuracy": float(correct[index].mean()),
            "ece": expected_calibration_error(answers.confidence[index], correct[index]),
        }

    return bootstrap(statistic, len(correct), replicates=replicates, seed=seed, level=level)


def _means(
    values: Mapping[str, Vector], replicates: int, seed: int, level: float
) -> dict[str, Metric]:
    """Means over the rows where a value is defined, which are the same for all."""
    defined = np.flatnonzero(~np.isnan(next(iter(values.values()))))

    def statistic(index: Indices) -> dict[str, float | None]:
        return {name: float(column[defined[index]].mean()) for name, column in values.items()}

    return bootstrap(statistic, len(defined), replicates=replicates, seed=seed, level=level)


def _per_class(
    classes: npt.NDArray[np.str_],
    codes: npt.NDArray[np.intp],
    predicted: npt.NDArray[np.intp],
    neighbours: Retrieval,
) -> tuple[ClassResult, ...]:
    hits = neighbours.recall_at(1)
    results = []
    for code, label in enumerate(classes):
        members = codes == code
        wrong = predicted[members & (predicted != code)]
        results.append(
            ClassResult(
                label=str(label),
                rows=int(members.sum()),
                recall_at_1=float(hits[members].mean()) if members.sum() > 1 else None,
                accuracy=float((predicted[members] == code).mean()),
                most_confused_with=str(classes[np.bincount(wrong).argmax()])
                if wrong.size
                else None,
            )
        )
    return tuple(results)
