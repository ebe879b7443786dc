"""How well each row of a file fits a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from vmf.embeddings.atomic_output import PathLike, check_output
from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES, EmbeddingFile, FloatRows
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.fitting import Progress, bad_row
from vmf.embeddings.left_out import LeftOut
from vmf.embeddings.memory_budget import MemoryBudget, MemoryBudgetError
from vmf.embeddings.registry import open_embeddings
from vmf.embeddings.row_stream import Chunk, row_stream
from vmf.embeddings.table_output import TABLE_EXTENSIONS, Column, open_table
from vmf.estimation.rows import (
    BadRowError,
    OnBadRows,
    find_fault,
    scale_to_order_one,
    scaled_rows,
    unit_norm_tolerance,
    usable_norms,
)
from vmf.model_file import Model
from vmf.models.densities import distances
from vmf.special import log_normalizer_e

if TYPE_CHECKING:
    from distributed import Client

FloatArray = npt.NDArray[np.float64]

_BLOCK_ELEMENTS = 1 << 18  # 2 MB of float64

_BLOCK_COPIES = 4
"""Blocks of rows in float64 while they are scored: as read, as unit rows, filled up, and squared."""

_TABLE_BYTES = 48 << 20
"""What the table of scores holds back: a row group of Parquet and what packs it."""

_ROWS_OF_A_KERNEL = 48
"""A multiple of the rows that any matrix product takes at a time: 4, 6, 8, 12, 16 or 24."""


@dataclass(frozen=True)
class Scores:
    """Scores of some rows; all but ``nearest`` are NaN for a row without a direction.

    Attributes
    ----------
    log_density : (rows,) float64
        log of the model's density at the row's direction, with respect to the area of the unit
        sphere; with several classes that of their mixture in the proportions of the fit. Higher =
        more in-distribution. It may be far above 0: densities in high dimension are large.
    cosine : (rows,) float64
        Cosine of the angle to the nearest mean direction. Higher = more in-distribution.
    probability : (rows,) float64
        Probability of class ``nearest`` given the row.
    likeliest : (rows,) intp
        The most probable class, -1 for a row without a direction.
    """

    log_density: FloatArray
    cosine: FloatArray
    probability: FloatArray
    likeliest: npt.NDArray[np.intp]

    def head(self, count: int) -> Scores:
        """The first ``count`` of them."""
        return Scores(
            self.log_density[:count],
            self.cosine[:count],
            self.probability[:count],
            self.likeliest[:count],
        )


@dataclass(frozen=True)
class ScoreSummary:
    """What :func:`score_file` did."""

    rows: int
    skipped: int
    normalised: int
    mean_log_density: float
    mean_cosine: float
    left_out: tuple[str, ...] = ()


class Scorer:
    """Scores rows under a model.

    Parameters
    ----------
    model : Model
    """

    def __init__(self, model: Model) -> None:
        self._mean_direction = np.require(model.mean_direction, requirements=["C", "A"])
        self._concentration = model.concentration
        self.classes = len(model.classes)
        # log C_p(kappa) + kappa: the log-density at the mean direction.
        self._log_peak = np.log(model.proportions) + log_normalizer_e(
            float(model.dimension), model.concentration
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What comes from another process may begin at any byte; products are then rounded otherwise.
        self.classes = state["classes"]
        for name in ("_mean_direction", "_concentration", "_log_peak"):
            setattr(self, name, np.require(state[name], requirements=["C", "A"]))

    def rows_of_a_block(self, dimension: int) -> int:
        """Rows that are scored together."""
        step = max(_BLOCK_ELEMENTS // dimension, 4 * self.classes)
        return -(-step // _ROWS_OF_A_KERNEL) * _ROWS_OF_A_KERNEL

    def __call__(self, directions: FloatArray) -> Scores:
        """Score unit rows; a row of NaN gives NaN."""
        distance = distances(directions, self._mean_direction)
        log_joint = self._log_peak - self._concentration * distance
        likeliest = log_joint.argmax(axis=1)
        largest = log_joint[np.arange(len(log_joint)), likeliest]
        log_density = largest + np.log(np.exp(log_joint - largest[:, np.newaxis]).sum(axis=1))
        undefined = np.isnan(log_density)
        return Scores(
            log_density,
            1.0 - distance.min(axis=1),
            np.exp(largest - log_density),
            np.where(undefined, -1, likeliest),
        )


def score_file(
    model: Model,
    path: PathLike,
    output: PathLike,
    *,
    column: str | None = None,
    scale: npt.ArrayLike | None = None,
    on_bad_rows: OnBadRows = "error",
    memory: int | None = None,
    progress: Progress | None = None,
) -> ScoreSummary:
    """Score every row of a file and write a table, one row each, in the order of the file.

    Parameters
    ----------
    model : Model
    path : path-like
        The embeddings, of the model's dimension; they need not be normalised.
    output : path-like
        ``.csv``, ``.tsv``, ``.parquet`` or ``.npy`` with the columns ``row``, ``log_density`` and
        ``cosine``, and for a model with classes ``class`` and ``probability``; see :class:`Scores`.
    column, scale
        See :func:`vmf.embeddings.open_embeddings`.
    on_bad_rows : {"error", "skip"}
        "skip" keeps the place of a bad row: its scores are NaN and its class is empty.
    memory : int, optional
        Bytes that this process may take in all; see
        :class:`vmf.embeddings.memory_budget.MemoryBudget`.
    progress : callable, optional
        See :data:`vmf.embeddings.fitting.Progress`.

    Raises
    ------
    EmbeddingError
        When the file cannot be read or has another dimension, for bad rows, and for an output that
        cannot be written. No output appears then.
    """
    check_output(output, [path], TABLE_EXTENSIONS)
    files = [open_embeddings(path, column, scale=scale)]
    check_scorable(files, model)
    return write_scores(
        model,
        files,
        output,
        RowNumbers("row"),
        on_bad_rows=on_bad_rows,
        memory=memory,
        progress=progress,
    )


def check_scorable(files: Sequence[EmbeddingFile], model: Model) -> None:
    """Refuse files of another dimension than the model's; EmbeddingError."""
    if files[0].dimension != model.dimension:
        raise EmbeddingError(
            files[0].path,
            f"has dimension {files[0].dimension}, the model {model.dimension}; score embeddings"
            " from the network that the model was fitted to",
        )


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


