"""Scores of the rows of files as a table, in the order of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy.typing as npt

from vmf.embeddings.atomic_output import PathLike, check_output
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.fitting import Progress, open_files
from vmf.embeddings.left_out import LeftOut, OnBadFiles
from vmf.embeddings.scoring import (
    RowNames,
    RowNumbers,
    ScoreSummary,
    check_scorable,
    write_scores,
)
from vmf.embeddings.table_output import TABLE_EXTENSIONS
from vmf.estimation.rows import OnBadRows
from vmf.model_file import Model
from vmf.passes.checkpoint import file_entry, reading_settings
from vmf.passes.output import claimed_outputs
from vmf.passes.score_journal import ScoreJournal, model_digest
from vmf.passes.stopped import PassStopped

if TYPE_CHECKING:
    from distributed import Client


def score_to_file(
    model: Model,
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    ids: PathLike | None = None,
    column: str | None = None,
    scale: npt.ArrayLike | None = None,
    on_bad_rows: OnBadRows = "error",
    on_bad_files: OnBadFiles = "error",
    checkpoint: PathLike | None = None,
    resume: bool = False,
    memory: int | None = None,
    progress: Progress | None = None,
    client: Client | None = None,
) -> ScoreSummary:
    """Score every row of files and write a table, one row each, in the order of the files.

    Parameters
    ----------
    model : Model
    paths : sequence of path-like
        Embeddings of the model's dimension; their rows are taken one file after the other.
    output : path-like
        ``.csv``, ``.tsv``, ``.parquet`` or ``.npy`` with the columns ``id``, ``log_density`` and
        ``cosine``, and for a model with classes ``class`` and ``probability``; see
        :class:`vmf.embeddings.scoring.Scores`. One process at a time writes it.
    ids : path-like, optional
        Where the column ``id`` comes from, see :class:`vmf.passes.row_values.RowValues`; by default it is the
        number of the row over all files, from 0.
    column, scale, on_bad_rows, memory, progress
        As for :func:`vmf.embeddings.scoring.score_file`.
    on_bad_files : {"error", "skip"}
        "skip" goes on after files that cannot be read. Those that cannot be opened have no rows in
        the table; the rows from the damage on of others have no scores, as bad rows have none.
    checkpoint : path-like, optional
        Where the scores are kept while the table is not complete, 28 bytes a row. Removed when it
        is.
    resume : bool
        Go on from the checkpoint if it is there.
    client : distributed.Client, optional
        Whose workers score the rows, see :mod:`vmf.cluster`; this process writes them.

    Raises
    ------
    EmbeddingError
        When a file cannot be read or has another dimension, for bad rows, when there is not one id
        a row, and for an output that cannot be written. No output appears then.
    PassStopped
        When a signal ended the pass and there is a checkpoint.
    """
    check_output(output, paths, TABLE_EXTENSIONS)
    if checkpoint is not None:
        check_output(checkpoint, [*paths, output])
    elif resume:
        raise EmbeddingError(None, "--resume needs the file to go on from: --checkpoint FILE")
    left_out = LeftOut() if on_bad_files == "skip" else None
    files = open_files(paths, column, scale, left_out)
    check_output(output, [file.path for file in files])
    check_scorable(files, model)
    row_names: RowNames = RowNumbers("id")
    if ids is not None:
        from vmf.passes.row_values import RowValues

        row_names = source = RowValues(ids, with_width=Path(output).suffix.lower() == ".npy")
        check_output(output, [source.path])
    with ExitStack() as claimed:
        claimed.enter_context(claimed_outputs(checkpoint, output))
        journal = None
        if checkpoint is not None:
            plan = {
                "model": model_digest(model),
                "files": [file_entry(file) for file in files],
                **reading_settings(on_bad_rows, column, scale, on_bad_files),
            }
            journal = ScoreJournal(checkpoint, plan, resume=resume)
            claimed.callback(journal.close)
        try:
            done = write_scores(
                model,
                files,
                output,
                row_names,
                on_bad_rows=on_bad_rows,
                left_out=left_out,
                memory=memory,
                progress=progress,
                column=column,
                client=client,
                journal=journal,
            )
        except ConnectionError as error:
            if journal is None or not journal.rows:
                raise
            raise type(error)(
                f"{error}; the scores of {journal.rows} rows are kept in {journal.path}, and the same"
                " command with --resume goes on from there"
            ) from error
        except (KeyboardInterrupt, SystemExit) as error:
            if journal is None or not journal.rows:
                raise
            raise PassStopped(
                f"stopped after {journal.rows} rows, whose scores are kept in {journal.path}; the"
                " same command with --resume goes on from there"
            ) from error
        if journal is not None:
            journal.remove()
        return done
