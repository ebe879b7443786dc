"""Mixtures fitted to files: passes of EM over all rows, or one pass in batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vmf.distribution.fitting import check_count
from vmf.distribution.model import MODEL_EXTENSIONS, Model, save_model
from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows
from vmf.embeddings.left_out import LeftOut
from vmf.embeddings.opening import open_files
from vmf.errors import (
    Argument,
    DegenerateFitError,
    EmbeddingError,
    MemoryBudgetError,
    Note,
    PathLike,
    parts_of,
    renamed,
)
from vmf.estimation import Estimator
from vmf.jobs.mixture_checkpoint import (
    MixtureCheckpoint,
    load_mixture_checkpoint,
    save_mixture_checkpoint,
)
from vmf.jobs.usable_rows import UsableRows, used
from vmf.output import check_output, claimed_outputs
from vmf.passes import engine
from vmf.passes.checkpoint import file_entry, reading_settings
from vmf.passes.engine import Reading, Runner
from vmf.passes.here import Here, chunk_bytes
from vmf.passes.keeper import SECONDS_BETWEEN_CHECKPOINTS, Keeper, check_checkpoint

if TYPE_CHECKING:
    from vmf.models import VMFMixture
    from vmf.models.em import Standing
    from vmf.passes.file_rows import FileRows

PassProgress = Callable[[int, int, int], None]
"""Called with the number of the pass, from 0, and the rows of it done so far and in all."""

_ARGUMENTS = {
    "n_components": "components",
    "max_iter": "iterations",
    "tol": "tolerance",
    "n_init": "starts",
    "random_state": "seed",
}
"""Of `VMFMixture`, as they are called here."""

_BATCH_COPIES = 8  # a batch, and what is of its size while it is assigned


@dataclass(frozen=True)
class MixtureFit:
    """What `fit_mixture_to_file` did.

    Attributes
    ----------
    model : Model
    iterations : int
        Of the best start; 0 for batches.
    converged : bool
    log_likelihood : float
        Mean over the rows, at the parameters before the last iteration (of the last batch).
    notes : tuple of Note
        What the fit warned of.
    """

    model: Model
    iterations: int
    converged: bool
    log_likelihood: float
    notes: tuple[Note, ...]


def fit_mixture_to_file(
    paths: Sequence[PathLike],
    output: PathLike,
    components: int,
    *,
    assignment: Literal["soft", "hard", "stochastic"] = "soft",
    estimator: Estimator = "unbiased",
    batch: int | None = None,
    iterations: int = 100,
    tolerance: float = 1e-3,
    starts: int = 1,
    seed: int = 0,
    reading: Reading = Reading(),
    runner: Runner = Here(),
    checkpoint: PathLike | None = None,
    resume: bool = False,
    seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
    progress: PassProgress | None = None,
) -> MixtureFit:
    """Fit a mixture to the rows of files, and write it as a model.

    Parameters
    ----------
    paths : sequence of path-like
        Embeddings of one dimension; see `vmf.embeddings.open_embeddings`.
    output : path-like
        A .safetensors file; appears complete or not at all.
    components : int
        K.
    assignment, estimator, iterations, tolerance, starts, seed
        `assignment`, `estimator`, `max_iter`, `tol`, `n_init` and `random_state` of
        `vmf.models.VMFMixture`.
    batch : int, optional
        So many rows at a time, each assigned once: the first batch is fitted, those after it are
        assigned and added. Without it, every iteration reads all rows. In this process batches are
        held in memory and the files are read once; the workers of a cluster read each batch twice,
        the first one once an iteration.
    reading : Reading
        How files are read. With bad files skipped all are read once more, at first, to find them.
    runner : Runner
        This process, or the workers of a cluster. The result does not depend on their number; from
        that of one process it differs by the rounding of sums.
    checkpoint : path-like, optional
        Where the parameters are kept after an iteration or a batch, every ``seconds``, and when the
        fit ends early. Removed when the model is written.
    resume : bool
        Go on from the checkpoint if it is there. The model has the same bits as without an end in
        between.
    progress : callable, optional
        See `PassProgress`.

    Raises
    ------
    EmbeddingError
        For what cannot be read, fitted or gone on with; one line.
    PassStopped
        When a signal ended the fit and there is a checkpoint.
    """
    from vmf.models import VMFMixture
    from vmf.models.files import as_model

    check_output(output, paths, MODEL_EXTENSIONS)
    if batch is not None and batch < max(2, components):
        raise EmbeddingError(
            None, Argument("batch"), f" is {batch}; it needs {max(2, components)} rows or more"
        )
    check_checkpoint(checkpoint, resume, [*paths, output])
    left_out = reading.left_out()
    files: Sequence[EmbeddingFile] = open_files(paths, reading.column, reading.scale, left_out)
    check_output(output, [file.path for file in files])
    mixture = VMFMixture(
        components,
        assignment=assignment,
        estimator=estimator,
        max_iter=iterations,
        tol=tolerance,
        n_init=starts,
        random_state=seed,
    )
    with ExitStack() as claimed:
        claimed.enter_context(claimed_outputs(checkpoint, output))
        keeper = None
        if checkpoint is not None:
            keeper = Keeper(
                checkpoint,
                resume=resume,
                load=load_mixture_checkpoint,
                save=save_mixture_checkpoint,
                seconds=seconds,
            )
        caught = claimed.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        report = _Report(progress)
        try:
            if batch is None or left_out is not None:
                rows = _rows(mixture, files, reading, runner, left_out, report)
                files = rows.files
                skipped = 0 if rows.zero is None else int(rows.zero.sum())
                check_count(files[0].path, rows.count - skipped, skipped, estimator)
            plan = _plan(mixture, files, reading, batch)
            if batch is None:
                _in_passes(mixture, rows, keeper, plan)
            else:
                _in_batches(mixture, files, batch, reading, runner, keeper, plan, report)
            model = as_model(mixture)
        except DegenerateFitError as error:
            raise EmbeddingError(files[0].path, *renamed(error.parts, _ARGUMENTS)) from error
        except ValueError as error:
            if isinstance(error, EmbeddingError):
                raise
            raise EmbeddingError(None, *renamed(parts_of(error), _ARGUMENTS)) from error
        model = replace(
            model,
            sources=tuple(file.path.name for file in files),
            left_out=() if left_out is None else left_out.lines,
        )
        save_model(model, output)
        if checkpoint is not None:
            Path(checkpoint).unlink(missing_ok=True)
    return MixtureFit(
        model=model,
        iterations=0 if batch else mixture.n_iter_,
        converged=batch is None and mixture.converged_,
        log_likelihood=mixture.lower_bound_,
        notes=tuple(dict.fromkeys(map(_note, caught))),
    )


def _note(warning: warnings.WarningMessage) -> Note:
    """What a warning says, about the arguments of this module."""
    found = warning.message.args[0] if isinstance(warning.message, Warning) else warning.message
    parts = found.parts if isinstance(found, Note) else (str(warning.message),)
    return Note(*renamed(parts, _ARGUMENTS))


class _Report:
    """Counts the passes for who is told of them."""

    def __init__(self, progress: PassProgress | None) -> None:
        self._progress = progress
        self._number = 0

    def __call__(self, done: int, total: int) -> None:
        if self._progress:
            self._progress(self._number, done, total)
        self._number += done == total


def _rows(
    mixture: VMFMixture,
    files: Sequence[EmbeddingFile],
    reading: Reading,
    runner: Runner,
    left_out: LeftOut | None,
    progress: Callable[[int, int], None] | None,
    start: int = 0,
    stop: int | None = None,
) -> FileRows:
    from vmf.passes.file_rows import FileRows

    return FileRows(
        files,
        reading=reading,
        runner=runner,
        left_out=left_out,
        components=int(mixture.n_components),
        progress=progress,
        start=start,
        stop=stop,
    )


def _plan(
    mixture: VMFMixture, files: Sequence[EmbeddingFile], reading: Reading, batch: int | None
) -> dict[str, Any]:
    """All that decides about the mixture, as JSON."""
    settings = {
        "components": mixture.n_components,
        "assignment": mixture.assignment,
        "estimator": mixture.estimator,
        "iterations": mixture.max_iter,
        "tolerance": mixture.tol,
        "starts": mixture.n_init,
        "seed": mixture.random_state,
        **({} if batch is None else {"batch": batch}),
    }
    return {
        "files": [file_entry(file) for file in files],
        **settings,
        **reading_settings(reading),
    }


def _in_passes(
    mixture: VMFMixture,
    rows: FileRows,
    keeper: Keeper[MixtureCheckpoint] | None,
    plan: dict[str, Any],
) -> None:
    if keeper is None:
        mixture.fit(rows)
        return
    before = keeper.begin(plan)
    state = before

    def keep(standing: Standing) -> None:
        nonlocal state
        state = kept = MixtureCheckpoint(plan, standing)
        keeper.offer(lambda: kept)

    try:
        mixture.fit_resumable(rows, None if before is None else before.standing, keep)
    except BaseException as error:
        if state is not None:
            keeper.keep(state, error)
        raise


def _in_batches(
    mixture: VMFMixture,
    files: Sequence[EmbeddingFile],
    batch: int,
    reading: Reading,
    runner: Runner,
    keeper: Keeper[MixtureCheckpoint] | None,
    plan: dict[str, Any],
    progress: Callable[[int, int], None],
) -> None:
    total = sum(file.rows for file in files)
    state = keeper.begin(plan) if keeper else None
    if state is not None:
        mixture.go_on_from(state.standing.state)
    done = state.rows if state else 0
    in_batches = _held_batches if runner.is_here else _spread_batches
    try:
        for rows, after in in_batches(mixture, files, batch, reading, runner, done, total):
            if rows is not None:
                mixture.partial_fit(rows)
            if keeper and hasattr(mixture, "mean_directions_"):
                state = kept = MixtureCheckpoint(plan, mixture.standing(), after)
                keeper.offer(lambda kept=kept: kept)  # type: ignore[misc]
            progress(after, total)
    except BaseException as error:
        if keeper and state is not None:
            keeper.keep(state, error)
        raise
    if not hasattr(mixture, "mean_directions_"):
        raise EmbeddingError(files[0].path, "holds no usable rows")


def _ends(batch: int, done: int, total: int) -> Iterator[tuple[int, int]]:
    """First row and end of each batch after the row `done`.

    What is left at the end joins the batch before it, for it may hold too few rows to begin with.
    """
    last = max(total // batch, 1) * batch - batch
    for first in range(done, last + 1, batch):
        yield first, total if first == last else first + batch


Batches = Iterator[tuple["FloatRows | FileRows | None", int]]


def _spread_batches(
    mixture: VMFMixture,
    files: Sequence[EmbeddingFile],
    batch: int,
    reading: Reading,
    runner: Runner,
    done: int,
    total: int,
) -> Batches:
    """Yield batches that the workers read whenever they are asked for, and the row after each."""
    for first, end in _ends(batch, done, total):
        rows = _rows(mixture, files, reading, runner, None, None, first, end)
        yield (None if rows.zero is not None and rows.zero.all() else rows), end


def _held_batches(
    mixture: VMFMixture,
    files: Sequence[EmbeddingFile],
    batch: int,
    reading: Reading,
    runner: Runner,
    done: int,
    total: int,
) -> Batches:
    """Yield the usable rows of each batch, in memory, and the row after it; by one pass."""
    dimension = files[0].dimension
    width = max(file.native_dtype.itemsize for file in files)
    size = max(batch * dimension * width, 1)
    task = UsableRows(reading.bad_rows, size, (_BATCH_COPIES - 1) * size)
    allowed, _ = chunk_bytes(task, files, reading)
    if allowed < reading.chunk_bytes_for(task):
        raise MemoryBudgetError(
            None,
            Argument("batch"),
            f" of {batch} rows does not fit into ",
            Argument("memory"),
            "; take fewer rows",
        )
    ends = list(_ends(batch, done, total))
    held: list[FloatRows] = []
    for step in engine.run(task, files, reading, runner=runner, skip=done):
        if step.found is None:
            continue
        usable, rows = step.found[0], used(*step.found)
        while ends and step.rows >= ends[0][1]:
            _, end = ends.pop(0)
            inside = len(usable) - (step.rows - end)
            head = int(np.count_nonzero(usable[:inside]))
            own = np.concatenate([*held, rows[:head]])
            yield (own if len(own) else None), end
            held, usable, rows = [], usable[inside:], rows[head:]
        held.append(rows)
