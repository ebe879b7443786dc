"""From embedding files to a model: files -> blocks -> statistics -> solve.

A fit can be interrupted, gone on with, and added to a fitted model.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vmf.distribution.fitting import fitted_model
from vmf.distribution.merging import as_estimator, check_addition, load_models, merge_models
from vmf.distribution.model import MODEL_EXTENSIONS, Model, load_model, save_model
from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.embeddings.left_out import LeftOut, mentioned
from vmf.embeddings.opening import Progress, labels_for, open_groups
from vmf.errors import Argument, EmbeddingError, PathLike
from vmf.estimation import Estimator, SufficientStatistics
from vmf.output import check_output, claimed_output, claimed_outputs
from vmf.passes.checkpoint import (
    Checkpoint,
    file_entry,
    load_checkpoint,
    reading_settings,
    save_checkpoint,
)
from vmf.passes.engine import Reading, Runner, run
from vmf.passes.here import Here
from vmf.passes.keeper import SECONDS_BETWEEN_CHECKPOINTS, Keeper, check_checkpoint
from vmf.passes.statistics import Gather, running

if TYPE_CHECKING:
    from vmf.embeddings.labels import Labels


def fit_files(
    paths: Sequence[PathLike],
    *,
    labels: Sequence[PathLike] = (),
    estimator: Estimator = "unbiased",
    reading: Reading = Reading(),
    runner: Runner = Here(),
    progress: Progress | None = None,
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
    reading : Reading
        How files are read. Bad rows that are skipped are left out and counted; of files that are
        skipped, wherever the damage is, none of the rows counts: ``model.left_out`` says which and
        why.
    runner : Runner
        This process, or the workers of a cluster (`vmf.cluster.open_runner`). The bits of the result
        are the same.
    progress : callable, optional
        See :data:`vmf.embeddings.opening.Progress`.

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
    left_out = reading.left_out()
    groups = open_groups(paths, reading.column, reading.scale, left_out)
    return _fit(groups, labels, estimator, reading, runner, progress, left_out)


def fit_to_file(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    labels: Sequence[PathLike] = (),
    estimator: Estimator | None = None,
    reading: Reading = Reading(),
    runner: Runner = Here(),
    update: PathLike | None = None,
    new_classes: bool = False,
    checkpoint: PathLike | None = None,
    resume: bool = False,
    seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
    progress: Progress | None = None,
) -> Model:
    """Fit files as :func:`fit_files` does, and write the model.

    Parameters
    ----------
    paths, labels, reading, runner, progress
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
    check_checkpoint(checkpoint, resume, [*inputs, output, *([] if update is None else [update])])
    if new_classes and update is None:
        raise EmbeddingError(
            None,
            Argument("new_classes", True),
            " needs the model to add to: ",
            Argument("update", "MODEL"),
        )
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
        left_out = reading.left_out()
        groups = open_groups(paths, reading.column, reading.scale, left_out)
        first = groups[0][0] if groups[0] else next(group for group in groups if group)[0]
        check_output(output, [file.path for group in groups for file in group])
        if base is not None and update is not None:
            check_addition(base, update, first.path, first.dimension, bool(labels), estimator)
        # Rows that are added to a model need not have a fit of their own, as a single one has not.
        chosen: Estimator = "map" if base is not None else estimator or "unbiased"
        model = _fit(groups, labels, chosen, reading, runner, progress, left_out, keeper)
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
    """Merge model files into one; see :func:`vmf.distribution.merging.merge_models`."""
    check_output(output, paths, MODEL_EXTENSIONS)
    models = load_models(paths)
    with claimed_output(output):
        model = merge_models(models, paths, estimator=estimator, new_classes=new_classes)
        save_model(model, output)
    return model


def already_read(update: PathLike, paths: Sequence[PathLike]) -> list[str]:
    """Names of files that a model has among its sources; their rows may count double."""
    sources = set(load_model(update).sources)
    return [os.path.basename(os.fspath(path)) for path in paths if Path(path).name in sources]


def _fit(
    groups: Sequence[Sequence[EmbeddingFile]],
    labels: Sequence[PathLike],
    estimator: Estimator,
    reading: Reading,
    runner: Runner,
    progress: Progress | None,
    left_out: LeftOut | None,
    keeper: Keeper[Checkpoint] | None = None,
) -> Model:
    files = [file for group in groups for file in group]
    found = None
    if labels:
        with mentioned(left_out):
            found = labels_for(groups, labels)
    statistics = _statistics(files, found, reading, runner, progress, left_out, keeper)
    if left_out is not None:
        left_out.check(len(files) - len(left_out.damaged))
        files = [file for i, file in enumerate(files) if i not in left_out.damaged]
    where = str(files[0].path) if len(files) == 1 else f"{files[0].path} and {len(files) - 1} more"
    return fitted_model(
        where,
        [None] if found is None else list(found.classes),
        statistics,
        estimator,
        eps=float(max(np.finfo(file.native_dtype).eps for file in files)),
        sources=tuple(file.path.name for file in files),
        left_out=() if left_out is None else left_out.lines,
    )


def _statistics(
    files: Sequence[EmbeddingFile],
    labels: Labels | None,
    reading: Reading,
    runner: Runner,
    progress: Progress | None,
    left_out: LeftOut | None,
    keeper: Keeper[Checkpoint] | None,
) -> tuple[SufficientStatistics, ...]:
    """One pass over the rows of all files; one entry a class."""
    codes, classes = None, None
    if labels is not None:
        classes = len(labels.classes)
        codes = labels.codes.astype(np.min_scalar_type(classes))
    task = Gather(files[0].dimension, classes, reading.bad_rows)
    plan = {**_plan(files, labels), **reading_settings(reading)} if keeper else {}
    state = Checkpoint(plan, 0, task.tuple_of({}))
    if keeper:
        state = keeper.begin(plan) or state
    if left_out is not None:
        left_out.damaged.update(state.damaged)
    # One assignment a step, so that an interrupt finds rows and statistics that belong together.
    reached = state.rows, running(state.statistics), dict(state.damaged)

    def checkpoint() -> Checkpoint:
        rows, found, damaged = reached
        return Checkpoint(plan, rows, task.tuple_of(found), damaged)

    try:
        for step in run(
            task,
            files,
            reading,
            runner=runner,
            columns=[codes],
            skip=state.rows,
            left_out=left_out,
            progress=progress,
        ):
            now = reached[1] if step.found is None else task.merge([reached[1], step.found])
            reached = step.rows, now, step.damaged
            if keeper:
                keeper.offer(checkpoint)
    except BaseException as error:
        if keeper and reached[0]:
            keeper.keep(checkpoint(), error)
        raise
    return task.tuple_of(reached[1])


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
