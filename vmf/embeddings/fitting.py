"""From embedding files to a model: files -> chunks -> statistics -> solve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.atomic_output import PathLike
from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES, EmbeddingFile
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.left_out import LeftOut, OnBadFiles
from vmf.embeddings.memory_budget import MemoryBudget, MemoryBudgetError
from vmf.embeddings.registry import find_all, open_embeddings
from vmf.embeddings.row_stream import Chunk, row_stream
from vmf.estimation import (
    BadRowError,
    DegenerateFitError,
    Estimator,
    FitResult,
    SufficientStatistics,
    fit,
)
from vmf.estimation.rows import OnBadRows
from vmf.estimation.running import RunningStatistics, update_by_class
from vmf.model_file import Model

if TYPE_CHECKING:
    from distributed import Client

    from vmf.embeddings.labels import Labels

Progress = Callable[[int, int], None]
"""Called with the rows done so far and the rows in all."""

SoFar = Callable[[], tuple[SufficientStatistics, ...]]
"""Gives the statistics of the rows so far, one a class, when they are needed."""

_LABELLED_CHUNK_BYTES = 32 << 20
"""A chunk is split by class; of a larger one the parts are larger. With 1000 classes of 2048
dimensions, chunks of 32 MB take half the time that chunks of 8 MB take."""

_MODEL_COPIES = 10
"""Vectors a class while a model is made and written: the sums, two each and those before them, the
mean direction, and the three of these in the bytes of the file."""


def fit_files(
    paths: Sequence[PathLike],
    *,
    labels: Sequence[PathLike] = (),
    estimator: Estimator = "unbiased",
    on_bad_rows: OnBadRows = "error",
    column: str | None = None,
    scale: npt.ArrayLike | None = None,
    on_bad_files: OnBadFiles = "error",
    memory: int | None = None,
    progress: Progress | None = None,
    client: Client | None = None,
) -> Model:
    """Fit one von Mises-Fisher distribution, or one a class, to the rows of files.

    Parameters
    ----------
    paths : sequence of path-like
        Embedding files of the same dimension; their rows are taken together.
    labels : sequence of path-like
        None: one distribution for all rows. One file: the labels of all rows in the order of
        ``paths``. Or one file for each of ``paths``, or for each file in them. See
        :func:`vmf.embeddings.labels.read_labels`.
    estimator : str
        Of the concentration; see :func:`vmf.estimation.fit_concentration`. "map" takes the default
        prior.
    on_bad_rows : {"error", "skip"}
        What to do with rows that hold NaN or infinity or are zero.
    column, scale
        See :func:`vmf.embeddings.open_embeddings`.
    on_bad_files : {"error", "skip"}
        "skip" does without files that cannot be read to their end, wherever the damage is: none of
        their rows counts. ``model.left_out`` says which and why.
    memory : int, optional
        Bytes that this process may take in all, see
        :class:`vmf.embeddings.memory_budget.MemoryBudget`; by default what chunks of 8 MB (32 MB
        with labels) take. On a cluster, that each worker may take.
    progress : callable, optional
        See :data:`Progress`.
    client : distributed.Client, optional
        Whose workers read the files; see :mod:`vmf.cluster`. The bits of the result are the same.

    Returns
    -------
    Model
        Rows that were not of unit length have been normalised, and bad ones skipped;
        ``model.statistics`` counts both.

    Raises
    ------
    EmbeddingError
        When a file, its labels or its rows cannot be fitted; one line that says where and why.
    """
    left_out = LeftOut() if on_bad_files == "skip" else None
    groups = open_groups(paths, column, scale, left_out)
    files = [file for group in groups for file in group]
    found = labels_for(groups, labels) if labels else None
    total = sum(file.rows for file in files) if progress else 0
    nothing = nothing_read(files, found)
    so_far: SoFar = partial(tuple, nothing)
    running = statistics_so_far(
        client, files, found, nothing, column, on_bad_rows, memory=memory, left_out=left_out
    )
    for done, now in running:
        so_far = now
        if progress:
            progress(done, total)
    return fitted_model(files, found, so_far(), estimator, left_out)


def open_files(
    paths: Sequence[PathLike],
    column: str | None = None,
    scale: npt.ArrayLike | None = None,
    left_out: LeftOut | None = None,
) -> list[EmbeddingFile]:
    """The files of :func:`open_groups`, one after the other."""
    return [file for group in open_groups(paths, column, scale, left_out) for file in group]


def open_groups(
    paths: Sequence[PathLike],
    column: str | None = None,
    scale: npt.ArrayLike | None = None,
    left_out: LeftOut | None = None,
) -> list[list[EmbeddingFile]]:
    """Open several files whose rows belong together.

    Parameters
    ----------
    left_out : LeftOut, optional
        Takes in the files that cannot be opened, or whose rows cannot be counted, which are an
        error without it.

    Returns
    -------
    list of list of EmbeddingFile
        For each of the paths its files: several for a folder or a pattern.

    Raises
    ------
    EmbeddingError
        When one cannot be read, is given twice, or has another dimension than the first.
    """
    if not paths:
        raise EmbeddingError(None, "no embedding file was given")
    # A folder is taken apart: a checkpoint, say, must know which of its files have been read.
    if left_out is None:
        groups = [list(open_embeddings(path, column, scale=scale).parts) for path in paths]
    else:

        def counted(place: PathLike) -> EmbeddingFile:
            file = open_embeddings(place, column, scale=scale)
            _ = file.rows
            return file

        groups = [list(left_out.opened(find_all(path), counted)) for path in paths]
        left_out.check(sum(map(len, groups)))
    first = next(group for group in groups if group)[0]
    seen = set()
    for file in (file for group in groups for file in group):
        if file.identity in seen:
            raise EmbeddingError(file.path, "is given twice; its rows would count double")
        seen.add(file.identity)
        if file.dimension != first.dimension:
            raise EmbeddingError(
                file.path,
                f"has dimension {file.dimension}, but {first.path} has {first.dimension};"
                " files fitted together need the same",
            )
    return groups


def bad_row(file: EmbeddingFile, error: BadRowError) -> EmbeddingError:
    """The message about a row without a direction, with its place in the file."""
    return EmbeddingError(
        file.path,
        f"{file.locate(error.row, error.column)}: {error.reason}; correct or remove the row, or"
        " leave such rows out with --on-bad-rows skip",
    )


def nothing_read(
    files: Sequence[EmbeddingFile], labels: Labels | None
) -> tuple[SufficientStatistics, ...]:
    """Statistics of no rows, one a class; one in all without labels."""
    count = 1 if labels is None else len(labels.classes)
    return (SufficientStatistics.empty(files[0].dimension),) * count


def statistics_so_far(
    client: Client | None,
    files: Sequence[EmbeddingFile],
    labels: Labels | None,
    statistics: tuple[SufficientStatistics, ...],
    column: str | None,
    on_bad_rows: OnBadRows,
    done: int = 0,
    memory: int | None = None,
    left_out: LeftOut | None = None,
) -> Iterator[tuple[int, SoFar]]:
    """:func:`running_statistics`, by this process or by the workers of a client."""
    if client is None:
        return running_statistics(
            files,
            labels,
            statistics,
            on_bad_rows=on_bad_rows,
            done=done,
            memory=memory,
            left_out=left_out,
        )
    if left_out is not None:
        raise EmbeddingError(
            None, "--on-bad-files skip is for one process; leave out --cluster and --workers"
        )
    from vmf.cluster import fitting as cluster

    return cluster.running_statistics(
        client,
        files,
        labels,
        statistics,
        column=column,
        on_bad_rows=on_bad_rows,
        done=done,
        memory=memory,
    )


def running_statistics(
    files: Sequence[EmbeddingFile],
    labels: Labels | None,
    statistics: tuple[SufficientStatistics, ...],
    *,
    on_bad_rows: OnBadRows,
    done: int = 0,
    memory: int | None = None,
    left_out: LeftOut | None = None,
) -> Iterator[tuple[int, SoFar]]:
    """Yield the rows read so far, over all files, and what gives their statistics.

    After every chunk, or with ``left_out`` after every file, for the rows of a file that turns out
    damaged are taken back.

    Parameters
    ----------
    labels : Labels, optional
        Of all rows of the files, in order.
    statistics : tuple of SufficientStatistics
        Of the first ``done`` rows, one a class; see :func:`nothing_read`.
    memory : int, optional
        See :func:`fit_files`.
    left_out : LeftOut, optional
        Takes in the files that cannot be read to their end. Their rows count as read.

    Raises
    ------
    EmbeddingError
        For a row without a direction, for what cannot be read, and for too little memory.
    """
    size = chunk_bytes(labels)
    budget = None if memory is None else MemoryBudget(memory)
    if budget is not None:
        vectors = _MODEL_COPIES * len(statistics)
        size = budget.chunk_bytes(files, size, vectors * 8 * files[0].dimension)
    running = _Running(tuple(map(RunningStatistics, statistics)), labels, on_bad_rows)
    if left_out is None:
        for chunk in row_stream(files, skip=done, chunk_bytes=size, budget=budget):
            running = running.with_chunk(chunk, done)
            done += len(chunk.rows)
            yield done, running.statistics
        return
    before = 0
    for position, file in enumerate(files):
        begin, before = before, before + file.rows
        if before <= done:
            continue
        after = running
        stream = row_stream([file], chunk_bytes=size, budget=budget)
        while True:
            try:
                chunk = next(stream)
            except StopIteration:
                running = after
                break
            except MemoryBudgetError:
                raise
            except EmbeddingError as error:
                left_out.damaged[position] = str(error)
                break
            after = after.with_chunk(chunk, begin + chunk.start)
        yield before, running.statistics


class _Running:
    """Statistics of the rows so far, one a class; immutable."""

    def __init__(
        self, each: tuple[RunningStatistics, ...], labels: Labels | None, on_bad_rows: OnBadRows
    ) -> None:
        self._each = each
        self._labels = labels
        self._on_bad_rows = on_bad_rows

    def statistics(self) -> tuple[SufficientStatistics, ...]:
        return tuple(one.statistics for one in self._each)

    def with_chunk(self, chunk: Chunk, first: int) -> _Running:
        """Those of a chunk, which begins with row `first` over all files, and these together."""
        how: dict[str, Any] = {"on_bad_rows": self._on_bad_rows, "first_row": chunk.start}
        try:
            if self._labels is None:
                each: tuple[RunningStatistics, ...] = (self._each[0].update(chunk.rows, **how),)
            else:
                codes = self._labels.codes[first : first + len(chunk.rows)]
                each = update_by_class(self._each, chunk.rows, codes, **how)
        except BadRowError as error:
            raise bad_row(chunk.file, error) from error
        return _Running(each, self._labels, self._on_bad_rows)


def chunk_bytes(labels: Labels | None) -> int:
    """Bytes of the chunks in which a fit reads."""
    return DEFAULT_CHUNK_BYTES if labels is None else _LABELLED_CHUNK_BYTES


def fitted_model(
    files: Sequence[EmbeddingFile],
    labels: Labels | None,
    statistics: Sequence[SufficientStatistics],
    estimator: Estimator,
    left_out: LeftOut | None = None,
) -> Model:
    """The model of the rows of files; EmbeddingError for a class that cannot be fitted."""
    if left_out is not None:
        left_out.check(len(files) - len(left_out.damaged))
        files = [file for i, file in enumerate(files) if i not in left_out.damaged]
    classes: list[str | None] = [None] if labels is None else list(labels.classes)
    coarsest = float(max(np.finfo(file.native_dtype).eps for file in files))
    fits = [
        _fit(_where(files, label), one, estimator, coarsest)
        for label, one in zip(classes, statistics, strict=True)
    ]
    sources = tuple(file.path.name for file in files)
    lines = () if left_out is None else left_out.lines
    return model_of_fits(classes, statistics, fits, estimator, sources, lines)


def model_of_fits(
    classes: Sequence[str | None],
    statistics: Sequence[SufficientStatistics],
    fits: Sequence[FitResult],
    estimator: Estimator,
    sources: tuple[str, ...],
    left_out: tuple[str, ...] = (),
) -> Model:
    """Put the fits of the classes together."""
    from vmf import __version__

    return Model(
        classes=tuple(classes),
        mean_direction=np.array([one.mean_direction for one in fits]),
        concentration=np.array([one.concentration for one in fits]),
        standard_error=np.array([one.concentration_standard_error for one in fits]),
        statistics=tuple(statistics),
        estimator=estimator,
        sources=sources,
        left_out=left_out,
        toolkit_version=__version__,
    )


def labels_for(groups: Sequence[Sequence[EmbeddingFile]], sources: Sequence[PathLike]) -> Labels:
    """One label a row, the rows of all files in order; see :func:`open_groups`."""
    # Here, because with it come the readers of every format, which most fits do not need.
    from vmf.embeddings.labels import join_labels, read_labels

    parts = [read_labels(source) for source in sources]
    files = [file for group in groups for file in group]
    if len(sources) == 1:
        groups = [files]
    elif len(sources) == len(files):
        groups = [[file] for file in files]
    elif len(sources) != len(groups):
        raise EmbeddingError(
            None,
            f"{len(sources)} label files for {len(files)} embedding files; give one for all rows or"
            " one for each file",
        )
    for source, part, group in zip(sources, parts, groups, strict=True):
        rows = sum(file.rows for file in group)
        if len(part) != rows:
            names = ", ".join(str(file.path) for file in group[:3])
            more = f" and {len(group) - 3} more" if len(group) > 3 else ""
            raise EmbeddingError(
                source,
                f"has {len(part)} labels, but {names}{more} {'have' if len(group) > 1 else 'has'}"
                f" {rows} rows; there must be one label a row",
            )
    return parts[0] if len(parts) == 1 else join_labels(parts)


def _where(files: Sequence[EmbeddingFile], label: str | None) -> str:
    name = str(files[0].path) if len(files) == 1 else f"{files[0].path} and {len(files) - 1} more"
    return name if label is None else f"{name}, class {label!r}"


def _fit(
    where: str, statistics: SufficientStatistics, estimator: Estimator, eps: float
) -> FitResult:
    """Solve, or say why no distribution can be fitted to these rows.

    The spread of equal rows, stored with a relative rounding of eps/2 and each scaled differently,
    is of the order eps^2 / 24; what is below eps^2 / 8 is rounding, not spread.
    """
    skipped = f" ({statistics.skipped} were skipped)" if statistics.skipped else ""
    if statistics.count == 0:
        raise EmbeddingError(where, f"holds no usable rows{skipped}")
    if statistics.mean_resultant_length < 1e-15:
        raise EmbeddingError(
            where,
            f"the {statistics.count:.0f} rows cancel (R = 0): there is no mean direction and"
            " kappa = 0, a uniform distribution",
        )
    if statistics.count < 2 and estimator != "map":
        raise EmbeddingError(
            where,
            f"holds one single usable row{skipped}, which says nothing about the spread; fit at"
            " least 2 rows, or use --estimator map",
        )
    if statistics.one_minus_mean_resultant_length < eps * eps / 8 and estimator != "map":
        raise EmbeddingError(
            where,
            f"all {statistics.count:.0f} rows point in the same direction (R = 1), so kappa is"
            " infinite; check that the rows are different embeddings, or use --estimator map",
        )
    return solve(where, statistics, estimator)


def solve(where: PathLike, statistics: SufficientStatistics, estimator: Estimator) -> FitResult:
    """Fit; EmbeddingError that names ``where`` when these rows determine no distribution."""
    try:
        return fit(statistics, estimator)
    except DegenerateFitError as error:
        raise EmbeddingError(where, str(error)) from error
