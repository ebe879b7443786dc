"""What the figures say, in plain words."""

from __future__ import annotations

import numpy as np

from vmf.evaluation.metric import Metric
from vmf.evaluation.result import Evaluation, ScoreResult
from vmf.uncertainty.registry import SCORES


def reading(evaluation: Evaluation) -> list[str]:
    """A few sentences, each drawn from the measurements alone."""
    sentences = [_of_neighbours(evaluation), _of_selection(evaluation), _of_calibration(evaluation)]
    sentences += [_of_detection(evaluation), _of_errors(evaluation), _of_useless(evaluation)]
    return [sentence for sentence in sentences if sentence]


def best_by_aurc(evaluation: Evaluation) -> ScoreResult:
    """The score with which the fewest errors remain among the rows that are kept."""
    best = _best(evaluation, "aurc", lower=True)
    assert best is not None  # every score has one
    return best


def best_by_auroc(evaluation: Evaluation) -> ScoreResult | None:
    """The score that tells rows outside from rows inside best, if there are rows outside."""
    return _best(evaluation, "auroc")


def _best(evaluation: Evaluation, key: str, *, lower: bool = False) -> ScoreResult | None:
    """The best score, if any has that measure; of several as good to the third digit the plainest,
    which is the first in `SCORES`.
    """
    order = {name: place for place, name in enumerate(SCORES)}
    values = {
        score.name: (metric.value if lower else -metric.value)
        for score in evaluation.scores
        if (metric := score.metrics.get(key)) is not None and metric.value is not None
    }
    if not values:
        return None
    least = min(values.values())
    as_good = [s for s in evaluation.scores if values.get(s.name, np.inf) <= least + 1e-3]
    return min(as_good, key=lambda score: order.get(score.name, len(order)))


def risk_at(score: ScoreResult, coverage: float) -> float:
    """Share of errors among the most certain rows, that share of them."""
    risk = score.risk_coverage.risk
    return float(risk[max(0, round(coverage * len(risk)) - 1)])


def _percent(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if 0.001 < value < 0.999 else f"{100 * value:.3g} %"


def _of_neighbours(evaluation: Evaluation) -> str:
    hit = evaluation.retrieval.get("recall@1")
    if hit is None or hit.value is None:
        return ""
    return (
        f"The nearest other row is of the same class for {_percent(hit.value)} of the"
        f" {evaluation.facts['rows']} rows; the classifier names the right one of"
        f" {evaluation.facts['class_count']} classes for"
        f" {_percent(evaluation.classification['accuracy'].value)}."
    )


def _of_selection(evaluation: Evaluation) -> str:
    best = best_by_aurc(evaluation)
    all_rows, kept = risk_at(best, 1.0), risk_at(best, 0.8)
    perfect = float(evaluation.best_risk_coverage.risk[round(0.8 * evaluation.facts["rows"]) - 1])
    return (
        f"If a person looks at the fifth of the rows that {best.name} is least certain of, the"
        f" errors among the rest fall from {_percent(all_rows)} to {_percent(kept)}; a score that"
        f" knew the errors would bring them to {_percent(perfect)}."
    )


def _of_calibration(evaluation: Evaluation) -> str:
    stated = float(evaluation.confidence.mean())
    right = evaluation.classification["accuracy"].value or 0.0
    error = evaluation.classification["ece"].value or 0.0
    if error < 0.05:
        return (
            f"The classifier's probabilities can be read as such: on average it states"
            f" {_percent(stated)} and is right for {_percent(right)}."
        )
    kind = "overconfident" if stated > right else "underconfident"
    return (
        f"The classifier is {kind}: on average it states {_percent(stated)} and is right for"
        f" {_percent(right)}. Its order of the rows can be used, its probabilities cannot."
    )


def _of_detection(evaluation: Evaluation) -> str:
    best = best_by_auroc(evaluation)
    if best is None:
        return ""
    return (
        f"Of a row inside the known classes and one outside, {best.name} is more certain of the one"
        f" inside in {_percent(best.metrics['auroc'].value)} of the pairs. Set so that 95 % of the rows inside are"
        f" kept, it lets {_percent(best.metrics['fpr95'].value)} of those outside through."
    )


def _of_errors(evaluation: Evaluation) -> str:
    best = _best(evaluation, "r_auroc")
    if best is None:
        return ""
    return (
        f"Wrong nearest neighbours are told from right ones best by {best.name}: R-AUROC"
        f" {best.metrics['r_auroc'].value:.3f}, where 0.5 is chance."
    )


def _of_useless(evaluation: Evaluation) -> str:
    parts = []
    for key, what in (("auroc", "rows outside"), ("r_auroc", "wrong neighbours")):
        lost = [s.name for s in evaluation.scores if _no_better(s.metrics.get(key))]
        if lost:
            parts.append(f"for {what} {_listed(lost)}")
    return f"No better than chance here, or worse: {'; '.join(parts)}." if parts else ""


def _no_better(metric: Metric | None) -> bool:
    if metric is None or metric.value is None:
        return False
    return (metric.value if metric.low is None else metric.low) <= 0.5


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
