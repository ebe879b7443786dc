"""Mixtures fitted to files: passes of EM over all rows, or one pass in batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from vmf.embeddings.atomic_output import PathLike, check_output
from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.fitting import bad_row, open_files
from vmf.embeddings.memory_budget import MemoryBudget
from vmf.embeddings.row_stream import row_stream
from vmf.estimation import BadRowError, DegenerateFitError, Estimator
from vmf.estimation.rows import OnBadRows, find_fault, row_sums, usable_norms
from vmf.model_file import MODEL_EXTENSIONS, Model, save_model
from vmf.passes.checkpoint import file_entry, reading_settings
from vmf.passes.keeper import SECONDS_BETWEEN_CHECKPOINTS, Keeper
from vmf.passes.mixture_checkpoint import (
    MixtureCheckpoint,
    load_mixture_checkpoint,
    save_mixture_checkpoint,
)
from vmf.passes.output import claimed_outputs

if TYPE_CHECKING:
    from distributed import Client

    from vmf.models import VMFMixture
    from vmf.models.em import Standing
    from vmf.models.file_rows import FileRows

PassProgress = Callable[[int, int, int], None]
"""Called with the number of the pass, from 0, and the rows of it done so far and in all."""

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
    notes : tuple of str
        What the fit warned of.
    """

    model: Model
    iterations: int
    converged: bool
    log_likelihood: float
    notes: tuple[str, ...]


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
    column: str | None = None,
    scale: npt.ArrayLike | None = None,
    on_bad_rows: OnBadRows = "error",
    memory: int | None = None,
    progress: PassProgress | None = None,
    client: Client | None = None,
    checkpoint: PathLike | None = None,
    resume: bool = False,
    seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
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
        Read the files once, so many rows at a time: the first are fitted, those after them assigned
        and added. Without it, every iteration reads all of them.
    column, scale
        See `vmf.embeddings.open_embeddings`.
    on_bad_rows : {"error", "skip"}
        For rows with NaN or infinity and zero rows.
    memory : int, optional
        Bytes that this process may take in all; with `client`, that each worker may take.
    progress : callable, optional
        See `PassProgress`.
    client : distributed.Client, optional
        Whose workers read the files, see `vmf.cluster`; not with `batch`. The result does not depend
        on their number; from that of one process it differs by the rounding of sums.
    checkpoint : path-like, optional
        Where the parameters are kept after an iteration, every ``seconds``, and when the fit ends
        early; not with `batch`. Removed when the model is written.
    resume : bool
        Go on from the checkpoint if it is there. The model has the same bits as without an end in
        between.

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
            None, f"--batch {batch}: a batch needs {max(2, components)} rows or more"
        )
    if checkpoint is not None:
        check_output(checkpoint, [*paths, output])
    elif resume:
        raise EmbeddingError(None, "--resume needs the file to go on from: --checkpoint FILE")
    if batch is not None and client is not None:
        raise EmbeddingError(
            None, "--batch is for one process; leave out --cluster and --workers, or --batch"
        )
    if batch is not None and checkpoint is not None:
        raise EmbeddingError(
            None, "--checkpoint keeps iterations, which --batch has none of; leave one of them out"
        )
    files = open_files(paths, column, scale)
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
        try:
            if batch is None:
                rows = _rows(mixture, files, column, on_bad_rows, memory, progress, client)
                plan = _plan(mixture, files, reading_settings(on_bad_rows, column, scale, "error"))
                _in_passes(mixture, rows, keeper, plan)
            else:
                _in_batches(mixture, files, batch, on_bad_rows, memory, progress)
            model = as_model(mixture)
        except DegenerateFitError as error:
            raise EmbeddingError(files[0].path, str(error)) from error
        except ValueError as error:
            if isinstance(error, EmbeddingError):
                raise
            raise EmbeddingError(None, str(error)) from error
        names = tuple(file.path.name for file in files)
        model = replace(model, sources=names)
        save_model(model, output)
        if checkpoint is not None:
            Path(checkpoint).unlink(missing_ok=True)
    return MixtureFit(
        model=model,
        iterations=0 if batch else mixture.n_iter_,
        converged=batch is None and mixture.converged_,
        log_likelihood=mixture.lower_bound_,
        notes=tuple(dict.fromkeys(str(one.message) for one in caught)),
    )


