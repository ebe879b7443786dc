"""Evaluation from files to files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.embeddings.labels import Labels, label_file, read_labels
from vmf.embeddings.left_out import LeftOut, mentioned
from vmf.embeddings.opening import open_files
from vmf.embeddings.table_output import TABLE_EXTENSIONS, Column, open_table
from vmf.errors import Argument, EmbeddingError, Note, PathLike, VMFError, listed
from vmf.evaluation.answers import judge_bytes
from vmf.evaluation.evaluate import Labelled, Settings, evaluate_rows
from vmf.evaluation.figures import draw
from vmf.evaluation.kept import Kept
from vmf.evaluation.metric import replicates_at_once
from vmf.evaluation.neighbours import search_bytes
from vmf.evaluation.report import html_report
from vmf.evaluation.result import Evaluation
from vmf.evaluation.rows import EvaluatedRows, Passes, Progress, survey
from vmf.evaluation.thumbnails import open_thumbnails, thumbnails
from vmf.jobs.evaluation_checkpoint import (
    EvaluationCheckpoint,
    load_evaluation_checkpoint,
    save_evaluation_checkpoint,
)
from vmf.jobs.score_file import read_scores
from vmf.output import (
    atomic_files,
    atomic_output,
    check_output,
    check_output_folder,
    claimed_outputs,
)
from vmf.passes.checkpoint import file_entry, reading_settings
from vmf.passes.engine import Reading, Runner
from vmf.passes.here import Here
from vmf.passes.keeper import SECONDS_BETWEEN_CHECKPOINTS, Keeper, check_checkpoint
from vmf.uncertainty.convention import Higher
from vmf.uncertainty.registry import SCORES

if TYPE_CHECKING:
    from vmf.features.images import Images

REPORT_EXTENSIONS = (".html", ".htm")

_DRAWING_BYTES = 80 << 20
_LATER_BYTES = 16 << 20
_LATER_BYTES_A_ROW = 16
_BYTES_A_ROW_OF_A_REPLICATE = 64
"""What is taken after the last pass: by the libraries that draw, and the draws of the bootstrap."""

_KEPT_BYTES_A_ROW = 500
"""What a checkpoint takes while it is written."""

_TABLE_ROWS = 1 << 16


@dataclass(frozen=True)
class Inputs:
    """The files of an evaluation.

    Attributes
    ----------
    file, train, ood : path-like
        Embeddings: those that are judged, those that the classifier is fitted to, and those of none
        of the classes.
    labels, train_labels : str
        ``FILE`` or ``FILE:COLUMN``, see `vmf.embeddings.labels.read_labels`.
    score_files, ood_score_files : tuple of str
        Scores that were computed elsewhere; see `vmf.jobs.score_file.read_scores`.
    score_files_higher : {"certain", "ood"}
        What a higher one means.
    images, images_split : str
        What the rows were made from, for the report.
    """

    file: PathLike
    labels: str
    train: PathLike | None = None
    train_labels: str | None = None
    ood: PathLike | None = None
    score_files: tuple[str, ...] = ()
    ood_score_files: tuple[str, ...] = ()
    score_files_higher: Higher = "certain"
    images: str | None = None
    images_split: str = "test"

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
    settings: Settings = Settings(),
    *,
    reading: Reading = Reading(),
    runner: Runner = Here(),
    checkpoint: PathLike | None = None,
    resume: bool = False,
    seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
    command: str = "",
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate the rows of files and write report, table of rows and figures.

    Parameters
    ----------
    inputs : Inputs
    outputs : Outputs
        They appear complete or not at all.
    settings : Settings
        What is measured.
    reading : Reading
        How files are read. Bad rows that are skipped, and all rows of files that are, have no part
        in any figure; labels and scores of one's own have an entry for each of them all the same,
        but none for the rows of files that cannot be opened at all.
    runner : Runner
        This process, or the workers of a cluster, which then read the files in every pass. The
        figures are the same.
    checkpoint : path-like, optional
        Where neighbours, answers and scores are kept every ``seconds``, and when the evaluation ends
        early. Removed when the outputs are written.
    resume : bool
        Go on from the checkpoint if it is there. The figures are those of one run.
    command : str
        What the report says it was made by.
    progress : callable, optional
        Called with what is being done, how much is done and how much there is.

    Raises
    ------
    EmbeddingError
        One line, when a file cannot be read or does not fit, for bad rows, too little memory, or an
        output that cannot be written; nothing has been written then.
    PassStopped
        When a signal ended the evaluation and there is a checkpoint.
    """
    _check(inputs, outputs, settings)
    read = inputs.paths()
    written = [path for path in (outputs.report, outputs.rows, outputs.figures) if path is not None]
    check_checkpoint(checkpoint, resume, [*read, *written])
    with ExitStack() as claimed:
        claimed.enter_context(claimed_outputs(checkpoint, *written))
        keeper = None
        if checkpoint is not None:
            keeper = Keeper(
                checkpoint,
                resume=resume,
                load=load_evaluation_checkpoint,
                save=save_evaluation_checkpoint,
                seconds=seconds,
            )
        opened = _open(inputs, reading)
        for path in (outputs.report, outputs.rows):
            if path is not None:
                check_output(path, [file.path for one in opened for file in one.files])
        draws = outputs.report is not None or outputs.figures is not None
        later = _LATER_BYTES + (_DRAWING_BYTES if draws else 0)
        found, images = _evaluate(
            opened, inputs, settings, reading, runner, keeper, progress, later
        )
        _write(found, images, inputs, outputs, command)
        if checkpoint is not None:
            Path(checkpoint).unlink(missing_ok=True)
    return found