class Journal(Protocol):
    """Scores that are done, see :class:`vmf.passes.score_journal.ScoreJournal`."""

    @property
    def rows(self) -> int: ...
    def replay(self) -> Iterator[tuple[Scores, int]]: ...
    def damaged(self) -> dict[int, str]: ...
    def record(
        self, chunks: Iterator[tuple[Scores, int]], left_out: LeftOut | None
    ) -> Iterator[tuple[Scores, int]]: ...


def write_scores(
    model: Model,
    files: Sequence[EmbeddingFile],
    output: PathLike,
    row_names: RowNames,
    *,
    on_bad_rows: OnBadRows,
    progress: Progress | None,
    left_out: LeftOut | None = None,
    memory: int | None = None,
    column: str | None = None,
    client: Client | None = None,
    journal: Journal | None = None,
) -> ScoreSummary:
    """Write the table of the scores of all rows of the files; see :func:`score_file`.

    With a `client`, whose workers open the files with `column`, the rows are scored there. Rows
    that cannot be read of files that `left_out` takes in are like rows without a direction. What a
    `journal` holds is taken from there, and what is scored is written there.
    """
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
    scorer = Scorer(model)
    total = sum(file.rows for file in files)
    done = skipped = normalised = 0
    sum_log_density = sum_cosine = 0.0
    skip = 0 if journal is None else journal.rows
    scored_chunks = _scored_chunks(scorer, files, on_bad_rows, memory, left_out, skip)
    if client is not None:
        if left_out is not None:
            raise EmbeddingError(
                None, "--on-bad-files skip is for one process; leave out --cluster and --workers"
            )
        from vmf.cluster.scoring import scored_chunks as of_cluster

        scored_chunks = of_cluster(
            client,
            scorer,
            files,
            column=column,
            on_bad_rows=on_bad_rows,
            skip=skip,
            memory=memory,
            beside=_block_bytes(scorer, files[0].dimension),
        )
    if journal is not None:
        if left_out is not None:
            left_out.damaged.update(journal.damaged())
        scored_chunks = chain(journal.replay(), journal.record(scored_chunks, left_out))
    with open_table(output, columns, total) as table:
        for scores, off_unit in scored_chunks:
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
        row_names.end()
    scored = total - skipped
    return ScoreSummary(
        rows=total,
        skipped=skipped,
        normalised=normalised,
        mean_log_density=sum_log_density / scored if scored else math.nan,
        mean_cosine=sum_cosine / scored if scored else math.nan,
        left_out=() if left_out is None else left_out.lines,
    )


