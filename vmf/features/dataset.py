"""Any object with a length and items: torchvision's datasets, and users' own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.errors import FeatureError, parts_of
from vmf.features.images import Pixels, digest


class DatasetImages:
    """The images of a map-style dataset; see `vmf.features.images.Images`.

    Parameters
    ----------
    dataset : object
        ``dataset[i]`` is an image, or a tuple or list that begins with an image and its label, an integer or
        a text. An image is a PIL image, bytes (height, width, 3) in a NumPy array, or bytes
        (3, height, width) in a tensor. A floating-point tensor (3, height, width) counts as
        preprocessed and needs ``"input": "as given"`` in the description of the weights.
    name : str, optional
        For the sidecar; by default that of the dataset's class.

    Raises
    ------
    FeatureError
        When it has no length, is empty, or its first item is no image.
    """

    names: list[str] | None = None
    pixels: int | None = None

    def __init__(self, dataset: Any, name: str | None = None) -> None:
        self._dataset = dataset
        self._name = name or type(dataset).__qualname__
        try:
            self._count = len(dataset)
        except TypeError:
            raise FeatureError(
                None, f"{self._name} has no length; a map-style dataset is needed"
            ) from None
        if self._count == 0:
            raise FeatureError(None, f"{self._name} is empty")
        first, label = self._item(0)
        last, _ = self._item(self._count - 1)
        if isinstance(first, FeatureError):
            raise first
        if isinstance(last, FeatureError):
            raise last
        self._labels: list[Any] = [None] * self._count
        self._labelled = label is not None
        self.identity = {
            "kind": "dataset",
            "name": self._name,
            "count": self._count,
            "sha256_of_first_and_last": digest(first.tobytes(), last.tobytes()),
        }

    def labels(self, count: int) -> npt.NDArray[Any] | None:
        """The labels of the first ``count`` items; those not read yet are read for it."""
        if not self._labelled:
            return None
        for index in range(count):
            if self._labels[index] is None:
                self._labels[index] = self._item(index)[1]
            if self._labels[index] is None:
                raise FeatureError(None, f"{self._name}[{index}] has no label, others have")
        return np.array(self._labels[:count])

    def __len__(self) -> int:
        return self._count

    def first_unreadable(self, count: int) -> FeatureError | None:
        """None: nothing is known of items before they are asked for."""
        return None

    def read(self, start: int, stop: int) -> Sequence[Pixels | FeatureError]:
        """Images ``start`` to ``stop``."""
        found = []
        for index in range(start, stop):
            image, self._labels[index] = self._item(index)
            found.append(image)
        return found

    def _item(self, index: int) -> tuple[Pixels | FeatureError, Any]:
        where = f"{self._name}[{index}]"
        try:
            item = self._dataset[index]
        except Exception as error:
            reason = (f"{where} failed: {type(error).__name__}: ", *parts_of(error))
            return FeatureError(None, *reason), None
        image: Any = item
        label: Any = None
        if isinstance(item, (tuple, list)) and item:
            image, label = item[0], item[1] if len(item) > 1 else None
        if hasattr(label, "item"):
            label = label.item()
        if label is not None and not isinstance(label, (int, str)):
            return FeatureError(
                None, f"{where} has a label of type {type(label).__name__}; give an integer or text"
            ), None
        return _pixels(image, where), label


def _pixels(image: Any, where: str) -> Pixels | FeatureError:
    import torch
    from PIL import Image

    if isinstance(image, Image.Image):
        return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))
    if isinstance(image, torch.Tensor) and image.ndim == 3 and image.shape[0] == 3:
        if image.dtype == torch.uint8:
            return np.asarray(image.cpu().numpy())
        if image.is_floating_point():
            return np.asarray(image.detach().cpu().float().numpy())
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.shape[2:] == (3,):
        return np.ascontiguousarray(image.transpose(2, 0, 1))
    shape = getattr(image, "shape", "")
    return FeatureError(
        None,
        f"{where} is {type(image).__name__} {shape and tuple(shape)}; an image is a PIL image, bytes"
        " (height, width, 3) in an array or a tensor (3, height, width)",
    )
