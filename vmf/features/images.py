"""What every source of images offers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vmf.errors import FeatureError

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
