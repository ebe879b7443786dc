"""Evaluation from files to files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import OnBadRows
from vmf.embeddings.labels import label_file
from vmf.embeddings.table_output import TABLE_EXTENSIONS, Column, open_table
from vmf.errors import EmbeddingError, PathLike
from vmf.evaluation.evaluate import DEFAULT_KS, Progress, evaluate
from vmf.evaluation.figures import draw
from vmf.evaluation.report import html_report
from vmf.evaluation.result import Evaluation
from vmf.evaluation.row_store import RowStore
from vmf.evaluation.thumbnails import open_thumbnails, thumbnails
from vmf.jobs.labelled_rows import Rows, check_held_out, read_row_labels, read_rows
from vmf.jobs.score_file import read_scores
from vmf.output import atomic_output, check_output
from vmf.uncertainty.convention import Higher
from vmf.uncertainty.registry import SCORES

REPORT_EXTENSIONS = (".html", ".htm")


@dataclass(frozen=True)
class Inputs:
    """The files of an evaluation; see ``vmf evaluate --help``."""

    file: PathLike
    labels: str
    train: PathLike | None = None
    train_labels: str | None = None
    ood: PathLike | None = None
    held_out: tuple[str, ...] = ()
    score_files: tuple[str, ...] = ()
    ood_score_files: tuple[str, ...] = ()
    score_files_higher: Higher = "certain"
    images: str | None = None
    images_split: str = "test"
    column: str | None = None
    scale: npt.ArrayLike | None = None
    on_bad_rows: OnBadRows = "error"

    def paths(self) -> list[PathLike]:
        """All that are read, which must not be written over."""
        named = [self.file, self.train, self.ood]
        labels = [label_file(s) for s in (self.labels, self.train_labels) if s is not None]
        scores = [label_file(s) for s in (*self.score_files, *self.ood_score_files)]
        return [*(path for path in named if path is not None), *labels, *scores]


@dataclass(frozen=True)
class Outputs:
    """What is written; each is None to leave it out."""

    report: PathLike | None = None
    rows: PathLike | None = None
    figures: PathLike | None = None


def evaluate_files(
    inputs: Inputs,
    outputs: Outputs,
    *,
    scores: Sequence[str] | None = None,
    ks: Sequence[int] = DEFAULT_KS,
    replicates: int = 200,
    seed: int = 0,
    command: str = "",
    memory: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate the rows of a file and write report, table of rows and figures.

    Parameters
    ----------
    scores, ks, replicates, seed, progress
        As for :func:`vmf.evaluation.evaluate`.
    command : str
        What the report says it was made by.
    memory : int, optional
        Bytes that the process may take; rows that do not fit are kept in a file, see
        :class:`vmf.evaluation.row_store.RowStore`.

    Raises
    ------
    EmbeddingError
        One line, when a file cannot be read or does not fit, or an output cannot be written;
        nothing has been written then.
    """
    _check(inputs, outputs)
    store = RowStore(memory)
    rows = _read(inputs.file, inputs, store, progress)
    labels = read_row_labels(inputs.labels, inputs.file, rows)
    check_held_out(inputs.labels, labels, inputs.held_out)
    dimension = rows.X.shape[1]
    outside = None if inputs.ood is None else _read(inputs.ood, inputs, store, progress, dimension)
    train = None
    if inputs.train is not None and inputs.train_labels is not None:
        fitted = _read(inputs.train, inputs, store, progress, dimension)
        train = (fitted.X, read_row_labels(inputs.train_labels, inputs.train, fitted))
    given, given_outside = _given(inputs, rows, outside)
    images = None
    if inputs.images is not None:
        images = open_thumbnails(inputs.images, inputs.images_split, rows.in_file)
    try:
        result = evaluate(
            rows.X,
            labels,
            outside=None if outside is None else outside.X,
            held_out=inputs.held_out,
            train=train,
            scores=scores,
            given=given,
            given_outside=given_outside,
            ks=ks,
            replicates=replicates,
            seed=seed,
            numbers=rows.numbers,
            numbers_outside=None if outside is None else outside.numbers,
            store=store,
            progress=progress,
        )
    except ValueError as error:
        raise EmbeddingError(inputs.file, str(error)) from error

    def pictures(is_outside: bool, numbers: Sequence[int]) -> Mapping[int, str]:
        # Rows held out stand in the same file as the others; those of --ood are other images.
        if images is None or (is_outside and outside is not None):
            return {}
        return thumbnails(images, numbers)

    with _all_or_nothing(outputs) as (report, figures):
        if report is not None:
            title = f"How far {Path(inputs.file).name} can be trusted"
            text = html_report(result, title, pictures=pictures, footer=command)
            report.write_text(text, encoding="utf-8")
        if figures is not None:
            for name, figure in draw(result).items():
                figure.savefig(figures / f"{name}.png", dpi=150, facecolor="white")
        if outputs.rows is not None:
            write_rows(result, outputs.rows)
    return result


