"""Images to a file of features."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from vmf.embeddings.labels import label_file, read_labels
from vmf.errors import Argument, FeatureError, Part, PathLike
from vmf.features.images import Images
from vmf.features.journal import rows_kept
from vmf.features.open_images import open_images
from vmf.features.processes import Processes, join_processes
from vmf.features.requirements import require_torch
from vmf.features.unfinished import (
    Unfinished,
    earlier_plan,
    labels_path,
    names_path,
    read_sidecar,
    refuse_existing,
    sidecar_path,
)
from vmf.output import check_output

if TYPE_CHECKING:
    from torch import nn

    from vmf.features.backbones import Backbone
    from vmf.features.cifar10 import Split
    from vmf.features.device import Precision
    from vmf.features.embedding import Batch, Launched
    from vmf.features.task import Task

Progress = Callable[[int, int], None]
"""Called with the images done so far and the images in all, of this process."""

FeatureType = Literal["float32", "float16"]
OnBadImages = Literal["error", "skip"]

_READ_AHEAD = 2
"""Batches in memory beside the one that is computed."""


@dataclass(frozen=True)
class Extraction:
    """What :func:`extract` has written.

    Attributes
    ----------
    features, sidecar : Path
    labels, names : Path or None
        Files with one label, and one file name, a row; None where the images have none.
    rows, dimension : int
    computed : int
        Rows computed in this call, by all processes; fewer than ``rows`` when it resumed.
    seconds : float
        Taken for those, without the time to load the network.
    facts : dict
        The contents of the sidecar.
    is_first : bool
        Whether this is the first of several processes.
    """

    features: Path
    sidecar: Path
    labels: Path | None
    names: Path | None
    rows: int
    dimension: int
    computed: int
    seconds: float
    facts: dict[str, Any]
    is_first: bool = True

    @property
    def images_per_second(self) -> float:
        """Of all processes together; 0 when nothing was left to compute."""
        return self.computed / self.seconds if self.seconds else 0.0


def extract(
    images: PathLike | Any,
    output: PathLike,
    *,
    backbone: str | nn.Module | Backbone = "resnet50",
    weights: PathLike | None = None,
    description: PathLike | None = None,
    facts: Mapping[str, Any] | None = None,
    size: int | None = None,
    pool: bool = False,
    split: Split = "train",
    data_folder: PathLike | None = None,
    limit: int | None = None,
    labels: str | None = None,
    dtype: FeatureType = "float32",
    batch_size: int | None = None,
    device: str = "auto",
    precision: Precision = "float32",
    compiled: bool = False,
    on_bad_images: OnBadImages = "error",
    check: bool = True,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> Extraction:
    """Write a network's features of images, one row an image, to a ``.npy``.

    Beside ``features.npy`` come ``features.json``, all that decided about the numbers (weights and
    their checksum, preprocessing, sizes, device, versions), ``features.labels.npy`` where the
    images have labels and ``features.names.txt`` where each has a file. They appear when they are
    complete. A run that ends before leaves what it has done in two hidden files; ``resume=True``
    goes on from there, to the same bytes.

    Parameters
    ----------
    images : path-like, str or dataset
        See :func:`vmf.features.open_images.open_images`.
    output : path-like
        A ``.npy`` file.
    backbone, weights, description, facts
        See :func:`vmf.features.load_backbone`; or what it returned, as ``backbone`` alone.
    size : int, optional
        Pixels that the shorter side is brought to before the centre is cut out as a square. By
        default the size of the images themselves when all have one (CIFAR-10: 32), else what the
        description of the weights says. A ResNet makes a map of size/32 x size/32 positions of it.
    pool : bool
        Average a map over its positions: 2048 dimensions from a ResNet50 at every size. Otherwise
        it is flattened, channel first.
    split, data_folder
        See :func:`vmf.features.open_images.open_images`.
    limit : int, optional
        Only the first so many images.
    labels : str, optional
        ``FILE`` or ``FILE:COLUMN`` with a label an image, instead of the images' own; see
        :func:`vmf.embeddings.labels.read_labels`.
    dtype : {"float32", "float16"}
        Of the features in the file.
    batch_size : int, optional
        Images that go through the network together. Convolutions of another batch size may round
        differently; the sidecar notes the size.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``, ...
    precision : {"float32", "tf32", "bfloat16", "float16"}
        Of the computation; see :class:`vmf.features.device.Device`.
    compiled : bool
        Compile the network with torch.compile.
    on_bad_images : {"error", "skip"}
        An image that cannot be read stops everything, or gets a row of NaN, which a fit leaves out
        with ``on_bad_rows="skip"``.
    check : bool
        Compare the network with the fingerprint of its weights, or with the statistics in them;
        see `vmf.features.fingerprint` and `vmf.features.batch_statistics`.
    overwrite : bool
        Begin anew and replace what is there.
    resume : bool
        Go on with an unfinished extraction, if there is one. A finished one with the same settings
        is left as it is.
    progress : callable, optional
        See :data:`Progress`.

    Returns
    -------
    Extraction

    Raises
    ------
    FeatureError, EmbeddingError
        When images, weights or settings cannot be used; one line that says what to do.
    OSError
        When a file cannot be read or written.

    Notes
    -----
    Under torchrun every process calls this with the same arguments; see `vmf.features.processes`.
    """
    require_torch()
    from vmf.features.backbones import Backbone, load_backbone
    from vmf.features.checks import check_network
    from vmf.features.device import choose_device
    from vmf.features.task import earlier_settings, plan_task

    target = Path(os.path.realpath(output))
    with join_processes() as processes, processes.failing_together():
        inputs = [
            path for path in (images, weights, description) if isinstance(path, (str, os.PathLike))
        ]
        check_output(target, inputs, (".npy",))
        if overwrite and resume:
            raise FeatureError(target, "is to be resumed and to be overwritten; choose one")
        if processes.is_first and not (overwrite or resume):
            refuse_existing(target)
        source = open_images(images, split=split, data_folder=data_folder)
        earlier_size, threads = earlier_settings(earlier_plan(target) if resume else None)
        with _threads(threads), closing(Unfinished(target, processes.rank)) as unfinished:
            task = plan_task(
                source,
                backbone
                if isinstance(backbone, Backbone)
                else load_backbone(backbone, weights, description=description, facts=facts),
                choose_device(device, precision, processes.local_rank),
                size=size,
                pool=pool,
                limit=limit,
                dtype=dtype,
                batch_size=batch_size or earlier_size,
                compiled=compiled,
            )
            own_labels = None if labels is None else _labels_from(labels, source)
            findings: dict[str, Any] = {}
            is_new = True
            if processes.is_first:
                if on_bad_images == "error" and (problem := source.first_unreadable(task.rows)):
                    raise problem
                findings = check_network(task, wanted=check)
                is_new = unfinished.claim(task.plan, resume=resume, overwrite=overwrite)
            processes.meet()
            if not processes.is_first:
                is_new = unfinished.attach()
            processes.meet()
            begin, computed = time.perf_counter(), 0
            if is_new:
                computed = _compute(task, unfinished, processes, on_bad_images == "skip", progress)
            computed = processes.total(computed)
            seconds = time.perf_counter() - begin
            if processes.is_first and is_new:
                unfinished.finish(
                    {**task.plan, **findings},
                    source.labels(task.rows) if own_labels is None else own_labels[: task.rows],
                    None if source.names is None else source.names[: task.rows],
                )
            processes.meet()
    labels_file, names_file = labels_path(target), names_path(target)
    return Extraction(
        target,
        sidecar_path(target),
        labels_file if labels_file.exists() else None,
        names_file if names_file.exists() else None,
        task.rows,
        int(task.plan["dimension"]),
        computed,
        seconds,
        read_sidecar(target) or {},
        processes.is_first,
    )


def _compute(
    task: Task,
    unfinished: Unfinished,
    processes: Processes,
    skip: bool,
    progress: Progress | None,
) -> int:
    """Compute this process's part of the remaining batches; the number of rows."""
    batches = processes.share(unfinished.remaining())
    total = sum(stop - start for start, stop in map(unfinished.rows_of, batches))
    earlier = task.rows - total if processes.count == 1 else 0
    computed = 0
    task.embedder.piece = min(
        [task.embedder.piece, *(done.piece for done in unfinished.done.values())]
    )
    for batch, loaded, launched in _pipeline(task, unfinished, batches):
        start, stop = unfinished.rows_of(batch)
        if loaded.bad and not skip:
            kept = rows_kept(unfinished.output)
            going_on: tuple[Part, ...] = (
                ", with ",
                Argument("resume", True),
                f" to keep the {kept} rows that are done",
            )
            raise FeatureError(
                None,
                *loaded.bad[min(loaded.bad)].parts,
                "; correct or remove it, or give such images a row of NaN: ",
                Argument("on_bad_images", "skip"),
                *(going_on if kept else ()),
            )
        rows = launched.wait()
        bad = np.array(sorted(loaded.bad), int)
        rows[bad - start] = np.nan
        with np.errstate(over="ignore"):  # looked for in what is stored
            stored = rows.astype(task.plan["dtype"])
        _check_finite(rows, stored, bad - start, start)
        unfinished.add(batch, stored, launched.piece, tuple(bad.tolist()))
        computed += stop - start
        if progress:
            progress(earlier + computed, earlier + total)
    return computed