def write_rows(evaluation: Evaluation, path: PathLike) -> None:
    """Write a table with a line a row inside: what it was taken for, and every certainty.

    Columns: row, label, predicted, probability, nearest (the row of the nearest neighbour), cosine,
    and each score by its name, higher = more certain.
    """
    text = max(len(label) for label in [*evaluation.class_names.tolist(), "-"])
    whole, real, words = np.dtype(np.int64), np.dtype(np.float64), np.dtype(f"U{text}")
    columns = [
        Column("row", whole), Column("label", words), Column("predicted", words),
        Column("probability", real), Column("nearest", whole), Column("cosine", real),
        *(Column(score.name, real) for score in evaluation.scores),
    ]  # fmt: skip
    count, names = len(evaluation.codes), evaluation.class_names
    with open_table(path, columns, count) as table:
        for start in range(0, count, _TABLE_ROWS):
            part = slice(start, start + _TABLE_ROWS)
            table.write(
                {
                    "row": evaluation.numbers[part],
                    "label": names[evaluation.codes[part]],
                    "predicted": names[evaluation.predicted_codes[part]],
                    "probability": evaluation.confidence[part],
                    "nearest": evaluation.numbers[evaluation.nearest[part]],
                    "cosine": evaluation.nearest_cosine[part],
                    **{score.name: score.certainty[part] for score in evaluation.scores},
                }
            )


@dataclass(frozen=True)
class _Opened:
    """Files whose rows belong together, their labels, and those that cannot be read."""

    path: PathLike
    files: Sequence[EmbeddingFile]
    left_out: LeftOut | None
    label_source: str | None
    labels: Labels | None

    def surveyed(self, passes: Passes) -> EvaluatedRows:
        """The rows, read once."""
        return survey(self.files, passes, self.left_out)

    def labelled(self, passes: Passes) -> Labelled:
        """The rows and their labels."""
        assert self.labels is not None
        rows = self.surveyed(passes)
        return Labelled(rows, np.asarray(self.labels.classes), self.labels.codes[rows.numbers])