def write_rows(evaluation: Evaluation, path: PathLike) -> None:
    """Write a table with a line a row inside: what it was taken for, and every certainty.

    Columns: row, label, predicted, probability, nearest (the row of the nearest neighbour), cosine,
    and each score by its name, higher = more certain.
    """
    text = max(len(label) for label in [*evaluation.labels.tolist(), "-"])
    whole, real, words = np.dtype(np.int64), np.dtype(np.float64), np.dtype(f"U{text}")
    columns = [
        Column("row", whole), Column("label", words), Column("predicted", words),
        Column("probability", real), Column("nearest", whole), Column("cosine", real),
        *(Column(score.name, real) for score in evaluation.scores),
    ]  # fmt: skip
    with open_table(path, columns, len(evaluation.labels)) as table:
        table.write(
            {
                "row": evaluation.numbers,
                "label": evaluation.labels,
                "predicted": evaluation.predicted,
                "probability": evaluation.confidence,
                "nearest": evaluation.numbers[evaluation.nearest],
                "cosine": evaluation.nearest_cosine,
                **{score.name: score.certainty for score in evaluation.scores},
            }
        )


def _check(inputs: Inputs, outputs: Outputs) -> None:
    if (inputs.train is None) != (inputs.train_labels is None):
        raise EmbeddingError(None, "--train and --train-labels go together")
    if inputs.ood is not None and inputs.held_out:
        raise EmbeddingError(None, "give --ood or --held-out, not both")
    if inputs.ood_score_files and inputs.ood is None:
        raise EmbeddingError(None, "--ood-scores needs --ood")
    if inputs.ood_score_files and len(inputs.ood_score_files) != len(inputs.score_files):
        raise EmbeddingError(None, "give --ood-scores once for each --scores, in the same order")
    read = inputs.paths()
    if outputs.report is not None:
        check_output(outputs.report, read, REPORT_EXTENSIONS)
    if outputs.rows is not None:
        check_output(outputs.rows, read, TABLE_EXTENSIONS)
    if outputs.figures is not None and os.path.exists(outputs.figures):
        if not os.path.isdir(outputs.figures):
            raise EmbeddingError(outputs.figures, "is a file; give a folder for the figures")
    elif outputs.figures is not None and not Path(outputs.figures).absolute().parent.is_dir():
        raise EmbeddingError(outputs.figures, "its parent folder does not exist; create it first")
    needed = ["sklearn"]
    if outputs.report is not None or outputs.figures is not None:
        needed.append("matplotlib")
    for name in needed:
        if find_spec(name) is None:
            raise EmbeddingError(
                None, f"evaluation needs {name}: pip install 'vmf-toolkit[evaluate]'"
            )


def _read(
    path: PathLike,
    inputs: Inputs,
    store: RowStore,
    progress: Progress | None,
    dimension: int | None = None,
) -> Rows:
    say: Callable[[int, int], None] | None = None
    if progress is not None:
        say = lambda done, total: progress("reading", done, total)  # noqa: E731
    return read_rows(
        path,
        column=inputs.column,
        scale=inputs.scale,
        on_bad_rows=inputs.on_bad_rows,
        dimension=dimension,
        store=store,
        progress=say,
    )


_Scores = dict[str, npt.NDArray[np.float64]]


def _given(inputs: Inputs, rows: Rows, outside: Rows | None) -> tuple[_Scores, _Scores]:
    """The scores from files, higher = more certain, of the rows and of those outside."""
    found: _Scores = {}
    found_outside: _Scores = {}
    for number, source in enumerate(inputs.score_files):
        columns = _one_a_row(source, inputs, inputs.file, rows)
        names = {name: name if name not in SCORES else f"{name} (given)" for name in columns}
        for name in columns:
            if names[name] in found:
                raise EmbeddingError(source, f"has a second score {name!r}; rename it")
            found[names[name]] = columns[name]
        if outside is None or inputs.ood is None or not inputs.ood_score_files:
            continue
        other = inputs.ood_score_files[number]
        same = _one_a_row(other, inputs, inputs.ood, outside)
        if len(columns) == len(same) == 1:  # a plain .npy bears the name of its file
            same = dict(zip(columns, same.values(), strict=True))
        for name in columns:
            if name not in same:
                raise EmbeddingError(other, f"has no score {name!r}, which {source} has")
            found_outside[names[name]] = same[name]
    return found, found_outside


def _one_a_row(source: str, inputs: Inputs, path: PathLike, rows: Rows) -> _Scores:
    columns = read_scores(source)
    for values in columns.values():
        if len(values) != rows.in_file:
            raise EmbeddingError(
                source, f"has {len(values)} scores, but {path} has {rows.in_file} rows"
            )
    sign = 1.0 if inputs.score_files_higher == "certain" else -1.0
    return {name: sign * values[rows.numbers] for name, values in columns.items()}


@contextmanager
def _all_or_nothing(outputs: Outputs) -> Iterator[tuple[Path | None, Path | None]]:
    """Temporary places for report and figures, which move to their own when all is written."""
    import shutil
    import tempfile
    from contextlib import ExitStack

    with ExitStack() as stack:
        report = None
        if outputs.report is not None:
            report = stack.enter_context(atomic_output(outputs.report))
        if outputs.figures is None:
            yield report, None
            return
        folder = Path(outputs.figures)
        parent = folder.absolute().parent
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{folder.name}.") as temporary:
            yield report, Path(temporary)
            folder.mkdir(exist_ok=True)
            for figure in sorted(Path(temporary).iterdir()):
                shutil.move(str(figure), folder / figure.name)
