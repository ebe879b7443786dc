"""A few numbers that tell whether a network computes what its weights were trained for.

Weights load without an error into a network whose stride sits on another convolution, whose batch
normalisation has another epsilon or whose images come in another range; only the features are then
wrong. The fingerprint is what the network makes of one fixed image: the root mean squares of
sixteen equal parts of its flattened features. Relative to their length, with the ResNet50 of
keras.io at 64 pixels, rounding moves them by 1e-6 and bfloat16 by 2e-3; the wrong stride by 0.35,
a batch normalisation's epsilon of 1e-3 instead of 1e-5 by 0.095, exchanged channels by 0.06, a mean
of 128 by 0.03, a range of 0..1 by 0.9 (``python -m benchmarks.network_checks``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

PARTS = 16
TOLERANCE = 1e-3
"""Largest distance of two fingerprints of the same network, relative to their length."""

REDUCED_TOLERANCE = 1e-2
"""The same in bfloat16, float16 and TF32."""

_DIGITS = 7


@dataclass(frozen=True)
class Fingerprint:
    """The features of the fixed image at ``pixels`` x ``pixels``, condensed to ``values``."""

    pixels: int
    values: tuple[float, ...]

    def distance(self, other: Fingerprint) -> float:
        """Relative Euclidean distance; infinity when they cannot be compared."""
        mine, theirs = np.array(self.values), np.array(other.values)
        if self.pixels != other.pixels or mine.shape != theirs.shape:
            return math.inf
        length = float(np.linalg.norm(mine))
        return float(np.linalg.norm(mine - theirs)) / length if length else math.inf

    def as_json(self) -> dict[str, Any]:
        """For a description or a sidecar."""
        return {"pixels": self.pixels, "values": list(self.values)}


def take_fingerprint(
    features: Callable[[npt.NDArray[np.uint8]], torch.Tensor], pixels: int
) -> Fingerprint:
    """The fingerprint of a network.

    Parameters
    ----------
    features : callable
        RGB bytes (1, 3, pixels, pixels) to their features, before any pooling that is an option.
    pixels : int
        Size of the image.
    """
    rows = features(fixed_image(pixels)[None]).reshape(-1).double().cpu().numpy()
    parts = np.array_split(rows, min(PARTS, rows.size))
    means = (math.sqrt(float(np.mean(part * part))) for part in parts)
    return Fingerprint(pixels, tuple(float(f"{value:.{_DIGITS}g}") for value in means))


def fixed_image(pixels: int) -> npt.NDArray[np.uint8]:
    """The image: ripples of growing frequency, others in each channel, (3, pixels, pixels).

    Integers throughout, so that it is the same on every machine.
    """
    row, column = np.meshgrid(np.arange(pixels), np.arange(pixels), indexing="ij")
    channels = []
    for slope, bend, offset in ((9, 5, 40), (14, 3, 150), (6, 8, 260)):
        phase = slope * row + (bend * column * (column + row)) // pixels + offset
        wave = (4 * phase) % 512
        channels.append(np.where(wave < 256, wave, 511 - wave))
    return np.array(channels).astype(np.uint8)
