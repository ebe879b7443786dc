"""Answers and scores of a classifier for rows that it was not fitted to."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vmf.distribution.components import log_sum_exp
from vmf.embeddings.embedding_file import FloatRows
from vmf.errors import Argument, MemoryBudgetError
from vmf.estimation import SufficientStatistics
from vmf.evaluation.kept import Kept
from vmf.evaluation.nearest import in_threads, slices, threads
from vmf.evaluation.rows import EvaluatedRows, Indices, Passes
from vmf.passes.checkpoint import read_statistics, statistics_tensors
from vmf.passes.engine import Column, Task
from vmf.passes.statistics import Gather
from vmf.uncertainty.class_model import log_weights, one_minus_cosines
from vmf.uncertainty.norm import scale_from_distances
from vmf.uncertainty.reference import Reference
from vmf.uncertainty.registry import find_score

Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

FOLDS = 5

_ROWS_FOR_A_SCALE = 10_000
"""Without a kernel density the training rows give one number, the scale of the lengths: a sample does."""

_MATRIX_ELEMENTS = 1 << 20
"""Of rows times classes at a time: 8 MB of float64."""

_MATRICES = 8
"""Of that size, while a score is computed."""


@dataclass(frozen=True)
class Answers:
    """What a classifier says of some rows, as codes of classes, and how certain it is."""

    predicted: Codes
    confidence: Vector
    certainty: dict[str, Vector]
    certainty_outside: dict[str, Vector]


class Judged(NamedTuple):
    """What is said of some rows.

    Attributes
    ----------
    predicted : (rows,) int32
    confidence : (rows,) float64
        Probability of that class.
    certainty : (rows, scores) float64
        Higher = more certain.
    """

    predicted: npt.NDArray[np.int32]
    confidence: Vector
    certainty: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judge(Task[Judged]):
    """Finds answers and scores; its column holds the fold of each row, -1 for rows to pass over.

    Parameters
    ----------
    references : mapping of int to Reference
        The classifier of a fold, and its training rows where a score needs these.
    names : sequence of str
        Of the scores.
    """

    references: Mapping[int, Reference]
    names: tuple[str, ...]

    blocks_per_thread = 4
    most_rows = 1 << 19

    @property
    def beside(self) -> int:  # type: ignore[override]
        """See `judge_bytes`."""
        classes = max(len(log_weights(r.required_model())) for r in self.references.values())
        return judge_bytes(classes)

    def of_block(self, rows: FloatRows, first_row: int, columns: Sequence[Column]) -> Judged:
        """Return those of some rows."""
        (folds,) = columns
        assert folds is not None
        found = Judged(
            np.full(len(rows), -1, np.int32),
            np.full(len(rows), np.nan),
            np.full((len(rows), len(self.names)), np.nan),
        )
        parts: list[tuple[Reference, Indices]] = []
        for fold, reference in self.references.items():
            members = np.flatnonzero(folds == fold)
            wide = max(len(log_weights(reference.required_model())), rows.shape[1])
            step = max(1, _MATRIX_ELEMENTS // wide)
            parts += [(reference, members[part]) for part in slices(len(members), step)]

        def judge(part: tuple[Reference, Indices]) -> None:
            reference, members = part
            model, own = _Once(reference.required_model()), rows[members]
            once = copy.copy(reference)  # with the same scale of lengths and kernel density
            object.__setattr__(once, "model", model)
            joint = log_weights(model) + model.log_density(own)
            likeliest = joint.argmax(axis=1)
            found.predicted[members] = np.asarray(model.classes_)[likeliest]
            found.confidence[members] = np.exp(
                joint[np.arange(len(own)), likeliest] - log_sum_exp(joint)
            )
            for number, name in enumerate(self.names):
                found.certainty[members, number] = find_score(name)(once, own)

        in_threads(judge, parts)
        return found

    def merge(self, parts: Sequence[Judged]) -> Judged:
        """Return those of all rows, one after the other."""
        return Judged(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def judge_bytes(classes: int) -> int:
    """What `Judge` takes: matrices of rows times classes, in each thread."""
    return 8 * _MATRICES * max(_MATRIX_ELEMENTS, classes) * threads()


@dataclass(frozen=True)
class FromMeans(Task[tuple[Vector, ...]]):
    """Finds how far rows are from the nearest mean direction, 1 - cosine, of each of some models.

    Its columns say, for each model, of which rows.
    """

    models: tuple[Any, ...]

    most_rows = 1 << 19

    @property
    def beside(self) -> int:  # type: ignore[override]
        """Distances of a part of the rows, and directions."""
        return 4 * 8 * max(_MATRIX_ELEMENTS, len(self.models[0].mean_directions_))

    def of_block(
        self, rows: FloatRows, first_row: int, columns: Sequence[Column]
    ) -> tuple[Vector, ...]:
        """Return one array a model."""
        found = []
        for model, wanted in zip(self.models, columns, strict=True):
            assert wanted is not None
            members = np.flatnonzero(wanted)
            step = max(1, _MATRIX_ELEMENTS // max(model.mean_directions_.shape))
            away = np.empty(len(members))
            for part in slices(len(members), step):
                away[part] = one_minus_cosines(model, rows[members[part]]).min(axis=1)
            found.append(away)
        return tuple(found)

    def merge(self, parts: Sequence[tuple[Vector, ...]]) -> tuple[Vector, ...]:
        """Return those of all rows, one after the other."""
        return tuple(np.concatenate(values) for values in zip(*parts, strict=True))


class _Once:
    """A model that computes the densities and distances of rows once, however many scores need them."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._known: dict[str, tuple[Any, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def log_density(self, X: Any) -> Any:
        """log vMF(x; mu_k, kappa_k), (rows, classes)."""
        return self._once(
            "log_density", X, lambda: np.asarray(self._model.log_density(X), np.float64)
        )

    def one_minus_cosines(self, X: Any) -> Any:
        """1 - cosine between rows and mean directions, (rows, classes); no caller changes it."""
        return self._once("one_minus_cosines", X, lambda: one_minus_cosines(self._model, X))

    def _once(self, name: str, X: Any, compute: Callable[[], Any]) -> Any:
        rows, found = self._known.get(name, (None, None))
        if rows is not X:
            found = compute()
            self._known[name] = X, found
        return found


