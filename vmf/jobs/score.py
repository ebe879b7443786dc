"""Scores of the rows of files as a table, in the order of the rows."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import OnBadRows
from vmf.distribution.model import Model
from vmf.distribution.scoring import Scorer, Scores, joined, no_scores, score_chunk
from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows
from vmf.embeddings.left_out import LeftOut, mentioned
from vmf.embeddings.opening import Progress, open_files
from vmf.embeddings.table_output import TABLE_EXTENSIONS, Column, open_table
from vmf.errors import EmbeddingError, Note, PathLike
from vmf.output import check_output, claimed_outputs
from vmf.passes import engine
from vmf.passes.checkpoint import file_entry, reading_settings
from vmf.passes.engine import Reading, Runner, Task
from vmf.passes.here import Here
from vmf.passes.journal import Entry, RowJournal
from vmf.passes.keeper import check_checkpoint, say_how_to_go_on

_BLOCK_COPIES = 4
"""Blocks of rows in float64 while they are scored: as read, as unit rows, filled up, and squared."""

_TABLE_BYTES = 48 << 20
"""What the table of scores holds back: a row group of Parquet and what packs it."""

_RECORD = np.dtype(
    [("log_density", "<f8"), ("cosine", "<f8"), ("probability", "<f8"), ("likeliest", "<i4")]
)


@dataclass(frozen=True)
class ScoreSummary:
    """What :func:`score_to_file` did."""

    rows: int
    skipped: int
    normalised: int
    mean_log_density: float
    mean_cosine: float
    left_out: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Score(Task[tuple[Scores, int]]):
    """Finds the scores of rows under a model, and how many rows were off unit length."""

    scorer: Scorer
    on_bad_rows: OnBadRows = "error"

    # Scores wait on the workers until those before them are written.
    blocks_per_thread = 4
    most_rows = 1 << 19

    @property
    def beside(self) -> int:  # type: ignore[override]
        """Blocks of rows while they are scored."""
        dimension = self.scorer.dimension
        return _BLOCK_COPIES * 8 * dimension * self.scorer.rows_of_a_block(dimension)

    def of_block(
        self, rows: FloatRows, first_row: int, columns: Sequence[engine.Column]
    ) -> tuple[Scores, int]:
        """Return the scores of some rows."""
        return score_chunk(self.scorer, rows, self.on_bad_rows, first_row)

    def merge(self, parts: Sequence[tuple[Scores, int]]) -> tuple[Scores, int]:
        """Return the scores one after the other."""
        return joined([scores for scores, _ in parts]), sum(off_unit for _, off_unit in parts)


class RowNames(Protocol):
    """The column of a table of scores that says which row is which.

    Attributes
    ----------
    name : str
        Of the column.
    dtype : numpy.dtype
    """

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...

    def take(self, count: int) -> npt.NDArray[Any]:
        """The next ``count`` of them."""
        ...

    def end(self) -> None:
        """Check that none is left; EmbeddingError."""
        ...


class RowNumbers:
    """0, 1, 2, ... over all files."""

    dtype = np.dtype(np.int64)

    def __init__(self, name: str) -> None:
        self.name = name
        self._next = 0

    def take(self, count: int) -> npt.NDArray[np.int64]:
        """The next ``count`` numbers."""
        first, self._next = self._next, self._next + count
        return np.arange(first, self._next, dtype=np.int64)

    def end(self) -> None:
        """Numbers do not run out."""


def score_to_file(
    model: Model,
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    ids: PathLike | None = None,
    reading: Reading = Reading(),
    runner: Runner = Here(),
    checkpoint: PathLike | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> ScoreSummary:
    """Score every row of files and write a table, one row each, in the order of the files.

    Parameters
    ----------
    model : Model
    paths : sequence of path-like
        Embeddings of the model's dimension, which need not be normalised; their rows are taken one
        file after the other.
    output : path-like
        ``.csv``, ``.tsv``, ``.parquet`` or ``.npy`` with the columns ``id``, ``log_density`` and
        ``cosine``, and for a model with classes ``class`` and ``probability``; see
        :class:`vmf.distribution.scoring.Scores`. One process at a time writes it.
    ids : path-like, optional
        Where the column ``id`` comes from, see :class:`vmf.embeddings.row_values.RowValues`; by default it is the
        number of the row over all files, from 0.
    reading : Reading
        How files are read. Bad rows that are skipped keep their place: their scores are NaN and
        their class is empty. Of files that are skipped, those that cannot be opened have no rows in
        the table; the rows from the damage on of others have no scores, as bad rows have none.
    runner : Runner
        This process, or the workers of a cluster; this process writes the table.
    checkpoint : path-like, optional
        Where the scores are kept while the table is not complete, 28 bytes a row. Removed when it
        is.
    resume : bool
        Go on from the checkpoint if it is there.
    progress : callable, optional
        See :data:`vmf.embeddings.opening.Progress`.

    Raises
    ------
    EmbeddingError
        When a file cannot be read or has another dimension, for bad rows, when there is not one id
        a row, and for an output that cannot be written. No output appears then.
    PassStopped
        When a signal ended the pass and there is a checkpoint.
    """
    check_output(output, paths, TABLE_EXTENSIONS)
    check_checkpoint(checkpoint, resume, [*paths, output])
    left_out = reading.left_out()
    files = open_files(paths, reading.column, reading.scale, left_out)
    check_output(output, [file.path for file in files])
    if files[0].dimension != model.dimension:
        raise EmbeddingError(
            files[0].path,
            f"has dimension {files[0].dimension}, the model {model.dimension}; score embeddings"
            " from the network that the model was fitted to",
        )
    row_names: RowNames = RowNumbers("id")
    if ids is not None:
        from vmf.embeddings.row_values import RowValues

        row_names = source = RowValues(ids, with_width=Path(output).suffix.lower() == ".npy")
        check_output(output, [source.path])
    with ExitStack() as claimed:
        claimed.enter_context(claimed_outputs(checkpoint, output))
        journal = None
        if checkpoint is not None:
            plan = {
                "model": model_digest(model),
                "files": [file_entry(file) for file in files],
                **reading_settings(reading),
            }
            journal = RowJournal(
                checkpoint, "vmf-scores-journal", "vmf score", _RECORD, plan, resume=resume
            )
            claimed.callback(journal.close)
        task = Score(Scorer(model), reading.bad_rows)
        try:
            with closing(_found(task, files, reading, runner, left_out, journal)) as found:
                done = _write(model, files, output, row_names, found, left_out, progress)
        except BaseException as error:
            if journal is not None and journal.rows:
                say_how_to_go_on(f"{journal.rows} rows", journal.path, error)
            raise
        if journal is not None:
            journal.remove()
        return done


def model_digest(model: Model) -> str:
    """What tells whether a model is the one that gave the scores."""
    found = hashlib.sha256(json.dumps(model.classes).encode())
    for values in (model.mean_direction, model.concentration, model.proportions):
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def _found(
    task: Score,
    files: Sequence[EmbeddingFile],
    reading: Reading,
    runner: Runner,
    left_out: LeftOut | None,
    journal: RowJournal | None,
) -> Generator[tuple[Scores, int], None, None]:
    """The scores that a journal holds, then those of the other rows, each after it was written there."""
    if journal is not None:
        if left_out is not None:
            left_out.damaged.update(journal.damaged)
        for entry in journal.replay():
            columns = {name: np.ascontiguousarray(entry.records[name]) for name in _NAMES}
            columns["likeliest"] = columns["likeliest"].astype(np.intp)
            yield Scores(**columns), entry.number
    for step in engine.run(
        task,
        files,
        reading,
        runner=runner,
        skip=0 if journal is None else journal.rows,
        beside=_TABLE_BYTES,
        left_out=left_out,
        whole_files=False,
    ):
        scores, off_unit = (no_scores(step.count), 0) if step.found is None else step.found
        if journal is not None:
            records = np.empty(step.count, _RECORD)
            for name in _NAMES:
                records[name] = getattr(scores, name)
            journal.append(Entry(records, off_unit), step.damaged)
        yield scores, off_unit


_NAMES = _RECORD.names or ()

_NUMBERED_WITHOUT = "; its rows have no ids: those of later files begin where the ids before it end"


def _write(
    model: Model,
    files: Sequence[EmbeddingFile],
    output: PathLike,
    row_names: RowNames,
    found: Iterator[tuple[Scores, int]],
    left_out: LeftOut | None,
    progress: Progress | None,
) -> ScoreSummary:
    """Write the table of the scores of all rows of the files."""
    columns = [
        Column(row_names.name, row_names.dtype),
        Column("log_density", np.dtype(np.float64)),
        Column("cosine", np.dtype(np.float64)),
    ]
    labels = [label for label in model.classes if label is not None]
    if labels:
        text = np.dtype(f"U{max(map(len, labels))}")
        columns += [Column("class", text), Column("probability", np.dtype(np.float64))]
    names = np.array([*labels, ""])  # position -1 is the empty name
    total = sum(file.rows for file in files)
    done = skipped = normalised = 0
    sum_log_density = sum_cosine = 0.0
    with open_table(output, columns, total) as table:
        for scores, off_unit in found:
            bad = scores.likeliest < 0
            chunk: dict[str, npt.NDArray[np.generic]] = {
                row_names.name: row_names.take(len(bad)),
                "log_density": scores.log_density,
                "cosine": scores.cosine,
            }
            if labels:
                chunk["class"] = names[scores.likeliest]
                chunk["probability"] = scores.probability
            table.write(chunk)
            done += len(bad)
            skipped += int(bad.sum())
            normalised += off_unit
            sum_log_density += float(scores.log_density[~bad].sum())
            sum_cosine += float(scores.cosine[~bad].sum())
            if progress:
                progress(done, total)
        with mentioned(left_out):
            row_names.end()
    scored = total - skipped
    lines: tuple[Note, ...] = () if left_out is None else left_out.lines
    if left_out is not None and isinstance(row_names, RowNumbers):
        unopened = [Note(*line.parts, _NUMBERED_WITHOUT) for line in left_out.unopened]
        lines = *unopened, *left_out.damaged.values()
    return ScoreSummary(
        rows=total,
        skipped=skipped,
        normalised=normalised,
        mean_log_density=sum_log_density / scored if scored else math.nan,
        mean_cosine=sum_cosine / scored if scored else math.nan,
        left_out=lines,
    )
