"""Images to a file of features."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vmf.embeddings.atomic_output import PathLike, atomic_output, check_output
from vmf.features.cifar10 import Cifar10, Split, is_cifar10_folder
from vmf.features.errors import FeatureError

Progress = Callable[[int, int], None]
"""Called with the images done so far and the images in all."""


@dataclass(frozen=True)
class Extraction:
    """What :func:`extract` wrote."""

    features: Path
    labels: Path | None
    sidecar: Path
    rows: int
    dimension: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Images a second."""
        return self.rows / self.seconds if self.seconds else float("inf")


def extract(
    images: PathLike,
    output: PathLike,
    *,
    backbone: str = "resnet50",
    weights: PathLike,
    size: int = 32,
    pool: bool = False,
    split: Split = "train",
    limit: int | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    batch_size: int = 256,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Extraction:
    """Write one row of features an image to a ``.npy``, the labels and a JSON sidecar beside it."""
    import torch
    from torch.nn import functional

    from vmf.features.backbones import load_backbone
    from vmf.features.weights import load_weights

    target = Path(output)
    check_output(target, extensions=(".npy",))
    if target.exists() and not overwrite:
        raise FeatureError(target, "exists; write elsewhere, or replace it with --overwrite")
    folder = Path(images)
    if not is_cifar10_folder(folder):
        raise FeatureError(folder, "is not a folder of CIFAR-10's binary files")
    source = Cifar10.from_folder(folder, split)
    count = len(source) if limit is None else min(limit, len(source))
    loaded = load_weights(Path(weights))
    network = load_backbone(backbone, loaded)

    def embed(start: int, stop: int) -> Any:
        with torch.inference_mode():
            batch = torch.from_numpy(source.read(start, stop)).float()
            if batch.shape[-1] != size:
                batch = functional.interpolate(
                    batch, size=(size, size), mode="bilinear", align_corners=False, antialias=False
                )
            rows = network(loaded.preprocessing.apply(batch))
            return (rows.mean((2, 3)) if pool else rows.flatten(1)).numpy()

    begin = time.perf_counter()
    with atomic_output(target) as temporary:
        stored: np.memmap[Any, Any] | None = None
        for start in range(0, count, batch_size):
            rows = embed(start, min(start + batch_size, count))
            if stored is None:
                stored = np.lib.format.open_memmap(
                    temporary, "w+", np.dtype(dtype), (count, rows.shape[1])
                )
            stored[start : start + len(rows)] = rows
            if progress:
                progress(start + len(rows), count)
        assert stored is not None
        dimension = int(stored.shape[1])
        stored.flush()
    seconds = time.perf_counter() - begin
    labels = target.with_suffix(".labels.npy")
    with atomic_output(labels) as temporary, open(temporary, "wb") as stream:
        np.save(stream, source.labels[:count], allow_pickle=False)
    sidecar = target.with_suffix(".json")
    described = {
        "backbone": backbone,
        "weights": {"name": loaded.name, "sha256": loaded.sha256},
        "images": os.fspath(folder.name),
        "rows": count,
        "dimension": dimension,
        "size": size,
        "dtype": dtype,
    }
    with atomic_output(sidecar) as temporary:
        temporary.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    return Extraction(target, labels, sidecar, count, dimension, seconds)