def _open(inputs: Inputs, reading: Reading) -> list[_Opened]:
    """The files to evaluate, those outside, and those to fit to, as far as they are given."""
    found: list[_Opened] = []
    for path, source in (
        (inputs.file, inputs.labels), (inputs.ood, None), (inputs.train, inputs.train_labels)
    ):  # fmt: skip
        if path is None:
            continue
        left_out = reading.left_out()
        files = open_files([path], reading.column, reading.scale, left_out)
        if found and files[0].dimension != found[0].files[0].dimension:
            raise EmbeddingError(
                path,
                f"has dimension {files[0].dimension}, the evaluated embeddings"
                f" {found[0].files[0].dimension}; all files must come from one network",
            )
        labels = None
        if source is not None:
            labels = read_labels(source)
            rows = sum(file.rows for file in files)
            if len(labels) != rows:
                with mentioned(left_out):
                    raise EmbeddingError(
                        source,
                        f"has {len(labels)} labels, but {path} has {rows} rows; there must be one"
                        " label a row",
                    )
        found.append(_Opened(path, files, left_out, source, labels))
    return found


def _evaluate(
    opened: Sequence[_Opened],
    inputs: Inputs,
    settings: Settings,
    reading: Reading,
    runner: Runner,
    keeper: Keeper[EvaluationCheckpoint] | None,
    progress: Progress | None,
    later: int,
) -> tuple[Evaluation, Images | None]:
    """Evaluate what was opened; `later` bytes are left for what is done with it."""
    rest = list(opened[1:])
    away = rest.pop(0) if inputs.ood is not None else None
    fitted = rest.pop(0) if inputs.train is not None else None
    main = opened[0]
    plan = _plan(opened, settings, reading) if keeper else {}
    before = keeper.begin(plan) if keeper else None
    kept = Kept(None if before is None else before.arrays)

    def state() -> EvaluationCheckpoint:
        return EvaluationCheckpoint(plan, kept.arrays)

    if keeper is not None:
        keep = keeper
        kept.changed = lambda: keep.offer(state)
    rows_in_all = sum(file.rows for one in opened for file in one.files)
    a_row = _LATER_BYTES_A_ROW + replicates_at_once() * _BYTES_A_ROW_OF_A_REPLICATE
    a_row += _KEPT_BYTES_A_ROW if keeper else 0
    passes = Passes(
        reading,
        runner,
        progress,
        held=later + a_row * rows_in_all,
        largest=_largest_pass(main, settings),
    )
    # What they take is then counted when it is looked whether the memory will do.
    for library in ("sklearn.model_selection", "threadpoolctl", "vmf.models"):
        import_module(library)
    try:
        labelled = main.labelled(passes)
        _check_held_out(inputs.labels, labelled, settings.held_out)
        outside = None if away is None else away.surveyed(passes)
        train = None if fitted is None else fitted.labelled(passes)
        given, given_outside = _given(inputs, labelled.rows, outside)
        images = None
        if inputs.images is not None:
            images = open_thumbnails(inputs.images, inputs.images_split, labelled.rows.in_files)
        found = evaluate_rows(
            labelled,
            settings,
            passes,
            outside=outside,
            train=train,
            given=given,
            given_outside=given_outside,
            kept=kept,
        )
    except BaseException as error:
        if keeper is not None and kept.arrays:
            keeper.keep(state(), error)
        if isinstance(error, ValueError) and not isinstance(error, VMFError):
            raise EmbeddingError(inputs.file, str(error)) from error
        raise
    lines = [line for one in opened if one.left_out is not None for line in one.left_out.lines]
    notes = (*found.notes, *(Note("left out: ", *line.parts) for line in lines))
    return replace(found, notes=notes), images


def _largest_pass(main: _Opened, settings: Settings) -> int:
    """Bytes that the pass which takes most takes beside rows."""
    assert main.labels is not None
    file, rows = main.files[0], sum(file.rows for file in main.files)
    how, most = settings.neighbours, max(settings.ks)
    search = search_bytes(how, rows, file.dimension, max(4, file.native_dtype.itemsize), most)
    return max(search, judge_bytes(len(main.labels.classes)))


def _plan(opened: Sequence[_Opened], settings: Settings, reading: Reading) -> dict[str, Any]:
    """All that decides about what is kept, as JSON."""
    digest = hashlib.sha256()
    for one in opened:
        if one.labels is not None:
            digest.update("\0".join(one.labels.classes).encode())
            digest.update(one.labels.codes.tobytes())
    return {
        "files": [file_entry(file) for one in opened for file in one.files],
        "parts": [len(one.files) for one in opened],
        "labels": digest.hexdigest(),
        "held out": list(settings.held_out),
        "scores": None if settings.scores is None else list(settings.scores),
        "nearest": max(settings.ks),
        "neighbours": asdict(settings.neighbours),
        "seed": settings.seed,
        **reading_settings(reading),
    }


