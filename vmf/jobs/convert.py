"""Embeddings from any files to one, in any format that has a writer."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import OnBadRows, rows_with_direction
from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows
from vmf.embeddings.left_out import mentioned
from vmf.embeddings.opening import Progress, open_files
from vmf.embeddings.row_values import RowValues
from vmf.embeddings.table_output import writable_extensions
from vmf.embeddings.writing import NumberType, create_embeddings, int8_scale
from vmf.errors import EmbeddingError, Note, PathLike, UnstorableError
from vmf.jobs.usable_rows import UsableRows, used
from vmf.output import check_output, claimed_outputs
from vmf.passes import engine
from vmf.passes.checkpoint import file_entry, reading_settings
from vmf.passes.engine import Reading, Runner, Task
from vmf.passes.here import Here
from vmf.passes.journal import Entry, RowJournal
from vmf.passes.keeper import check_checkpoint, say_how_to_go_on

_WRITER_BYTES = 96 << 20
"""What a writer holds back: a row group of Parquet and what packs it."""


@dataclass(frozen=True)
class ConversionSummary:
    """What :func:`convert_to_file` wrote, and how many rows and which files were left out."""

    rows: int
    dimension: int
    dtype: str
    largest_error: float
    skipped: int = 0
    left_out: tuple[Note, ...] = ()


def convert_to_file(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    dtype: NumberType | None = None,
    ids: PathLike | None = None,
    labels: PathLike | None = None,
    reading: Reading = Reading(),
    runner: Runner = Here(),
    checkpoint: PathLike | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> ConversionSummary:
    """Write the rows of files to one file, in their order, a block in memory at a time.

    Parameters
    ----------
    paths : sequence of path-like
        Embeddings of one dimension; their rows are taken one file after the other.
    output : path-like
        See :func:`vmf.embeddings.writing.create_embeddings`. One process at a time writes it.
    dtype : str, optional
        Of the stored numbers; by default the one that holds those of the files without loss.
        "int8" reads the files twice: the scale of a dimension follows from its largest absolute
        value, and no coordinate is off by more than 1/254 of that.
    ids, labels : path-like, optional
        ``FILE`` or ``FILE:COLUMN``, see :class:`vmf.embeddings.row_values.RowValues`: the columns ``id``
        and ``label`` of the output.
    reading : Reading
        How files are read. Here ``on_bad_rows`` is "keep" by default: rows are not judged. Rows and
        files that are skipped have no place in the output, nor have their ids and labels; to find
        them, the files are read twice.
    runner : Runner
        This process, or the workers of a cluster, which send the rows here to be written.
    checkpoint : path-like, optional
        Where the rows are kept while the output is not complete, as large as they are. Removed when
        it is.
    resume : bool
        Go on from the checkpoint if it is there.
    progress : callable, optional
        See :data:`vmf.embeddings.opening.Progress`.

    Raises
    ------
    EmbeddingError
        When something cannot be read or written. No output appears then.
    PassStopped
        When a signal ended the pass and there is a checkpoint.
    """
    check_output(output, paths, writable_extensions())
    check_checkpoint(checkpoint, resume, [*paths, output])
    left_out = reading.left_out()
    files = open_files(paths, reading.column, reading.scale, left_out)
    check_output(output, [file.path for file in files])
    columns = [
        RowValues(source, name, with_width=True)
        for name, source in (("id", ids), ("label", labels))
        if source is not None
    ]
    for one in columns:
        check_output(output, [one.path])
    kind: NumberType = dtype or _lossless(files)
    policy: OnBadRows = reading.on_bad_rows or "keep"
    first_looked_at = kind == "int8" or policy == "skip" or left_out is not None
    total = sum(file.rows for file in files)
    report = _Report(progress, (1 + first_looked_at) * total)
    bad, largest = 0, np.zeros(files[0].dimension)
    if first_looked_at:
        survey = Survey(kind == "int8", policy)
        for step in engine.run(
            survey, files, reading, runner=runner, left_out=left_out, progress=report.first
        ):
            if step.found is not None:
                bad += step.found[0]
                largest = np.maximum(largest, step.found[1])
    damaged = set() if left_out is None else set(left_out.damaged)
    kept = [file for position, file in enumerate(files) if position not in damaged]
    if left_out is not None:
        left_out.check(len(kept))
    rows = sum(file.rows for file in kept) - bad
    if not rows:
        raise EmbeddingError(files[0].path, "holds no usable rows")
    shape = rows, files[0].dimension
    steps = int8_scale(largest) if kind == "int8" else None
    beside = {one.name: one.dtype for one in columns}
    names = _Names(
        columns, [(file.rows, position in damaged) for position, file in enumerate(files)]
    )
    with ExitStack() as claimed:
        claimed.enter_context(claimed_outputs(checkpoint, output))
        journal = None
        if checkpoint is not None:
            number = np.result_type(*{file.native_dtype for file in kept})
            plan = {
                "files": [file_entry(file) for file in kept],
                **reading_settings(reading, usual="keep"),
            }
            journal = RowJournal(
                checkpoint,
                "vmf-rows-journal",
                "vmf convert",
                np.dtype([("row", number, shape[1:])]),
                plan,
                resume=resume,
            )
            claimed.callback(journal.close)
        task = UsableRows(policy)
        try:
            with create_embeddings(output, shape, kind, scale=steps, beside=beside) as writer:
                report.add(sum(files[position].rows for position in damaged))
                blocks = claimed.enter_context(
                    closing(_blocks(task, kept, reading, runner, journal))
                )
                for usable, block in blocks:
                    here = names.take(len(usable))
                    writer.append(
                        used(usable, block), **{name: v[usable] for name, v in here.items()}
                    )
                    report.add(len(usable))
                with mentioned(left_out):
                    names.end()
        except BaseException as error:
            if journal is not None and journal.rows:
                say_how_to_go_on(f"{journal.rows} rows", journal.path, error)
            raise
        if journal is not None:
            journal.remove()
    error_bound = 0.0 if steps is None else float(steps.max()) / 2
    lines = () if left_out is None else left_out.lines
    return ConversionSummary(rows, shape[1], kind, error_bound, bad, lines)


@dataclass(frozen=True)
class Survey(Task[tuple[int, npt.NDArray[np.float64]]]):
    """Finds how many rows are to be left out, and the largest absolute value in each dimension.

    Parameters
    ----------
    finite : bool
        Whether other rows must be finite.
    on_bad_rows : {"error", "skip", "keep"}
    """

    finite: bool
    on_bad_rows: OnBadRows

    def of_block(
        self, rows: FloatRows, first_row: int, columns: Sequence[engine.Column]
    ) -> tuple[int, npt.NDArray[np.float64]]:
        """Return both for some rows."""
        if not self.finite and self.on_bad_rows == "keep":
            return 0, np.zeros(rows.shape[1])
        bad = 0
        if self.on_bad_rows != "keep":
            usable = rows_with_direction(rows, self.on_bad_rows, first_row)
            bad = int(np.count_nonzero(~usable))
            rows = used(usable, rows)
        if not self.finite:
            return bad, np.zeros(rows.shape[1])
        _check_finite(rows, first_row)
        return bad, np.abs(rows).max(axis=0, initial=0.0).astype(np.float64)

    def merge(
        self, parts: Sequence[tuple[int, npt.NDArray[np.float64]]]
    ) -> tuple[int, npt.NDArray[np.float64]]:
        """Return both for all rows."""
        return sum(bad for bad, _ in parts), np.maximum.reduce([largest for _, largest in parts])


def _check_finite(rows: FloatRows, first_row: int) -> None:
    finite = np.isfinite(rows)
    if not finite.all():
        row, column = map(int, np.argwhere(~finite)[0])
        raise UnstorableError(first_row + row, column, f"the value is {rows[row, column]}")


def _blocks(
    task: UsableRows,
    files: Sequence[EmbeddingFile],
    reading: Reading,
    runner: Runner,
    journal: RowJournal | None,
) -> Generator[tuple[npt.NDArray[np.bool_], FloatRows], None, None]:
    """The rows that a journal holds, then the others, each block after it was written there."""
    if journal is not None:
        for entry in journal.replay():
            yield task.of_block(entry.records["row"], 0, ())
    skip = 0 if journal is None else journal.rows
    for step in engine.run(task, files, reading, runner=runner, skip=skip, beside=_WRITER_BYTES):
        assert step.found is not None  # no file is left out any more
        if journal is not None:
            records = np.empty(step.count, journal.record)
            records["row"] = step.found[1]
            journal.append(Entry(records, 0), {})
        yield step.found


class _Names:
    """Ids and labels in step with the rows that are written; those of damaged files are passed over."""

    def __init__(self, columns: Sequence[RowValues], files: Sequence[tuple[int, bool]]) -> None:
        self._columns = columns
        self._files = list(files)
        self._left = 0

    def take(self, count: int) -> dict[str, npt.NDArray[Any]]:
        """Those of the next rows, which are of one file."""
        if not self._left:
            self._pass_over_damaged()
            self._left, _ = self._files.pop(0)
        self._left -= count
        return {one.name: one.take(count) for one in self._columns}

    def end(self) -> None:
        """Check that none is left; EmbeddingError."""
        self._pass_over_damaged()
        for one in self._columns:
            one.end()

    def _pass_over_damaged(self) -> None:
        while self._files and self._files[0][1]:
            rows, _ = self._files.pop(0)
            for one in self._columns:
                one.take(rows)


class _Report:
    """Rows done in the one or two passes over the files."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def first(self, done: int, total: int) -> None:
        """Tell how far the first of two passes is."""
        self._done = done
        self.add(0)

    def add(self, count: int) -> None:
        """Tell that so many more rows are done."""
        self._done += count
        if self._progress:
            self._progress(self._done, self._total)


def _lossless(files: Sequence[EmbeddingFile]) -> NumberType:
    names: dict[str, NumberType] = {
        "float16": "float16", "float32": "float32", "float64": "float64",
    }  # fmt: skip
    return names[np.result_type(*{file.native_dtype for file in files}).name]
