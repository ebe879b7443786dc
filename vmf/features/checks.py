"""Is the network put together as its weights need it?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from vmf.errors import FeatureError
from vmf.features.batch_statistics import IMAGES, PIXELS, check_batch_statistics
from vmf.features.device import free_memory, is_out_of_memory
from vmf.features.fingerprint import (
    REDUCED_TOLERANCE,
    TOLERANCE,
    Fingerprint,
    take_fingerprint,
)
from vmf.features.geometry import Geometry
from vmf.features.images import Images
from vmf.features.task import Task


def check_network(task: Task, *, wanted: bool = True) -> dict[str, Any]:
    """Compare the network with what is known of its weights.

    With a fingerprint in the description of the weights that is all it takes. Without one, and
    unless the weights and their description are torchvision's, some of the images show whether the
    range and the stride fit the statistics in the weights.

    Returns
    -------
    dict
        For the sidecar: the fingerprint, and what was checked.

    Raises
    ------
    FeatureError
        When something does not fit.
    """
    embedder = task.embedder
    description = embedder.backbone.description
    known = description.fingerprint
    found: Fingerprint | None = None
    pixels = known.pixels if known else embedder.geometry.crop if embedder.geometry else None
    if pixels is not None:
        found = take_fingerprint(embedder.map_of, pixels)
    checked: list[str] = []
    if wanted and known is not None and found is not None:
        _compare(task, known, found)
        checked = ["fingerprint"]
    elif wanted and not embedder.backbone.trusted and description.preprocessing is not None:
        try:
            with embedder.device.computing():
                sample = sample_images(task.images).to(embedder.device.name)
                checked = check_batch_statistics(embedder.backbone, sample)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            free_memory(embedder.device)
    return {"fingerprint": found.as_json() if found else None, "checked": checked}


def sample_images(images: Images) -> torch.Tensor:
    """Some of the images, evenly spread, at the size at which statistics are compared."""
    geometry = Geometry(PIXELS, PIXELS)
    chosen = np.unique(np.linspace(0, len(images) - 1, IMAGES).astype(int))
    found = [images.read(int(k), int(k) + 1)[0] for k in chosen]
    return torch.cat(
        [
            geometry.apply(torch.from_numpy(image[None]).float())
            for image in found
            if not isinstance(image, FeatureError)
        ]
    )


def _compare(task: Task, known: Fingerprint, found: Fingerprint) -> None:
    device, backbone = task.embedder.device, task.embedder.backbone
    tolerance = TOLERANCE if device.precision == "float32" else REDUCED_TOLERANCE
    distance = known.distance(found)
    if not distance <= tolerance:
        name = backbone.weights_name or backbone.name
        reason = "; ".join(backbone.doubts) or "check stride_on, input, mean, std and the network"
        raise FeatureError(
            None,
            f"{name}: the features of the test image are {distance:.2g} of their length off the"
            f" fingerprint of these weights (allowed {tolerance:g}), so they are not used as they"
            f" were trained: {reason}",
        )
