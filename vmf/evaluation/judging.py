"""What answers, neighbours and scores are worth, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vmf.evaluation.calibration import DEFAULT_BINS, bin_numbers, gap_of_bins
from vmf.evaluation.metric import Metric, Resampling
from vmf.evaluation.neighbours import Neighbours
from vmf.evaluation.ordered import Ordered, harmonic_numbers
from vmf.evaluation.result import ScoreResult
from vmf.evaluation.selective import risk_coverage
from vmf.uncertainty.registry import SCORES

Vector = npt.NDArray[np.float64]
Counts = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


def judged_scores(
    certainties: Mapping[str, tuple[Vector, Vector | None]],
    correct: Flags,
    neighbours: Neighbours,
    codes: npt.NDArray[np.intp],
    resampling: Resampling,
    progress: Callable[[int, int], None] | None,
) -> list[ScoreResult]:
    """What each score is worth.

    Parameters
    ----------
    certainties : mapping of str to ((rows,), (rows outside,) or None) float64
        Higher = more certain.
    correct : (rows,) bool
        Whether the classifier's answer is right.
    neighbours : Neighbours
        Say for which rows it is known whether the nearest neighbour is of the same class.
    """
    known, near = neighbours.compared(codes)
    harmonic = harmonic_numbers(len(correct))
    results = []
    for number, (name, (certainty, outside)) in enumerate(certainties.items()):
        order = Ordered(certainty, name)
        metrics = {
            **_of_neighbours(certainty, order, known, near, resampling),
            **_of_answers(order, correct, harmonic, resampling),
        }
        if outside is not None:
            metrics |= _of_rows_outside(certainty, outside, name, resampling)
        results.append(
            ScoreResult(
                name=name,
                formula=SCORES[name].formula if name in SCORES else "",
                metrics=metrics,
                certainty=certainty,
                certainty_outside=outside,
                risk_coverage=risk_coverage(certainty, correct),
            )
        )
        if progress:
            progress(number + 1, len(certainties))
    return results


def _of_answers(
    order: Ordered, correct: Flags, harmonic: Vector, resampling: Resampling
) -> dict[str, Metric]:
    wrong = order.arranged(~correct)
    return resampling.of_counts(
        lambda times: {"aurc": order.aurc(wrong, order.arranged(times), harmonic)}, len(correct)
    )


def _of_neighbours(
    certainty: Vector,
    order: Ordered,
    known: npt.NDArray[np.intp] | None,
    near: Flags,
    resampling: Resampling,
) -> dict[str, Metric]:
    own = order if known is None else Ordered(certainty[known])
    positive = own.arranged(near)
    return resampling.of_counts(
        lambda times: {"r_auroc": own.auroc(positive, own.arranged(times))}, len(near)
    )


def _of_rows_outside(
    certainty: Vector, outside: Vector, name: str, resampling: Resampling
) -> dict[str, Metric]:
    both = Ordered(np.concatenate([certainty, outside]), name)
    inside = both.arranged(np.arange(len(certainty) + len(outside)) < len(certainty))

    def statistic(times: Counts, times_outside: Counts) -> dict[str, float | None]:
        return both.detection(inside, both.arranged(np.concatenate([times, times_outside])))

    return resampling.of_counts(statistic, len(certainty), len(outside))


def classification_metrics(
    confidence: Vector, correct: Flags, resampling: Resampling
) -> dict[str, Metric]:
    """Accuracy and calibration of the classifier's answers."""
    right, numbers = correct.astype(np.float64), bin_numbers(confidence, DEFAULT_BINS)
    gap = confidence - right

    def statistic(times: Counts) -> dict[str, float | None]:
        return {
            "accuracy": float(times @ right / len(right)),
            "ece": gap_of_bins(numbers, times * gap, DEFAULT_BINS) / len(right),
        }

    return resampling.of_counts(statistic, len(right))


def retrieval_metrics(
    neighbours: Neighbours, ks: Sequence[int], resampling: Resampling
) -> dict[str, Metric]:
    """Recall@k and MAP@R.

    With approximate neighbours Recall@k is the share over all rows by these, plus the mean, over
    the rows of the sample, of what exact neighbours say less what approximate ones say: the
    difference estimator (Cochran, Sampling Techniques, 1977, section 7.3; Saerndal, Swensson &
    Wretman, Model Assisted Survey Sampling, 1992, section 6.3). It has no bias, however good the
    approximate neighbours are; the better they are, the narrower is its interval. MAP@R is the mean
    over the sample.
    """
    found = neighbours.found
    exact = {f"recall@{k}": found.recall_at(k) for k in ks}
    exact["map@r"] = found.average_precision
    defined = np.flatnonzero(~np.isnan(found.average_precision))
    columns = {name: values[defined] for name, values in exact.items()}
    approximate, sample = neighbours.approximate, neighbours.sample
    if approximate is None or sample is None:
        return resampling.of_counts(
            lambda times: {
                name: float(times @ values / len(values)) for name, values in columns.items()
            },
            len(defined),
        )
    everywhere = np.flatnonzero(approximate.rank > 0)
    rough = {f"recall@{k}": approximate.recall_at(k) for k in ks}
    off = {name: columns[name] - values[sample[defined]] for name, values in rough.items()}
    whole = {name: values[everywhere] for name, values in rough.items()}

    def statistic(times: Counts, times_sampled: Counts) -> dict[str, float | None]:
        measured: dict[str, float | None] = {
            name: float(times @ whole[name] / len(everywhere))
            + float(times_sampled @ off[name] / len(defined))
            for name in whole
        }
        measured["map@r"] = float(times_sampled @ columns["map@r"] / len(defined))
        return measured

    return resampling.of_counts(statistic, len(everywhere), len(defined))
