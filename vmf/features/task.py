"""What an extraction computes, and everything that decides about its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from vmf.errors import Argument, FeatureError
from vmf.features.backbones import Backbone, batch_norm_epsilon, stride_placement
from vmf.features.description import AS_GIVEN
from vmf.features.device import Device
from vmf.features.embedding import Embedder
from vmf.features.geometry import Geometry
from vmf.features.images import Images, Pixels

FORMAT_VERSION = 1

_BATCH_PIXELS_ON_CPU = 128 * 32 * 32
_BATCH_PIXELS = 256 * 64 * 64
_LARGEST_BATCH = 1024


@dataclass(frozen=True)
class Task:
    """Images, a network ready for them, and the plan.

    Attributes
    ----------
    images : Images
    embedder : Embedder
    plan : dict
        JSON: what the images, the weights, the preprocessing, the batches and the machine are. Two
        runs with equal plans make equal bytes.
    """

    images: Images
    embedder: Embedder
    plan: dict[str, Any]

    @property
    def rows(self) -> int:
        """Images to be computed."""
        return int(self.plan["rows"])


def plan_task(
    images: Images,
    backbone: Backbone,
    device: Device,
    *,
    size: int | None,
    pool: bool,
    limit: int | None,
    dtype: str,
    batch_size: int | None,
    compiled: bool,
) -> Task:
    """Put a task together; the parameters are those of :func:`vmf.features.extract`.

    Raises
    ------
    FeatureError
        When the size is not known or the network cannot take it, and for numbers below 1.
    """
    for name, number in (("size", size), ("limit", limit), ("batch_size", batch_size)):
        if number is not None and number < 1:
            raise FeatureError(None, f"{name} is {number}; it is at least 1")
    geometry = _geometry(images, backbone, size)
    first = _first_image(images)
    _check_kind(first, backbone)
    sides = (geometry.crop,) * 2 if geometry else first.shape[1:]
    if batch_size is None:
        pixels = _BATCH_PIXELS_ON_CPU if device.kind == "cpu" else _BATCH_PIXELS
        batch_size = min(max(1, pixels // (sides[0] * sides[1])), _LARGEST_BATCH)
    embedder = Embedder(
        backbone, device, geometry, pool=pool, batch_size=batch_size, compiled=compiled
    )
    shape = embedder.feature_shape(*sides)
    description = backbone.description
    rows = len(images) if limit is None else min(limit, len(images))
    plan = {
        "format_version": FORMAT_VERSION,
        "rows": rows,
        "dimension": torch.Size(shape).numel(),
        "dtype": dtype,
        "shape": list(shape),
        "images": images.identity,
        "resize": geometry.as_json() if geometry else None,
        "preprocessing": (
            description.preprocessing.as_json() if description.preprocessing else AS_GIVEN
        ),
        "backbone": {
            "name": backbone.name,
            "stride_on": stride_placement(backbone.module),
            "batch_norm_epsilon": batch_norm_epsilon(backbone.module),
            "pooled": pool,
        },
        "weights": {
            "name": backbone.weights_name,
            "sha256": backbone.weights_sha256,
            "parameters_sha256": backbone.parameters_sha256,
        },
        "batches": {"size": batch_size},
        "computation": {
            "device": device.kind,
            "model": device.model_name(),
            "precision": device.precision,
            "threads": torch.get_num_threads(),
            "channels_last": device.channels_last,
            "compiled": compiled,
        },
        "versions": {
            name: _version(name) for name in ("vmf-toolkit", "torch", "torchvision", "pillow")
        },
    }
    return Task(images, embedder, plan)


def earlier_settings(plan: Mapping[str, Any] | None) -> tuple[int | None, int | None]:
    """Batch size and number of threads of an earlier run, which a resumed one takes over."""
    try:
        return (plan or {})["batches"]["size"], (plan or {})["computation"]["threads"]
    except (KeyError, TypeError):
        return None, None


def _geometry(images: Images, backbone: Backbone, size: int | None) -> Geometry | None:
    described = backbone.description.geometry
    if backbone.description.preprocessing is None:
        if size is not None:
            raise FeatureError(None, "images that are preprocessed already keep their size")
        return None
    wanted = size or images.pixels
    if wanted is None:
        if described is None:
            raise FeatureError(
                None,
                "the size that the weights were trained for is not known; say how many pixels the"
                " images are to have: ",
                Argument("size"),
            )
        return described
    if described is None:
        return Geometry(wanted, wanted)
    return Geometry(wanted, wanted, described.interpolation, described.antialias)


def _first_image(images: Images) -> Pixels:
    """The first that can be read."""
    problem = FeatureError(None, "there are no images")
    for index in range(len(images)):
        found = images.read(index, index + 1)[0]
        if not isinstance(found, FeatureError):
            return found
        problem = problem if index else found
    raise problem


def _check_kind(image: Pixels, backbone: Backbone) -> None:
    prepared = image.dtype.kind == "f"
    as_given = backbone.description.preprocessing is None
    if prepared and not as_given:
        raise FeatureError(
            None,
            "the dataset gives floating-point images, which count as preprocessed: take its"
            f" transform out, or describe the input of the weights as {AS_GIVEN!r}",
        )
    if as_given and not prepared:
        raise FeatureError(
            None,
            f"the input of the weights is described as {AS_GIVEN!r}, but the images are bytes:"
            " describe 'input', 'mean' and 'std'",
        )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
