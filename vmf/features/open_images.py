"""The choice among the sources of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vmf.errors import FeatureError
from vmf.features.cifar10 import Cifar10, Split, downloaded_cifar10, is_cifar10_folder
from vmf.features.dataset import DatasetImages
from vmf.features.factory import call_factory, is_factory
from vmf.features.image_folder import ImageFolder
from vmf.features.images import Images


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
