"""The figures of an evaluation, drawn with matplotlib without a display."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from vmf.evaluation.detection import ranks, roc
from vmf.evaluation.reading import best_by_auroc
from vmf.evaluation.result import Evaluation, ScoreResult, Vector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The report replaces each of these by a colour of the reader's light or dark theme, so none may
# stand for two things. The series are Okabe & Ito's, told apart with any colour vision; each has a
# line style and a marker of its own as well.
INK, MUTED, GRID = "#1b1f24", "#5b6672", "#d9dee4"
INSIDE, OUTSIDE, THIRD, FOURTH = "#0072b2", "#d55e00", "#009e73", "#aa4499"
THEME = {
    INK: "ink", MUTED: "muted", GRID: "grid",
    INSIDE: "first", OUTSIDE: "second", THIRD: "third", FOURTH: "fourth",
}  # fmt: skip
_SERIES = ((INSIDE, "-"), (OUTSIDE, "--"), (THIRD, "-."), (FOURTH, ":"))
_CURVES = 4
_SAME_ORDER = 0.98  # rank correlation above which two curves would hide each other
_POINTS = 300
_MOST_CLASSES = 40
_SIZE = (5.6, 4.0)

TITLES = {
    "scores": "What each score is worth",
    "risk_coverage": "Error among the rows that are kept",
    "distributions": "The best score inside and outside the known classes",
    "roc": "Rows inside kept against rows outside let through",
    "reliability": "Stated probability and share that is right",
    "classes": "The classes, the hardest on top",
}


def draw(evaluation: Evaluation) -> dict[str, Figure]:
    """All figures that apply, by name; `TITLES` says what each shows."""
    drawn: dict[str, Figure] = {"scores": _scores(evaluation)}
    best = best_by_auroc(evaluation)
    if best is not None:
        drawn["distributions"] = _distributions(best)
        drawn["roc"] = _roc(evaluation)
    drawn["risk_coverage"] = _risk_coverage(evaluation)
    drawn["reliability"] = _reliability(evaluation)
    if len(evaluation.classes) <= _MOST_CLASSES:
        drawn["classes"] = _classes(evaluation)
    return drawn


def _figure(width: float, height: float, columns: int = 1, **how: Any) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, **how)[0]
    figure.patch.set_alpha(0.0)
    for axis in axes:
        axis.patch.set_alpha(0.0)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axis.spines[side].set_color(MUTED)
        axis.tick_params(colors=MUTED, labelcolor=INK, labelsize=9)
        axis.grid(color=GRID, linewidth=0.7)
        axis.set_axisbelow(True)
    return figure, axes


def _label(axis: Any, x: str, y: str = "") -> None:
    axis.set_xlabel(x, color=INK, fontsize=10)
    axis.set_ylabel(y, color=INK, fontsize=10)


def _legend(axis: Any, **how: Any) -> None:
    axis.legend(frameon=False, labelcolor=INK, fontsize=9, **how)


def _scores(evaluation: Evaluation) -> Figure:
    """One line a score, a panel a measure, with intervals."""
    panels: list[tuple[str, str, float | None]] = []
    if evaluation.has_outside:
        panels.append(("auroc", "AUROC, inside against outside", 0.5))
    panels.append(("r_auroc", "R-AUROC, right against wrong neighbour", 0.5))
    panels.append(("aurc", "AURC, lower is better", None))
    scores = evaluation.scores[::-1]
    figure, axes = _figure(
        3.4 * len(panels) + 1.2, 0.36 * len(scores) + 1.1, len(panels), sharey=True
    )
    for axis, (name, title, chance) in zip(axes, panels, strict=True):
        for place, score in enumerate(scores):
            metric = score.metrics.get(name)
            if metric is None or metric.value is None:
                continue
            if metric.low is not None and metric.high is not None:
                axis.plot([metric.low, metric.high], [place, place], color=INSIDE, linewidth=2)
            axis.plot(metric.value, place, "o", color=INSIDE, markersize=6)
        if chance is not None:
            axis.axvline(chance, color=OUTSIDE, linestyle="--", linewidth=1.2)
        else:
            axis.axvline(evaluation.facts["best_aurc"], color=THIRD, linestyle="-.", linewidth=1.2)
        axis.grid(axis="y", visible=False)
        _label(axis, title)
    axes[0].set_yticks(range(len(scores)), [score.name for score in scores])
    axes[0].set_ylim(-0.6, len(scores) - 0.4)
    return figure


def _curves(evaluation: Evaluation, key: Callable[[ScoreResult], float]) -> list[ScoreResult]:
    """The best scores, leaving out those that order the rows as a better one does."""
    chosen: list[ScoreResult] = []
    orders: list[Vector] = []
    for score in sorted(evaluation.scores, key=key):
        order = ranks(score.certainty, score.name)
        order -= order.mean()
        length = float(np.linalg.norm(order))
        if length > 0 and any(order @ other > _SAME_ORDER * length for other in orders):
            continue
        orders.append(order / max(length, 1.0))
        chosen.append(score)
    return chosen[:_CURVES]


def _aurc(score: ScoreResult) -> float:
    return score.metrics["aurc"].value or 0.0


def _auroc(score: ScoreResult) -> float:
    metric = score.metrics.get("auroc")
    return -(metric.value or 0.0) if metric else 0.0


def _risk_coverage(evaluation: Evaluation) -> Figure:
    figure, (axis,) = _figure(*_SIZE)
    for (color, style), score in zip(_SERIES, _curves(evaluation, _aurc), strict=False):
        curve = score.risk_coverage
        at = _thinned(len(curve.coverage))
        axis.plot(
            100 * curve.coverage[at], 100 * curve.risk[at], style, color=color, label=score.name
        )
    best = evaluation.best_risk_coverage
    at = _thinned(len(best.coverage))
    axis.plot(
        100 * best.coverage[at],
        100 * best.risk[at],
        color=MUTED,
        linewidth=1,
        label="best possible",
    )
    axis.axhline(100 * best.risk[-1], color=MUTED, linewidth=1, linestyle=(0, (1, 3)))
    axis.text(1, 100 * best.risk[-1], "at random", color=MUTED, fontsize=9, va="bottom")
    axis.set_xlim(0, 100)
    axis.set_ylim(0, None)
    _label(axis, "rows kept, the most certain first (%)", "errors among them (%)")
    _legend(axis)
    return figure


def _thinned(count: int) -> Any:
    """A few hundred places of a curve, the first hundredth left out: it is all noise."""
    return np.unique(np.linspace(max(0, count // 100), count - 1, min(count, _POINTS)).astype(int))


def _distributions(score: ScoreResult) -> Figure:
    assert score.certainty_outside is not None
    figure, (axis,) = _figure(*_SIZE)
    both = np.concatenate([score.certainty, score.certainty_outside])
    both = both[np.isfinite(both)]
    low, high = np.percentile(both, [0.2, 99.8])
    bins = np.linspace(low, high if high > low else low + 1.0, 51)
    for values, color, hatch, name in (
        (score.certainty, INSIDE, "", "inside"),
        (score.certainty_outside, OUTSIDE, "", "outside"),
    ):
        weights = np.full(len(values), 100.0 / len(values))
        clipped = np.clip(values, bins[0], bins[-1])
        axis.hist(clipped, bins, weights=weights, color=color, alpha=0.3, hatch=hatch)
        axis.hist(
            clipped, bins, weights=weights, histtype="step", color=color, linewidth=1.6,
            linestyle="-" if name == "inside" else "--", label=f"{name} ({len(values)} rows)",
        )  # fmt: skip
    threshold = float(np.percentile(score.certainty, 5))
    axis.axvline(threshold, color=INK, linewidth=1)
    axis.text(
        threshold, 0.98, " 95 % of the rows inside lie right of this", color=INK, fontsize=9,
        transform=axis.get_xaxis_transform(), va="top",
    )  # fmt: skip
    axis.set_ylim(0, axis.get_ylim()[1] * 1.12)
    _label(axis, f"{score.name}, more certain to the right", "share of the rows (%)")
    _legend(axis, loc="center right")
    return figure


def _roc(evaluation: Evaluation) -> Figure:
    figure, (axis,) = _figure(*_SIZE)
    for (color, style), score in zip(_SERIES, _curves(evaluation, _auroc), strict=False):
        if score.certainty_outside is None:
            continue
        through, kept = roc(score.certainty, score.certainty_outside)
        at = _thinned_curve(len(through))
        axis.plot(100 * through[at], 100 * kept[at], style, color=color, label=score.name)
    axis.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (1, 3)))
    axis.axhline(95, color=MUTED, linewidth=1)
    axis.set_xlim(0, 100)
    axis.set_ylim(0, 100)
    _label(axis, "rows outside let through (%)", "rows inside kept (%)")
    _legend(axis, loc="lower right")
    return figure


def _thinned_curve(count: int) -> Any:
    return np.unique(np.linspace(0, count - 1, min(count, _POINTS)).astype(int))


def _reliability(evaluation: Evaluation) -> Figure:
    found = evaluation.reliability
    bins = len(found.share)
    centres = (np.arange(bins) + 0.5) / bins * 100
    figure, (axis,) = _figure(*_SIZE)
    axis.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (1, 3)))
    axis.bar(centres, 100 * found.share, 100 / bins, color=GRID, label="share of the rows")
    filled = found.share > 0
    axis.plot(
        100 * found.confidence[filled], 100 * found.accuracy[filled], "o-", color=INSIDE,
        label="right",
    )  # fmt: skip
    axis.set_xlim(0, 100)
    axis.set_ylim(0, 100)
    _label(axis, "probability that the classifier states (%)", "%")
    _legend(axis, loc="upper left")
    return figure


def _classes(evaluation: Evaluation) -> Figure:
    classes = sorted(evaluation.classes, key=lambda one: -(one.accuracy or 0.0))
    figure, (axis,) = _figure(_SIZE[0], max(_SIZE[1], 0.27 * len(classes) + 1.1))
    for place, one in enumerate(classes):
        ends = [v for v in (one.accuracy, one.recall_at_1) if v is not None]
        axis.plot([100 * v for v in ends], [place] * len(ends), color=GRID, linewidth=3)
    for name, marker, color, values in (
        ("classifier right", "o", INSIDE, [one.accuracy for one in classes]),
        ("nearest neighbour right", "D", OUTSIDE, [one.recall_at_1 for one in classes]),
    ):
        points = [(100 * v, place) for place, v in enumerate(values) if v is not None]
        axis.plot(*zip(*points, strict=True), marker, color=color, label=name, markersize=5)
    axis.set_yticks(range(len(classes)), [one.label for one in classes])
    axis.set_ylim(-0.6, len(classes) - 0.4)
    axis.grid(axis="y", visible=False)
    _label(axis, "share of the class (%)")
    _legend(axis, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def as_svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element whose colours are the CSS variables named in `THEME`."""
    import io
    import re

    from matplotlib import rc_context

    stream = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # The names that matplotlib gives the parts are the same in every figure.
    text = re.sub(
        r'id="((?:figure|axes|patch|text|line2d|matplotlib|xtick|ytick|legend)[^"]*)"', "", text
    )
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--font)", text)
    for color, variable in THEME.items():
        text = text.replace(color, f"var(--{variable})")
    return text