def _scored_chunks(
    scorer: Scorer,
    files: Sequence[EmbeddingFile],
    on_bad_rows: OnBadRows,
    memory: int | None,
    left_out: LeftOut | None,
    skip: int,
) -> Iterator[tuple[Scores, int]]:
    size = DEFAULT_CHUNK_BYTES
    budget = None if memory is None else MemoryBudget(memory)
    if budget is not None:
        beside = _TABLE_BYTES + _block_bytes(scorer, files[0].dimension)
        size = budget.chunk_bytes(files, size, beside)
    if left_out is None:
        for chunk in row_stream(files, skip=skip, chunk_bytes=size, budget=budget):
            yield _score(scorer, chunk, on_bad_rows)
        return
    for position, file in enumerate(files):
        done, skip = min(skip, file.rows), max(skip - file.rows, 0)
        stream = row_stream([file], skip=done, chunk_bytes=size, budget=budget)
        while True:
            try:
                chunk = next(stream)
            except StopIteration:
                break
            except MemoryBudgetError:
                raise
            except EmbeddingError as error:
                left_out.damaged[position] = str(error)
                step = max(1, size // (8 * file.dimension))
                for first in range(done, file.rows, step):
                    yield _no_scores(min(step, file.rows - first)), 0
                break
            yield _score(scorer, chunk, on_bad_rows)
            done += len(chunk.rows)


def _block_bytes(scorer: Scorer, dimension: int) -> int:
    return _BLOCK_COPIES * 8 * dimension * scorer.rows_of_a_block(dimension)


def _score(scorer: Scorer, chunk: Chunk, on_bad_rows: OnBadRows) -> tuple[Scores, int]:
    try:
        return score_chunk(scorer, chunk.rows, on_bad_rows, chunk.start)
    except BadRowError as error:
        raise bad_row(chunk.file, error) from error


def _no_scores(rows: int) -> Scores:
    nothing = np.full(rows, np.nan)
    return Scores(nothing, nothing, nothing, np.full(rows, -1))


def score_chunk(
    scorer: Scorer, rows: FloatRows, on_bad_rows: OnBadRows, first_row: int
) -> tuple[Scores, int]:
    """Score ``rows`` in blocks, and count those off unit length.

    A block is small enough for its float64 copy to stay in cache (4 times faster for one class),
    but has several rows a class: below that the matrix product is slow (half as fast for 500). All
    have the same number of rows, filled up with zeros: matrix products round the last few rows of
    other shapes differently, and a score must not depend on where a chunk ends.
    """
    step = scorer.rows_of_a_block(rows.shape[1])
    parts: list[Scores] = []
    off_unit = 0
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        directions, count = unit_rows(block, on_bad_rows, first_row + start)
        whole = directions
        if len(block) < step:
            whole = np.zeros((step, rows.shape[1]))
            whole[: len(block)] = directions
        parts.append(scorer(whole).head(len(block)))
        off_unit += count
    joined = Scores(
        np.concatenate([part.log_density for part in parts]),
        np.concatenate([part.cosine for part in parts]),
        np.concatenate([part.probability for part in parts]),
        np.concatenate([part.likeliest for part in parts]),
    )
    return joined, off_unit


def unit_rows(rows: FloatRows, on_bad_rows: OnBadRows, first_row: int) -> tuple[FloatArray, int]:
    """The directions of ``rows`` in float64, and how many were off unit length.

    A row without a direction becomes NaN, or raises BadRowError unless ``on_bad_rows`` is "skip".
    What counts as bad and as off unit length is decided by the functions that fitting uses.
    """
    units, squared = scaled_rows(rows)
    with np.errstate(invalid="ignore"):
        off_unit = np.abs(np.sqrt(squared) - 1.0) > unit_norm_tolerance(rows.dtype)
    for index in np.flatnonzero(~usable_norms(squared)):
        row = rows[index : index + 1].astype(np.float64)
        fault = find_fault(row[0])
        if fault is None:  # squares overflow or underflow, the direction is fine
            units[index], _ = scaled_rows(scale_to_order_one(row))
            off_unit[index] = True
        elif on_bad_rows == "error":
            raise BadRowError(first_row + int(index), *fault)
        else:
            units[index] = np.nan
            off_unit[index] = False
    return units, int(off_unit.sum())
