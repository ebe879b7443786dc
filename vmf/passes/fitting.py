"""Fits of embedding files that can be interrupted, gone on with, and added to a fitted model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from vmf.embeddings.atomic_output import PathLike, check_output
from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.fitting import (
    Progress,
    SoFar,
    fitted_model,
    labels_for,
    nothing_read,
    open_groups,
    statistics_so_far,
)
from vmf.embeddings.left_out import LeftOut, OnBadFiles
from vmf.estimation import Estimator, SufficientStatistics
from vmf.estimation.rows import OnBadRows
from vmf.model_file import MODEL_EXTENSIONS, Model, load_model, save_model
from vmf.passes.checkpoint import (
    Checkpoint,
    file_entry,
    load_checkpoint,
    reading_settings,
    save_checkpoint,
)
from vmf.passes.keeper import SECONDS_BETWEEN_CHECKPOINTS, Keeper
from vmf.passes.merging import as_estimator, check_addition, load_models, merge_models
from vmf.passes.output import claimed_output, claimed_outputs

if TYPE_CHECKING:
    from distributed import Client

    from vmf.embeddings.labels import Labels


def fit_to_file(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    labels: Sequence[PathLike] = (),
    estimator: Estimator | None = None,
    on_bad_rows: OnBadRows = "error",
    column: str | None = None,
    scale: npt.ArrayLike | None = None,
    update: PathLike | None = None,
    new_classes: bool = False,
    checkpoint: PathLike | None = None,
    resume: bool = False,
    seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
    on_bad_files: OnBadFiles = "error",
    memory: int | None = None,
    progress: Progress | None = None,
    client: Client | None = None,
) -> Model:
    """Fit files as :func:`vmf.embeddings.fitting.fit_files` does, and write the model.

    Parameters
    ----------
    paths, labels, on_bad_rows, column, scale, on_bad_files, memory, progress, client
        As there. A pass in one process goes on with a cluster, and the other way round.
    output : path-like
        The model file; appears complete or not at all. One process at a time writes it.
    estimator : str, optional
        Of the concentration; by default that of ``update``, else "unbiased".
    update : path-like, optional
        A model that the rows are added to. ``output`` may be the same file.
    new_classes : bool
        With ``update``: allow labels that the model does not have.
    checkpoint : path-like, optional
        Where the state of the pass is kept every ``seconds``, and when it ends early. Removed when
        the model is written.
    resume : bool
        Go on from the checkpoint if it is there.

    Returns
    -------
    Model
        Resumed or not, and with ``update`` as after one fit of all rows, with the same bits of
        kappa; see :mod:`vmf.estimation.statistics`.

    Raises
    ------
    EmbeddingError, ModelFileError
        When something cannot be fitted, read, or gone on with.
    PassStopped
        When a signal ended the pass and there is a checkpoint.
    """
    inputs = [*paths]
    if labels:
        from vmf.embeddings.labels import label_file

        inputs += map(label_file, labels)
    check_output(output, inputs, MODEL_EXTENSIONS)
    if checkpoint is not None:
        check_output(checkpoint, [*inputs, output, *([] if update is None else [update])])
    elif resume:
        raise EmbeddingError(None, "--resume needs the file to go on from: --checkpoint FILE")
    if new_classes and update is None:
        raise EmbeddingError(None, "--new-classes needs the model to add to: --update MODEL")
    base = None if update is None else load_model(update)
    with ExitStack() as claimed:
        claimed.enter_context(claimed_outputs(checkpoint, output))
        keeper = None
        if checkpoint is not None:
            keeper = Keeper(
                checkpoint,
                resume=resume,
                load=load_checkpoint,
                save=save_checkpoint,
                seconds=seconds,
            )
        left_out = LeftOut() if on_bad_files == "skip" else None
        groups = open_groups(paths, column, scale, left_out)
        files = [file for group in groups for file in group]
        check_output(output, [file.path for file in files])
        if base is not None and update is not None:
            check_addition(base, update, files[0], bool(labels), estimator)
        # Rows that are added to a model need not have a fit of their own, as a single one has not.
        chosen: Estimator = "map" if base is not None else estimator or "unbiased"
        found = labels_for(groups, labels) if labels else None
        settings = reading_settings(on_bad_rows, column, scale, on_bad_files)
        statistics = _statistics(
            files, found, settings, on_bad_rows, column, keeper, memory, progress, client, left_out
        )
        model = fitted_model(files, found, statistics, chosen, left_out)
        if base is not None and update is not None:
            known = set(model.classes) <= set(base.classes)
            model = merge_models(
                [base, model],
                [update, paths[0] if len(paths) == 1 else f"the {len(paths)} files"],
                estimator=estimator or as_estimator(base.estimator, update),
                new_classes=new_classes or known,
            )
        save_model(model, output)
        if checkpoint is not None:
            Path(checkpoint).unlink(missing_ok=True)
    return model


def merge_to_file(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    estimator: Estimator | None = None,
    new_classes: bool = False,
) -> Model:
    """Merge model files into one; see :func:`vmf.passes.merging.merge_models`."""
    check_output(output, paths, MODEL_EXTENSIONS)
    models = load_models(paths)
    with claimed_output(output):
        model = merge_models(models, paths, estimator=estimator, new_classes=new_classes)
        save_model(model, output)
    return model


def _statistics(
    files: Sequence[EmbeddingFile],
    labels: Labels | None,
    settings: dict[str, Any],
    on_bad_rows: OnBadRows,
    column: str | None,
    keeper: Keeper[Checkpoint] | None,
    memory: int | None,
    progress: Progress | None,
    client: Client | None,
    left_out: LeftOut | None,
) -> tuple[SufficientStatistics, ...]:
    """One pass over the rows of all files; one entry a class."""
    plan = {**_plan(files, labels), **settings} if keeper else {}
    state = Checkpoint(plan, 0, nothing_read(files, labels))
    if keeper:
        state = keeper.begin(plan) or state
    if left_out is not None:
        left_out.damaged.update(state.damaged)
    total = sum(file.rows for file in files) if progress else 0
    running = statistics_so_far(
        client, files, labels, state.statistics, column, on_bad_rows, state.rows, memory, left_out
    )

    def checkpoint() -> Checkpoint:
        done, so_far, damaged = reached
        return Checkpoint(plan, done, so_far(), damaged)

    reached: tuple[int, SoFar, dict[int, str]]
    reached = state.rows, partial(tuple, state.statistics), dict(state.damaged)
    try:
        for done, so_far in running:
            # One assignment, so that an interrupt finds rows and statistics that belong together.
            reached = done, so_far, dict(left_out.damaged) if left_out else {}
            if progress:
                progress(done, total)
            if keeper:
                keeper.offer(checkpoint)
    except BaseException as error:
        if keeper and reached[0]:
            keeper.keep(checkpoint(), error)
        raise
    return reached[1]()


def _plan(files: Sequence[EmbeddingFile], labels: Labels | None) -> dict[str, Any]:
    digest = None
    if labels is not None:
        found = hashlib.sha256("\0".join(labels.classes).encode())
        found.update(labels.codes.tobytes())
        digest = found.hexdigest()
    return {
        "files": [file_entry(file) for file in files],
        "dimension": files[0].dimension,
        "labels": digest,
    }


def already_read(update: PathLike, paths: Sequence[PathLike]) -> list[str]:
    """Names of files that a model has among its sources; their rows may count double."""
    sources = set(load_model(update).sources)
    return [os.path.basename(os.fspath(path)) for path in paths if Path(path).name in sources]