def _pipeline(
    task: Task, unfinished: Unfinished, batches: Sequence[int]
) -> Iterator[tuple[int, Batch, Launched]]:
    """Batches and their features; while one is computed, the next are read.

    A CUDA device computes in the background: the features of a batch are handed on when the next
    one has been launched, so that the device does not wait for the disk.
    """
    embedder, queue = task.embedder, iter(batches)
    launched: deque[tuple[int, Batch, Launched]] = deque()
    lag = int(embedder.device.kind == "cuda")
    reader = ThreadPoolExecutor(1)

    def read_ahead(count: int) -> Iterator[tuple[int, Future[Batch]]]:
        for batch in islice(queue, count):
            yield batch, reader.submit(embedder.load, task.images, *unfinished.rows_of(batch))

    try:
        reading = deque(read_ahead(_READ_AHEAD))
        while reading:
            batch, future = reading.popleft()
            loaded = future.result()
            reading.extend(read_ahead(1))
            launched.append((batch, loaded, embedder.launch(loaded)))
            if len(launched) > lag:
                yield launched.popleft()
        yield from launched
    finally:
        reader.shutdown(cancel_futures=True)


def _check_finite(
    computed: npt.NDArray[Any], stored: npt.NDArray[Any], bad: npt.NDArray[Any], start: int
) -> None:
    """Refuse features that are not numbers, but for the rows of images that could not be read."""
    wrong = ~np.isfinite(stored).all(axis=1)
    wrong[bad] = False
    if not wrong.any():
        return
    row = int(wrong.argmax())
    if np.isfinite(computed[row]).all():
        largest = float(np.abs(computed[row]).max())
        raise FeatureError(
            None,
            f"row {start + row} has a feature of {largest:.4g}, too large for {stored.dtype}; store"
            " float32",
        )
    raise FeatureError(
        None,
        f"row {start + row} has features that are not finite; the weights do not fit the network,"
        " or the precision is too low for it",
    )


def _labels_from(source: str, images: Images) -> npt.NDArray[Any]:
    found = read_labels(source)
    if len(found) != len(images):
        raise FeatureError(
            label_file(source),
            f"has {len(found)} labels, but there are {len(images)} images; there must be one label"
            " an image",
        )
    return np.array(found.classes)[found.codes]


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Compute with as many threads as an earlier run."""
    import torch

    before = torch.get_num_threads()
    try:
        if count is not None and count != before:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
