"""Scores of the rows of files as a table, in the order of the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vmf.embeddings.atomic_output import PathLike, check_output
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.fitting import Progress, bad_row, open_files
from vmf.embeddings.scoring import Scorer, ScoreSummary, _score_in_blocks
from vmf.embeddings.table_output import TABLE_EXTENSIONS, Column, open_table
from vmf.estimation.rows import BadRowError, OnBadRows
from vmf.model_file import Model
from vmf.passes.output import claimed_output


def score_to_file(
    model: Model,
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    ids: PathLike | None = None,
    column: str | None = None,
    on_bad_rows: OnBadRows = "error",
    progress: Progress | None = None,
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
        Where the column ``id`` comes from, see :class:`vmf.passes.ids.Ids`; by default it is the
        number of the row over all files, from 0.
    column, on_bad_rows, progress
        As for :func:`vmf.embeddings.scoring.score_file`.

    Raises
    ------
    EmbeddingError
        When a file cannot be read or has another dimension, for bad rows, when there is not one id
        a row, and for an output that cannot be written. No output appears then.
    """
    check_output(output, paths, TABLE_EXTENSIONS)
    files = open_files(paths, column)
    if files[0].dimension != model.dimension:
        raise EmbeddingError(
            files[0].path,
            f"has dimension {files[0].dimension}, the model {model.dimension}; score embeddings"
            " from the network that the model was fitted to",
        )
    source = None
    if ids is not None:
        from vmf.passes.ids import Ids

        source = Ids(ids, with_width=Path(output).suffix.lower() == ".npy")
        check_output(output, [source.path])
    columns = [
        Column("id", np.dtype(np.int64) if source is None else source.dtype),
        Column("log_density", np.dtype(np.float64)),
        Column("cosine", np.dtype(np.float64)),
    ]
    labels = [label for label in model.classes if label is not None]
    if labels:
        text = np.dtype(f"U{max(map(len, labels))}")
        columns += [Column("class", text), Column("probability", np.dtype(np.float64))]
    names = np.array([*labels, ""])  # position -1 is the empty name
    scorer = Scorer(model)
    total = sum(file.rows for file in files)
    done = skipped = normalised = 0
    sum_log_density = sum_cosine = 0.0
    with claimed_output(output), open_table(output, columns, total) as table:
        for file in files:
            for start, rows in file.chunks():
                try:
                    scores, off_unit = _score_in_blocks(scorer, rows, on_bad_rows, start)
                except BadRowError as error:
                    raise bad_row(file, error) from error
                bad = scores.likeliest < 0
                chunk: dict[str, npt.NDArray[np.generic]] = {
                    "id": source.take(len(rows))
                    if source
                    else np.arange(done, done + len(rows), dtype=np.int64),
                    "log_density": scores.log_density,
                    "cosine": scores.cosine,
                }
                if labels:
                    chunk["class"] = names[scores.likeliest]
                    chunk["probability"] = scores.probability
                table.write(chunk)
                done += len(rows)
                skipped += int(bad.sum())
                normalised += off_unit
                sum_log_density += float(scores.log_density[~bad].sum())
                sum_cosine += float(scores.cosine[~bad].sum())
                if progress:
                    progress(done, total)
        if source:
            source.end()
    scored = total - skipped
    return ScoreSummary(
        rows=total,
        skipped=skipped,
        normalised=normalised,
        mean_log_density=sum_log_density / scored if scored else math.nan,
        mean_cosine=sum_cosine / scored if scored else math.nan,
    )
