"""``vmf evaluate``: how good embeddings are, and which score says where they are not."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vmf.cli.pass_options import PassOptions, with_pass_options

if TYPE_CHECKING:
    from vmf.evaluation.metric import Metric
    from vmf.evaluation.result import Evaluation


class Higher(str, Enum):
    """What a higher score means."""

    certain = "certain"
    ood = "ood"


class Search(str, Enum):
    """How neighbours are looked for."""

    auto = "auto"
    exact = "exact"
    approximate = "approximate"


class Split(str, Enum):
    """Which of CIFAR-10's images."""

    train = "train"
    test = "test"


@with_pass_options(
    bad_rows="Rows with NaN or infinity and zero rows: stop, or leave them out.",
    checkpoint="Keep here what has been done, every half minute and when the work is ended.",
)
def evaluate(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Embeddings, one row each, as the network gave them; a file, folder, pattern or URL"
            " as for vmf fit.",
        ),
    ],
    labels: Annotated[
        str, typer.Option(metavar="FILE[:COLUMN]", help="One label a row; see vmf fit.")
    ],
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out",
            metavar="LABEL",
            help="A label to treat as unknown: its rows are outside. Repeat it, or separate by commas.",
        ),
    ] = None,
    ood: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Embeddings of none of the classes, from the same network."
        ),
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Embeddings to fit the classifier to. Without it FILE is cut into 5 folds, and each"
            " row judged by a classifier fitted to the others.",
        ),
    ] = None,
    train_labels: Annotated[
        str | None, typer.Option(metavar="FILE[:COLUMN]", help="The labels of --train.")
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A score to compute (repeat it); by default all that cost little. See"
            " docs/uncertainty.md.",
        ),
    ] = None,
    scores: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[:COLUMN]",
            help="Scores of your own to judge as well, one number a row: .npy, .csv, .tsv, .parquet.",
        ),
    ] = None,
    ood_scores: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE[:COLUMN]", help="The same scores for the rows of --ood."),
    ] = None,
    scores_higher: Annotated[
        Higher, typer.Option(help="What a higher number in --scores means.")
    ] = Higher.certain,
    report: Annotated[
        Path | None,
        typer.Option(metavar="HTML", help="Write a report for people: one .html file."),
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE",
            help="Write a line a row, with what it was taken for and every score: .csv, .tsv,"
            " .parquet or .npy.",
        ),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the figures as .png to this folder.")
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGES",
            help="The images that the rows were made from, as given to vmf extract: the report then"
            " shows the most and the least certain ones.",
        ),
    ] = None,
    images_split: Annotated[Split, typer.Option(help="Which images of CIFAR-10.")] = Split.test,
    k: Annotated[str, typer.Option("--k", metavar="K,...", help="For Recall@k.")] = "1,2,4,8",
    neighbours: Annotated[
        Search,
        typer.Option(
            help="Compare each row with all others, or with those that lie near it; auto: with all up"
            " to 100 000 rows."
        ),
    ] = Search.auto,
    replicates: Annotated[
        int, typer.Option(min=0, help="Of the bootstrap that gives the intervals; 0 for none.")
    ] = 200,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the folds, the bootstrap and the draws.")
    ] = 0,
    *,
    given: PassOptions,
) -> None:
    """Measure embeddings, a classifier on them, and the scores that say which rows to trust.

    - **Recall@k**, **MAP@R**: is the nearest other row of the same class?
    - **accuracy**, **ECE**: of the von Mises-Fisher classifier.
    - **AUROC**, **FPR95**, **AUPR**: does a score tell rows outside the classes from rows inside?
    - **R-AUROC**: does it tell rows with a wrong nearest neighbour?
    - **AURC**: how many errors remain when the least certain rows are left to a person?

    For example:

        vmf evaluate test.npy --labels test.labels.npy --report report.html
        vmf evaluate test.npy --labels test.labels.npy --train train.npy --train-labels train.labels.npy
        vmf evaluate test.npy --labels test.labels.npy --held-out cat,dog --rows rows.csv
        vmf evaluate test.npy --labels test.labels.npy --ood other.npy --scores mine.csv --json
    """
    from vmf.cli.report import print_json
    from vmf.evaluation.evaluate import Settings
    from vmf.evaluation.neighbours import NeighbourSearch
    from vmf.jobs.evaluate import Inputs, Outputs, evaluate_files

    inputs = Inputs(
        file=file,
        labels=labels,
        train=train,
        train_labels=train_labels,
        ood=ood,
        score_files=tuple(scores or ()),
        ood_score_files=tuple(ood_scores or ()),
        score_files_higher=scores_higher.value,
        images=images,
        images_split=images_split.value,
    )
    settings = Settings(
        held_out=tuple(_split(held_out)),
        scores=tuple(_split(score)) or None,
        ks=tuple(_positive_integers(k)),
        neighbours=NeighbourSearch(neighbours.value),
        replicates=replicates,
        seed=seed,
    )
    with given.running("evaluating", [], unit="steps") as how:
        progress = how.pop("progress")
        found = evaluate_files(
            inputs,
            Outputs(report, rows, figures),
            settings,
            command=shlex.join(["vmf", *sys.argv[1:]]),
            progress=None if progress is None else lambda _, done, total: progress(done, total),
            **how,
        )
    if given.json:
        print_json({"file": file, **found.as_dict()})
    elif not given.quiet:
        _print(file, found, [path for path in (report, rows, figures) if path is not None])


def _split(given: list[str] | None) -> list[str]:
    return [part.strip() for text in given or [] for part in text.split(",") if part.strip()]


def _positive_integers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise typer.BadParameter(f"{text!r}: give whole numbers from 1, separated by commas")
    return numbers


def _print(file: str, found: Evaluation, written: list[Path]) -> None:
    from vmf.cli.report import print_fields, print_notes, print_table
    from vmf.evaluation.reading import reading as read_figures
    from vmf.evaluation.report import COLUMNS

    facts = found.facts
    outside = [("rows outside", str(facts["rows_outside"]))] if found.has_outside else []
    print_fields(
        file,
        [
            ("rows", f"{facts['rows']} in {facts['class_count']} classes"),
            *outside,
            ("dimension", str(facts["dimension"])),
            ("classifier", facts["classifier"]),
            *([("neighbours", _neighbours(facts))] if facts["neighbours"] != "exact" else []),
            *((name, _shown(metric)) for name, metric in found.retrieval.items()),
            *((name, _shown(metric)) for name, metric in found.classification.items()),
        ],
    )
    typer.echo("")
    columns = [c for c in COLUMNS if found.has_outside or c[3] == "inside"]
    print_table(
        ("score", *(heading for _, heading, *_ in columns)),
        [
            (score.name, *(_cell(score.metrics.get(key)) for key, *_ in columns))
            for score in found.scores
        ],
    )
    typer.echo("")
    for sentence in read_figures(found):
        typer.echo(f"- {sentence}")
    print_notes(found.notes)
    for path in written:
        typer.echo(f"written: {path}")


def _neighbours(facts: Mapping[str, Any]) -> str:
    return (
        f"approximate, {100 * facts['neighbour_recall']:.1f} % of the exact ones"
        f" ({facts['sample_rows']} rows compared with all)"
    )


def _shown(metric: Metric) -> str:
    if metric.value is None:
        return "-"
    interval = "" if metric.low is None else f"  ({metric.low:.4f} .. {metric.high:.4f})"
    return f"{metric.value:.4f}{interval}"


def _cell(metric: Metric | None) -> str:
    return "-" if metric is None or metric.value is None else f"{metric.value:.4f}"
