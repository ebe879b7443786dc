"""One HTML file that a person can read, send and keep: nothing in it comes from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from vmf.evaluation.figures import TITLES, as_svg, draw
from vmf.evaluation.metric import Metric
from vmf.evaluation.reading import best_by_aurc, best_by_auroc, reading
from vmf.evaluation.result import Evaluation

_SHOWN = 12
_WIDE = {"scores"}

_CAPTIONS = {
    "scores": "Dots are the values, bars their 95 % bootstrap intervals. Dashed: a score without"
    " any information. Dash-dotted: the AURC of a score that knows which rows are wrong.",
    "risk_coverage": "From left to right ever less certain rows are kept. A useful score starts low"
    " and rises only at the end, where the errors are.",
    "distributions": "The less the two overlap, the better the score tells them apart. What lies at"
    " the very edges is drawn into the outermost bars.",
    "roc": "Up and to the left is better. Where a curve crosses the line at 95 %, the rows outside"
    " that are let through can be read off: FPR95.",
    "reliability": "On the dotted line, what is said to be 80 % certain is right in 80 of 100 cases."
    " Below it the classifier promises too much.",
    "classes": "Each row of the figure is a class; the two marks are the classifier and the nearest"
    " neighbour.",
}

COLUMNS = (
    ("auroc", "AUROC", max, "outside"),
    ("fpr95", "FPR95", min, "outside"),
    ("aupr_in", "AUPR in", max, "outside"),
    ("aupr_out", "AUPR out", max, "outside"),
    ("r_auroc", "R-AUROC", max, "inside"),
    ("aurc", "AURC", min, "inside"),
)  # fmt: skip
"""The measures of a score: key, heading, which value is best, which rows it needs."""


@dataclass(frozen=True)
class Gallery:
    """Some rows to look at.

    Attributes
    ----------
    title, about : str
    outside : bool
        Whether these are rows outside the known classes.
    rows : (n,) intp
        Their places among the rows inside, or outside.
    """

    title: str
    about: str
    outside: bool
    rows: npt.NDArray[np.intp]


def galleries(evaluation: Evaluation, shown: int = _SHOWN) -> list[Gallery]:
    """The rows a person would want to see: least certain, most certain but wrong, most certain."""
    score = best_by_aurc(evaluation)
    order = np.argsort(score.certainty, kind="stable")
    wrong = order[(evaluation.predicted != evaluation.labels)[order]]
    found = [
        Gallery("Look at these first", f"Of these {score.name} is least certain.", False, order),
        Gallery(
            "Certain and wrong",
            f"{score.name} is most certain of these among the rows that the classifier gets wrong:"
            " a wrong label, a twin of another class, or a gap of the embedding.",
            False,
            wrong[::-1],
        ),
        Gallery("Most certain", f"{score.name} is most certain of these.", False, order[::-1]),
    ]
    best = best_by_auroc(evaluation)
    if best is not None and best.certainty_outside is not None:
        far = np.argsort(-best.certainty_outside, kind="stable")
        found.insert(
            1,
            Gallery(
                "Outside, and taken for inside",
                f"Rows outside the known classes of which {best.name} is most certain.",
                True,
                far,
            ),
        )
    return [Gallery(g.title, g.about, g.outside, g.rows[:shown]) for g in found if len(g.rows)]


def html_report(
    evaluation: Evaluation,
    title: str,
    *,
    pictures: Callable[[bool, Sequence[int]], Mapping[int, str]] | None = None,
    footer: str = "",
) -> str:
    """The report as one HTML document, light or dark as the reader's system is.

    Parameters
    ----------
    evaluation : Evaluation
    title : str
    pictures : callable, optional
        Takes whether rows are outside and their numbers in their file, and returns data URIs of
        pictures; see `vmf.evaluation.thumbnails`.
    footer : str
        The command that made the report, say.
    """
    css = files("vmf.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="facts">{escape(_facts(evaluation))}</p>',
        _tiles(evaluation),
        "<h2>In short</h2>",
        _list(reading(evaluation)),
        "<h2>The figures</h2>",
        _figures(evaluation),
        "<h2>The scores</h2>",
        _score_table(evaluation),
        *_galleries(evaluation, pictures),
        "<h2>The classes</h2>",
        _class_table(evaluation),
        "<h2>What the measures mean</h2>",
        _list(_MEANINGS),
        *(f'<p class="note">{escape(note)}</p>' for note in evaluation.notes),
        f"<footer>{escape(footer)}</footer>" if footer else "",
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


_MEANINGS = (
    "Recall@k: a row of the same class is among the k nearest others. MAP@R: of the R others of its"
    " class, how many come first, and how early.",
    "AUROC, inside against outside: the probability that a row inside the known classes gets the"
    " higher certainty than one outside. 0.5 is chance. FPR95: the share of rows outside that pass"
    " when 95 % of those inside do. AUPR in, AUPR out: average precision with the rows inside, and"
    " outside, as what is searched for.",
    "R-AUROC: the probability that a row whose nearest neighbour is of its class gets the higher"
    " certainty than one whose nearest neighbour is not.",
    "AURC: the share of classification errors among the most certain rows, averaged over how many"
    " are kept. The classifier's error rate is what a score without information gets.",
    "ECE: how far the classifier's stated probabilities are from the shares that are right, on"
    " average over 15 bins.",
)


def _facts(evaluation: Evaluation) -> str:
    facts = evaluation.facts
    text = (
        f"{facts['rows']} rows in {facts['class_count']} classes, {facts['dimension']} dimensions"
    )
    if evaluation.has_outside:
        held_out = ", ".join(facts["held_out"])
        text += f"; {facts['rows_outside']} rows outside" + (f" ({held_out})" if held_out else "")
    return f"{text}. Classifier: {facts['classifier']}."


def _tiles(evaluation: Evaluation) -> str:
    tiles = [
        (name.replace("recall", "Recall").replace("map@r", "MAP@R"), metric)
        for name, metric in evaluation.retrieval.items()
        if name in ("recall@1", "map@r")
    ]
    tiles.append(("Accuracy", evaluation.classification["accuracy"]))
    tiles.append(("ECE", evaluation.classification["ece"]))
    best = best_by_aurc(evaluation)
    tiles.append((f"AURC, {best.name}", best.metrics["aurc"]))
    first = best_by_auroc(evaluation)
    if first is not None:
        tiles.insert(0, (f"AUROC, {first.name}", first.metrics["auroc"]))
    shown = (
        f'<div class="tile"><span>{escape(name)}</span><b>{_number(metric.value)}</b>'
        f"<span>{_interval(metric)}</span></div>"
        for name, metric in tiles
    )
    return f'<div class="tiles">{"".join(shown)}</div>'


def _figures(evaluation: Evaluation) -> str:
    parts = [
        f'<figure class="{"wide" if name in _WIDE else ""}"><h3>{escape(TITLES[name])}</h3>'
        f"{as_svg(figure, name)}<figcaption>{escape(_CAPTIONS[name])}</figcaption></figure>"
        for name, figure in draw(evaluation).items()
    ]
    return f'<div class="figures">{"".join(parts)}</div>'


def _score_table(evaluation: Evaluation) -> str:
    columns = [c for c in COLUMNS if c[3] == "inside" or evaluation.has_outside]
    best: dict[str, float] = {}
    for key, _, choose, _ in columns:
        metrics = [s.metrics[key].value for s in evaluation.scores if key in s.metrics]
        defined = [value for value in metrics if value is not None]
        if defined:
            best[key] = choose(defined)
    rows = []
    for score in evaluation.scores:
        cells = [
            f"<td><code>{escape(score.name)}</code><small>{escape(score.formula)}</small></td>"
        ]
        for key, *_ in columns:
            metric = score.metrics.get(key, Metric(None))
            mark = (
                ' class="best"'
                if metric.value is not None and metric.value == best.get(key)
                else ""
            )
            cells.append(
                f"<td{mark}>{_number(metric.value)}<small>{_interval(metric)}</small></td>"
            )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th>{heading}</th>" for _, heading, *_ in columns)
    return (
        f'<div class="scroll"><table><thead><tr><th>score</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _class_table(evaluation: Evaluation) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.label)}</td><td>{one.rows}</td><td>{_number(one.accuracy)}</td>"
        f"<td>{_number(one.recall_at_1)}</td>"
        f'<td class="text">{escape(one.most_confused_with or "")}</td></tr>'
        for one in evaluation.classes
    )
    return (
        '<div class="scroll"><table><thead><tr><th>class</th><th>rows</th><th>accuracy</th>'
        '<th>Recall@1</th><th class="text">most often taken for</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _galleries(
    evaluation: Evaluation, pictures: Callable[[bool, Sequence[int]], Mapping[int, str]] | None
) -> list[str]:
    parts = []
    for gallery in galleries(evaluation):
        numbers = (evaluation.numbers_outside if gallery.outside else evaluation.numbers)[
            gallery.rows
        ].tolist()
        shown = pictures(gallery.outside, numbers) if pictures else {}
        items = [
            _thumb(evaluation, gallery, place, number, shown.get(number))
            for place, number in zip(gallery.rows.tolist(), numbers, strict=True)
        ]
        parts.append(
            f"<h2>{escape(gallery.title)}</h2><p>{escape(gallery.about)}</p>"
            f'<div class="thumbs">{"".join(items)}</div>'
        )
    return parts


def _thumb(
    evaluation: Evaluation, gallery: Gallery, place: int, number: int, picture: str | None
) -> str:
    image = f'<img src="{picture}" alt="row {number}">' if picture else ""
    if gallery.outside:
        label = "" if evaluation.labels_outside is None else str(evaluation.labels_outside[place])
        text = f"<strong>{escape(label) or 'outside'}</strong><br>"
    else:
        truth, said = str(evaluation.labels[place]), str(evaluation.predicted[place])
        text = f"<strong>{escape(truth)}</strong><br>"
        if said != truth:
            text += f'<span class="wrong">taken for {escape(said)}</span><br>'
    return f'<div class="thumb">{image}{text}row {number}</div>'


def _list(sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="reading">{items}</ul>'


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(metric: Metric) -> str:
    return "" if metric.low is None else f"{metric.low:.3f} – {metric.high:.3f}"