def _write(
    found: Evaluation,
    images: Images | None,
    inputs: Inputs,
    outputs: Outputs,
    command: str,
) -> None:
    """Write all outputs or none."""

    def pictures(is_outside: bool, numbers: Sequence[int]) -> Mapping[int, str]:
        # Rows held out stand in the same file as the others; those of `ood` are other images.
        if images is None or (is_outside and inputs.ood is not None):
            return {}
        return thumbnails(images, numbers)

    with ExitStack() as stack:
        if outputs.report is not None:
            report = stack.enter_context(atomic_output(outputs.report))
            title = f"How far {Path(inputs.file).name} can be trusted"
            text = html_report(found, title, pictures=pictures, footer=command)
            report.write_text(text, encoding="utf-8")
        if outputs.figures is not None:
            folder = stack.enter_context(atomic_files(outputs.figures))
            for name, figure in draw(found).items():
                figure.savefig(folder / f"{name}.png", dpi=150, facecolor="white")
        if outputs.rows is not None:
            write_rows(found, outputs.rows)


def _check(inputs: Inputs, outputs: Outputs, settings: Settings) -> None:
    if (inputs.train is None) != (inputs.train_labels is None):
        raise EmbeddingError(
            None, Argument("train"), " and ", Argument("train_labels"), " go together"
        )
    if inputs.ood is not None and settings.held_out:
        raise EmbeddingError(
            None, "give ", Argument("ood"), " or ", Argument("held_out"), ", not both"
        )
    if inputs.ood_score_files and inputs.ood is None:
        raise EmbeddingError(None, Argument("ood_score_files"), " needs ", Argument("ood"))
    if inputs.ood_score_files and len(inputs.ood_score_files) != len(inputs.score_files):
        raise EmbeddingError(
            None,
            "give ",
            Argument("ood_score_files"),
            " once for each of ",
            Argument("score_files"),
            ", in the same order",
        )
    read = inputs.paths()
    if outputs.report is not None:
        check_output(outputs.report, read, REPORT_EXTENSIONS)
    if outputs.rows is not None:
        check_output(outputs.rows, read, TABLE_EXTENSIONS)
    if outputs.figures is not None:
        check_output_folder(outputs.figures)
    needed = ["sklearn"]
    if outputs.report is not None or outputs.figures is not None:
        needed.append("matplotlib")
    for name in needed:
        if find_spec(name) is None:
            raise EmbeddingError(
                None, f"evaluation needs {name}: pip install 'vmf-toolkit[evaluate]'"
            )


def _check_held_out(source: str, labelled: Labelled, held_out: Sequence[str]) -> None:
    """Refuse labels to hold out that no usable row has; EmbeddingError."""
    used = labelled.codes[labelled.rows.usable]
    present = np.sort(labelled.names[np.bincount(used, minlength=len(labelled.names)) > 0])
    for label in held_out:
        if label not in present:
            raise EmbeddingError(
                source, f"no row has the label {label!r}; there are {listed(present.tolist())}"
            )


_Scores = dict[str, npt.NDArray[np.float64]]


def _given(
    inputs: Inputs, rows: EvaluatedRows, outside: EvaluatedRows | None
) -> tuple[_Scores, _Scores]:
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


def _one_a_row(source: str, inputs: Inputs, path: PathLike, rows: EvaluatedRows) -> _Scores:
    columns = read_scores(source)
    for values in columns.values():
        if len(values) != rows.in_files:
            raise EmbeddingError(
                source, f"has {len(values)} scores, but {path} has {rows.in_files} rows"
            )
    sign = 1.0 if inputs.score_files_higher == "certain" else -1.0
    return {name: sign * values[rows.numbers] for name, values in columns.items()}
