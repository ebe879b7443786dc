"""Evaluation of embeddings and of the scores that say which of them to trust."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import as_rows
from vmf.embeddings.held_rows import HeldRows
from vmf.errors import BadRowError, EmbeddingError, Note, Part, parts_of
from vmf.evaluation.answers import Answers, Classifier, Codes, Judged, folds_of
from vmf.evaluation.calibration import reliability
from vmf.evaluation.judging import classification_metrics, judged_scores, retrieval_metrics
from vmf.evaluation.kept import Kept
from vmf.evaluation.metric import Resampling
from vmf.evaluation.neighbours import Neighbours, NeighbourSearch, find_neighbours
from vmf.evaluation.result import ClassResult, Evaluation, ScoreResult
from vmf.evaluation.rows import EvaluatedRows, Indices, Passes, Progress, survey
from vmf.evaluation.selective import best_aurc, risk_coverage
from vmf.passes.engine import Reading
from vmf.passes.here import Here
from vmf.uncertainty.norm import lengths_differ
from vmf.uncertainty.registry import find_score

Vector = npt.NDArray[np.float64]

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
"""Those of `vmf.uncertainty.SCORES` that do not need all training rows; "norm" and "elk" where the rows
differ in length, "mutual_information" up to `MOST_ROWS_TIMES_CLASSES`."""

MOST_ROWS_TIMES_CLASSES = 100_000_000
"""Above, the 64 draws of the mutual information take longer than everything else."""

DEFAULT_KS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Labelled:
    """Rows, and the label of each.

    Attributes
    ----------
    rows : EvaluatedRows
    names : (labels,) str
        The distinct labels.
    codes : (rows,) integers
        The position of each row's label among them.
    """

    rows: EvaluatedRows
    names: npt.NDArray[np.str_]
    codes: npt.NDArray[Any]


@dataclass(frozen=True)
class Settings:
    """What is measured, and how; see `evaluate`."""

    held_out: Sequence[str] = ()
    scores: Sequence[str] | None = None
    ks: Sequence[int] = DEFAULT_KS
    neighbours: NeighbourSearch = field(default_factory=NeighbourSearch)
    replicates: int = 200
    seed: int = 0
    level: float = 0.95


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
    neighbours: Literal["auto", "exact", "approximate"] = "auto",
    replicates: int = 200,
    seed: int = 0,
    level: float = 0.95,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure embeddings, a classifier on them, and each score of how far a row can be trusted.

    Parameters
    ----------
    X : (rows, dim) array_like
        Embeddings as the network gave them; a read-only memory map will do. For files, also such
        as are larger than memory, see `vmf.jobs.evaluate.evaluate_files`.
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
    neighbours : {"auto", "exact", "approximate"}
        Whether each row is compared with all others; "auto" does that up to
        `vmf.evaluation.neighbours.EXACT_ROWS` rows. See there.
    replicates : int
        Of the bootstrap; 0 for no intervals.
    seed : int
        Of the folds, the bootstrap, the mutual information and the samples.
    level : float
        Of the intervals.
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
    passes = Passes(Reading(), Here(), progress)
    rows = as_rows(X)
    found = _labelled("X", rows, labels, passes)
    others = training = None
    if outside is not None:
        away = as_rows(outside, name="outside")
        if away.shape[1] != rows.shape[1]:
            raise ValueError(f"outside has dimension {away.shape[1]}, X {rows.shape[1]}")
        others = _surveyed("outside", away, passes)
    if train is not None:
        fitted = as_rows(train[0], name="the training rows")
        if fitted.shape[1] != rows.shape[1]:
            raise ValueError(
                f"the training rows have dimension {fitted.shape[1]}, X {rows.shape[1]}"
            )
        training = _labelled("the training rows", fitted, train[1], passes)
    return evaluate_rows(
        found,
        Settings(held_out, scores, ks, NeighbourSearch(neighbours), replicates, seed, level),
        passes,
        outside=others,
        train=training,
        given=given,
        given_outside=given_outside,
    )


def evaluate_rows(
    labelled: Labelled,
    settings: Settings,
    passes: Passes,
    *,
    outside: EvaluatedRows | None = None,
    train: Labelled | None = None,
    given: Mapping[str, npt.ArrayLike] | None = None,
    given_outside: Mapping[str, npt.ArrayLike] | None = None,
    kept: Kept | None = None,
) -> Evaluation:
    """Evaluate rows that have been read once; see `evaluate`.

    Parameters
    ----------
    given, given_outside : mapping of str to (rows,) array_like
        A value for each of the rows, also those that are not used.
    kept : Kept, optional
        What an evaluation that was not finished has found, and what takes in what this one finds.

    Raises
    ------
    ValueError, EmbeddingError
        As `evaluate`, and for what cannot be read.
    """
    kept = Kept() if kept is None else kept
    rows, seed = labelled.rows, settings.seed
    split = _split(labelled, settings.held_out, train is None)
    classes, inside, codes, away = split.classes, split.inside, split.codes, split.away
    if outside is not None and len(away):
        raise ValueError("give rows outside or labels to hold out, not both")
    own = {name: _one_a_row(name, values, len(rows)) for name, values in (given or {}).items()}
    notes = list(split.notes)
    chosen = _chosen_scores(settings.scores, rows.lengths[inside], len(classes), own, notes)
    neighbours = find_neighbours(
        rows, inside, codes, max(settings.ks), settings.neighbours, passes, seed, kept
    )
    notes += neighbours.notes
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        answers, how = _answers(rows, split, outside, train, chosen, seed, passes, kept)
    notes += sorted({Note("classifier: ", *_parts(warning.message)) for warning in caught})
    outside_rows = len(away) if outside is None else int(outside.usable.sum())
    certainties: dict[str, tuple[Vector, Vector | None]] = {}
    for name in [*chosen, *own]:
        if name in own:
            elsewhere = (given_outside or {}).get(name)
            certainty = own[name][inside]
            certainty_out = own[name][away]
            if elsewhere is not None and outside is not None:
                certainty_out = _one_a_row(name, elsewhere, len(outside))[outside.usable]
        else:
            certainty, certainty_out = answers.certainty[name], answers.certainty_outside[name]
        certainties[name] = certainty, certainty_out if outside_rows else None
    correct = answers.predicted == codes
    resampling = Resampling(settings.replicates, seed, settings.level)
    results = judged_scores(
        certainties, correct, neighbours, codes, resampling, passes.say("intervals")
    )
    best_first: Callable[[ScoreResult], float] = (
        (lambda one: -(one.metrics["auroc"].value or 0.0) if "auroc" in one.metrics else 1.0)
        if outside_rows
        else (lambda one: one.metrics["aurc"].value or 0.0)
    )
    numbers_outside = rows.numbers[away] if outside is None else outside.numbers[outside.usable]
    return Evaluation(
        facts={
            "rows": len(inside),
            "rows_outside": outside_rows,
            "dimension": rows.dimension,
            "class_count": len(classes),
            "held_out": list(settings.held_out),
            "classifier": how,
            **neighbours.facts,
            "best_aurc": best_aurc(correct),
            "replicates": settings.replicates,
            "level": settings.level,
            "seed": seed,
        },
        retrieval=retrieval_metrics(neighbours, settings.ks, resampling),
        classification=classification_metrics(answers.confidence, correct, resampling),
        scores=tuple(sorted(results, key=best_first)),
        classes=_per_class(classes, codes, answers.predicted, neighbours),
        reliability=reliability(answers.confidence, correct),
        class_names=classes,
        codes=codes,
        predicted_codes=answers.predicted,
        confidence=answers.confidence,
        nearest=neighbours.nearest,
        nearest_cosine=neighbours.cosine,
        numbers=rows.numbers[inside],
        numbers_outside=numbers_outside,
        labels_outside=labelled.names[labelled.codes[away]] if len(away) else None,
        best_risk_coverage=risk_coverage(correct, correct),
        notes=tuple(notes),
    )


def _surveyed(name: str, rows: npt.NDArray[Any], passes: Passes) -> EvaluatedRows:
    try:
        return survey([HeldRows(rows, name=name)], passes)
    except EmbeddingError as error:
        if isinstance(error.__cause__, BadRowError):
            raise error.__cause__ from None
        raise


def _labelled(name: str, rows: npt.NDArray[Any], labels: npt.ArrayLike, passes: Passes) -> Labelled:
    array = np.asarray(labels)
    if array.shape != (len(rows),):
        raise ValueError(f"labels have shape {array.shape}; expected ({len(rows)},), one a row")
    if array.dtype.kind == "f":
        raise TypeError(f"labels have dtype {array.dtype}; expected integers or strings")
    names, codes = np.unique(array.astype(np.str_), return_inverse=True)
    return Labelled(_surveyed(name, rows, passes), names, codes)


@dataclass(frozen=True)
class _Split:
    """Which rows are inside and which outside the classes."""

    classes: npt.NDArray[np.str_]
    inside: Indices
    codes: Codes
    away: Indices
    notes: tuple[str, ...]


def _split(labelled: Labelled, held_out: Sequence[str], alone_is_out: bool) -> _Split:
    names, codes, usable = labelled.names, labelled.codes, labelled.rows.usable
    out = np.isin(names, [str(label) for label in held_out])
    count = np.bincount(codes[usable], minlength=len(names))
    single = ~out & (count == 1) & alone_is_out
    notes = []
    if single.any():
        notes.append(f"{int(single.sum())} rows alone in their class are left out")
    known = np.flatnonzero(~out & ~single & (count > 0))
    known = known[np.argsort(names[known], kind="stable")]
    if len(known) < 2:
        raise ValueError(
            f"the rows have {len(known)} class with at least 2 rows; evaluation needs 2 or more"
        )
    code_of = np.full(len(names), -1)
    code_of[known] = np.arange(len(known))
    inside = np.flatnonzero(usable & (code_of >= 0)[codes])
    away = np.flatnonzero(usable & out[codes])
    return _Split(names[known], inside, code_of[codes[inside]], away, tuple(notes))


def _one_a_row(name: str, values: npt.ArrayLike, rows: int) -> Vector:
    array = np.asarray(values, np.float64)
    if array.shape != (rows,):
        raise ValueError(f"the score {name} has shape {array.shape}; expected ({rows},)")
    return array


def _chosen_scores(
    scores: Sequence[str] | None,
    lengths: Vector,
    classes: int,
    given: Mapping[str, Vector],
    notes: list[str],
) -> list[str]:
    if scores is None:
        differ = lengths_differ(lengths)
        wanted = [n for n in DEFAULT_SCORES if differ or "lengths" not in find_score(n).needs]
        if len(lengths) * classes > MOST_ROWS_TIMES_CLASSES:
            wanted.remove("mutual_information")
            notes.append(
                f"mutual_information is left out: with {len(lengths)} rows in {classes} classes it"
                " takes longer than all else; name it among the scores to have it"
            )
    else:
        wanted = [find_score(name).name for name in scores]
    for name in wanted:
        if name in given:
            raise ValueError(f"the score {name} was given; leave it out of the scores to compute")
    return wanted


def _answers(
    rows: EvaluatedRows,
    split: _Split,
    outside: EvaluatedRows | None,
    train: Labelled | None,
    names: Sequence[str],
    seed: int,
    passes: Passes,
    kept: Kept,
) -> tuple[Answers, str]:
    inside, codes, away = split.inside, split.codes, split.away
    count = len(split.classes)
    fold = np.full(len(rows), -1, np.int8)
    if train is None:
        fold[inside], folds = folds_of(codes, seed)
        fold[away] = np.arange(len(away)) % folds
        sets = np.full(len(rows), -1, np.int32)
        sets[inside] = fold[inside].astype(np.int32) * count + codes.astype(np.int32)
        how = f"fitted to these rows in {folds} folds, each row judged by the one that has not seen it"
        fitted = rows
    else:
        folds, fitted = 1, train.rows
        fold[inside] = fold[away] = 0
        code_of = {str(name): code for code, name in enumerate(split.classes)}
        known = np.array([code_of.get(str(name), -1) for name in train.names], np.int32)
        sets = np.where(train.rows.usable, known[train.codes], -1).astype(np.int32)
        missing = np.flatnonzero(np.bincount(sets[sets >= 0], minlength=count) == 0)
        if missing.size:
            raise ValueError(f"no training row has the label {str(split.classes[missing[0]])!r}")
        how = f"fitted to {int((sets >= 0).sum())} other rows"
    classifier = Classifier(fitted, sets, folds, count, names, seed, passes, kept)
    found = classifier.judge(rows, fold, "inside_", "classifier and scores")
    outer, there = found, away
    if outside is not None:
        there = np.flatnonzero(outside.usable)
        column = np.full(len(outside), -1, np.int8)
        column[there] = np.arange(len(there)) % folds
        outer = classifier.judge(outside, column, "outside_", "scores outside")
    return _as_answers(found, outer, inside, there, names), how


def _as_answers(
    found: Judged, outer: Judged, inside: Indices, there: Indices, names: Sequence[str]
) -> Answers:
    return Answers(
        found.predicted[inside].astype(np.intp),
        found.confidence[inside],
        {name: found.certainty[inside, k] for k, name in enumerate(names)},
        {name: outer.certainty[there, k] for k, name in enumerate(names)},
    )


def _per_class(
    classes: npt.NDArray[np.str_], codes: Codes, predicted: Codes, neighbours: Neighbours
) -> tuple[ClassResult, ...]:
    count = len(classes)
    rows = np.bincount(codes, minlength=count)
    right = np.bincount(codes[predicted == codes], minlength=count)
    hit = np.bincount(codes[neighbours.is_right(codes)], minlength=count)
    wrong = np.flatnonzero(predicted != codes)
    confused: list[str | None] = [None] * count
    pairs, times = np.unique(codes[wrong] * count + predicted[wrong], return_counts=True)
    # The most frequent one last, of equally frequent ones the first class.
    for pair in pairs[np.lexsort((-pairs, times))]:
        confused[pair // count] = str(classes[pair % count])
    return tuple(
        ClassResult(
            label=str(label),
            rows=int(rows[code]),
            recall_at_1=float(hit[code] / rows[code]) if rows[code] > 1 else None,
            accuracy=float(right[code] / rows[code]),
            most_confused_with=confused[code],
        )
        for code, label in enumerate(classes)
    )


def _parts(warning: Warning | str) -> tuple[Part, ...]:
    return (warning,) if isinstance(warning, str) else parts_of(warning)