class Classifier:
    """The classifiers that judge rows, none of which has seen the rows that it judges.

    Parameters
    ----------
    rows : EvaluatedRows
        That they are fitted to.
    sets : (rows,) int
        To which fold and class each row counts, fold * classes + class; -1 for none.
    folds, classes : int
        With one fold, its classifier is fitted to the rows of that fold; with several, each is to
        the others.
    """

    def __init__(
        self,
        rows: EvaluatedRows,
        sets: npt.NDArray[np.int32],
        folds: int,
        classes: int,
        names: Sequence[str],
        seed: int,
        passes: Passes,
        kept: Kept,
    ) -> None:
        self._rows, self._sets = rows, sets
        self._folds, self._classes = folds, classes
        self._names = tuple(names)
        self._passes = passes
        self._kept = kept
        self._seed = seed
        parts = self._statistics()
        self._models = [
            self._model([parts[k :: self._classes] for k in range(self._classes)], fold)
            for fold in range(folds)
        ]
        self._scales_found = self._scales()

    def judge(
        self, rows: EvaluatedRows, folds: npt.NDArray[np.int8], name: str, what: str
    ) -> Judged:
        """Return what the classifiers say of rows, each asked those of its fold; -1 for none.

        What is found is kept in names that begin with `name`.
        """
        kept = self._kept
        count, scores = len(rows), len(self._names)
        found = Judged(
            kept.begun(f"{name}predicted", (count,), -1, np.int32),
            kept.begun(f"{name}confidence", (count,), np.nan, np.float64),
            kept.begun(f"{name}certainty", (count, scores), np.nan, np.float64),
        )
        # A kernel density has all training rows in it, so there is one at a time.
        every = range(self._folds)
        rounds = [[fold] for fold in every] if "kernel_density" in self._names else [list(every)]
        for number in range(kept.number(f"{name}round"), len(rounds)):
            task = Judge({fold: self._reference(fold) for fold in rounds[number]}, self._names)
            for step in self._passes.run(
                task, rows, columns=[folds], skip=kept.number(f"{name}done"), what=what
            ):
                assert step.found is not None
                part = slice(step.rows - step.count, step.rows)
                here = np.isin(folds[part], rounds[number])
                found.predicted[part][here] = step.found.predicted[here]
                found.confidence[part][here] = step.found.confidence[here]
                found.certainty[part][here] = step.found.certainty[here]
                kept.put(**{f"{name}done": step.rows})
            kept.put(**{f"{name}round": number + 1, f"{name}done": 0})
        return found

    def _statistics(self) -> tuple[SufficientStatistics, ...]:
        """Of each fold and class, by one pass."""
        kept = self._kept
        if "statistics_count" not in kept:
            task = Gather(self._rows.dimension, self._folds * self._classes, "skip")
            found = self._passes.reduce(task, self._rows, columns=[self._sets], what="classifier")
            tensors = statistics_tensors(task.tuple_of(found))
            kept.put(**{f"statistics_{name}": one for name, one in tensors.items()})
        return read_statistics(lambda name: kept[f"statistics_{name}"])

    def _model(self, parts: Sequence[Sequence[SufficientStatistics]], fold: int) -> Any:
        """The classifier that judges a fold, from the statistics of each class by fold."""
        from vmf.models import VMFClassifier

        fitted_to = [f for f in range(self._folds) if f != fold] if self._folds > 1 else [0]
        model = VMFClassifier.from_statistics(
            {
                code: reduce(add, (by_fold[f] for f in fitted_to))
                for code, by_fold in enumerate(parts)
            }
        )
        model.statistics_ = {}  # the workers need the parameters only
        return model

    def _scales(self) -> list[float] | None:
        """The scale of the lengths for each classifier; None where no score needs one."""
        if not any("lengths" in find_score(name).needs for name in self._names):
            return None
        rng = np.random.default_rng(self._seed)
        wanted = np.zeros((self._folds, len(self._rows)), bool)
        for fold in range(self._folds):
            seen = self._seen(fold)
            if "kernel_density" not in self._names and len(seen) > _ROWS_FOR_A_SCALE:
                seen = np.sort(rng.choice(seen, _ROWS_FOR_A_SCALE, replace=False))
            wanted[fold, seen] = True
        task = FromMeans(tuple(self._models))
        away = self._passes.reduce(task, self._rows, columns=list(wanted))
        return [
            scale_from_distances(one, self._rows.lengths[those], self._rows.dimension)
            for one, those in zip(away, wanted, strict=True)
        ]

    def _seen(self, fold: int) -> Indices:
        """The rows that the classifier of a fold was fitted to."""
        used = self._sets >= 0
        if self._folds > 1:
            used &= self._sets // self._classes != fold
        return np.flatnonzero(used)

    def _reference(self, fold: int) -> Reference:
        """What the rows of a fold are judged against; whatever follows from training rows is in it."""
        model = self._models[fold]
        if self._scales_found is None and "kernel_density" not in self._names:
            return Reference(model, seed=self._seed)
        # Of the rows themselves it is only asked whether their lengths differ.
        lengths = self._rows.lengths[self._seen(fold)]
        training = np.zeros((2, self._rows.dimension))
        training[:, 0] = lengths.min(), lengths.max()
        reference = Reference(model, training, seed=self._seed)
        if self._scales_found is not None:
            reference.__dict__["norm_scale"] = self._scales_found[fold]
        if "kernel_density" in self._names:
            whole = Reference(model, self._all_training_rows(fold), seed=self._seed)
            reference.__dict__["kernel_density"] = whole.kernel_density
        return reference

    def _all_training_rows(self, fold: int) -> FloatRows:
        seen = self._seen(fold)
        # As they are, and their directions.
        size = 2 * len(seen) * self._rows.dimension * self._rows.dtype.itemsize
        if self._passes.reading.memory is not None and size > self._passes.room(0.8):
            raise MemoryBudgetError(
                None,
                f"the score kernel_density needs the {len(seen)} rows that the classifier is fitted"
                f" to in memory, {size / 1e6:.0f} MB; leave it out, or allow more ",
                Argument("memory"),
            )
        return self._rows.take(self._passes, seen)


def folds_of(codes: Codes, seed: int) -> tuple[npt.NDArray[np.int8], int]:
    """Cut rows into 5 folds with the classes in proportion, fewer where a class has fewer rows."""
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(np.bincount(codes).min()))
    fold_of = np.empty(len(codes), np.int8)
    splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(codes, codes)
    for fold, (_, judged) in enumerate(splits):
        fold_of[judged] = fold
    return fold_of, folds
