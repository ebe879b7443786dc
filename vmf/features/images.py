"""Sources of images, and the choice among them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from vmf.errors import FeatureError

if TYPE_CHECKING:
    from vmf.features.cifar10 import Split

Pixels = npt.NDArray[Any]
"""An image (3, height, width): RGB bytes, or floating-point numbers that are preprocessed already."""


class Images(Protocol):
    """Images in a fixed order.

    Attributes
    ----------
    names : list of str or None
        Which file each image came from, where each has its own.
    pixels : int or None
        The size that all images have, if they have.
    identity : dict
        What tells these images from others, for the sidecar; JSON.
    """

    names: list[str] | None
    pixels: int | None
    identity: dict[str, Any]

    def __len__(self) -> int: ...

    def labels(self, count: int) -> npt.NDArray[Any] | None:
        """The classes of the first ``count`` images, text or integers; None when they have none."""
        ...

    def first_unreadable(self, count: int) -> FeatureError | None:
        """A problem among the first ``count`` images that can be found in little time."""
        ...

    def read(self, start: int, stop: int) -> Sequence[Pixels | FeatureError]:
        """Images ``start`` to ``stop``; in the place of one that cannot be read, why."""
        ...


def open_images(
    images: str | os.PathLike[str] | Any,
    *,
    split: Split = "train",
    data_folder: str | os.PathLike[str] | None = None,
) -> Images:
    """Find out what is meant by ``images``.

    Parameters
    ----------
    images : path-like, str or dataset
        A folder of CIFAR-10's binary files or one such ``.bin`` file; ``"cifar10"``, which
        torchvision downloads; any other folder of images; ``package.module:factory`` of a dataset;
        or a dataset itself, anything with a length and items.
    split : {"train", "test"}
        Which images of CIFAR-10, unless a file is named.
    data_folder : path-like, optional
        Where torchvision keeps CIFAR-10.

    Raises
    ------
    FeatureError
        When it is none of these, or is empty or damaged.
    """
    from vmf.features.cifar10 import Cifar10, downloaded_cifar10, is_cifar10_folder
    from vmf.features.dataset import DatasetImages
    from vmf.features.factory import call_factory, is_factory
    from vmf.features.image_folder import ImageFolder

    if not isinstance(images, (str, os.PathLike)):
        return DatasetImages(images)
    path = Path(images)
    if path.is_dir():
        return Cifar10.from_folder(path, split) if is_cifar10_folder(path) else ImageFolder(path)
    if path.is_file():
        if path.suffix.lower() != ".bin":
            raise FeatureError(path, "is a file; give a folder of images, or CIFAR-10's .bin files")
        return Cifar10([path])
    if isinstance(images, str) and images.lower() in ("cifar10", "cifar-10"):
        return downloaded_cifar10(split, data_folder)
    if isinstance(images, str) and is_factory(images):
        return DatasetImages(call_factory(images), images)
    raise FeatureError(
        path,
        "does not exist; images are a folder, CIFAR-10's binary files, 'cifar10' to download it, or"
        " package.module:factory of a dataset",
    )


def stack(items: Sequence[Pixels | FeatureError]) -> list[Pixels] | Pixels:
    """Images in one array when all have one shape, zeros in the place of those that are missing."""
    there = [item for item in items if not isinstance(item, FeatureError)]
    blank = np.zeros_like(there[0]) if there else np.zeros((3, 1, 1), np.uint8)
    filled = [blank if isinstance(item, FeatureError) else item for item in items]
    return np.stack(filled) if len({item.shape for item in filled}) == 1 else filled


def digest(*parts: bytes) -> str:
    """SHA-256 of some bytes, in hexadecimal."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()