def _rows(
    mixture: VMFMixture,
    files: Sequence[EmbeddingFile],
    column: str | None,
    on_bad_rows: OnBadRows,
    memory: int | None,
    progress: PassProgress | None,
    client: Client | None,
) -> FileRows:
    from vmf.models.file_rows import FileRows

    number = 0

    def report(done: int, total: int) -> None:
        nonlocal number
        if progress:
            progress(number, done, total)
        number += done == total

    skip = on_bad_rows == "skip"
    how: dict[str, Any] = {
        "zero_rows_allowed": skip,
        "bad_rows_allowed": skip,
        "memory": memory,
        "components": int(mixture.n_components),
        "progress": report,
    }
    if client is None:
        return FileRows(files, **how)
    from vmf.cluster.file_rows import SpreadFileRows

    return SpreadFileRows(files, client, column, **how)


def _plan(
    mixture: VMFMixture, files: Sequence[EmbeddingFile], reading: dict[str, Any]
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
    }
    return {"files": [file_entry(file) for file in files], **settings, **reading}


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
    on_bad_rows: OnBadRows,
    memory: int | None,
    progress: PassProgress | None,
) -> None:
    total = sum(file.rows for file in files)
    done = 0
    for rows, read in _batches(files, batch, on_bad_rows, memory):
        if len(rows):
            mixture.partial_fit(rows)
        done += read
        if progress:
            progress(0, done, total)
    if not done or not hasattr(mixture, "mean_directions_"):
        raise EmbeddingError(files[0].path, "holds no usable rows")


def _batches(
    files: Sequence[EmbeddingFile], batch: int, on_bad_rows: OnBadRows, memory: int | None
) -> Iterator[tuple[FloatRows, int]]:
    """Yield the usable rows of every `batch` rows, and how many were read for them.

    What is left at the end joins the batch before it, for it may hold too few rows to begin with.
    """
    width = max(file.native_dtype.itemsize for file in files)
    dimension = files[0].dimension
    budget = None if memory is None else MemoryBudget(memory)
    chunk_bytes = max(batch * dimension * width, 1)
    if budget is not None:
        limit = budget.chunk_bytes(files, chunk_bytes, (_BATCH_COPIES - 1) * chunk_bytes)
        if limit < chunk_bytes:
            raise EmbeddingError(
                None, f"--batch {batch} does not fit into --memory; take fewer rows"
            )
    waiting: list[FloatRows] = []
    read = 0
    for chunk in row_stream(files, chunk_bytes=chunk_bytes, budget=budget):
        waiting.append(_checked(chunk.rows, chunk.file, chunk.start, on_bad_rows))
        read += len(chunk.rows)
        if sum(map(len, waiting)) >= 2 * batch:
            joined = np.concatenate(waiting)
            yield joined[:batch], read - (len(joined) - batch)
            waiting, read = [joined[batch:]], len(joined) - batch
    yield np.concatenate(waiting), read


def _checked(rows: FloatRows, file: EmbeddingFile, start: int, on_bad_rows: OnBadRows) -> FloatRows:
    """The rows that have a direction; EmbeddingError for others, unless they are to be skipped."""
    sound = usable_norms(row_sums(rows, None).squared_norms)
    for index in np.flatnonzero(~sound):
        fault = find_fault(rows[index].astype(np.float64))
        if fault is not None and on_bad_rows == "error":
            raise bad_row(file, BadRowError(start + int(index), *fault))
        sound[index] = fault is None
    return rows if sound.all() else rows[sound]
