"""How images come to the size that a network is given.

The shorter side is brought to a number of pixels, then the centre is cut out, as torchvision does
for its weights. Images are interpolated as floating-point numbers and not rounded to bytes between;
antialiasing takes part only where an image is made smaller.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Interpolation = Literal["bilinear", "bicubic", "nearest"]
INTERPOLATIONS = ("bilinear", "bicubic", "nearest")


@dataclass(frozen=True)
class Geometry:
    """The size that images are brought to.

    Parameters
    ----------
    shorter_side : int
        Pixels of the shorter side after resizing.
    crop : int
        Pixels of both sides of the square cut out of the centre, <= shorter_side.
    interpolation : {"bilinear", "bicubic", "nearest"}
        Corners are not aligned.
    antialias : bool
        Average over what a smaller pixel covers; enlarging is the same with and without.
    """

    shorter_side: int
    crop: int
    interpolation: Interpolation = "bilinear"
    antialias: bool = True

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Bring floating-point images (n, 3, h, w) to (n, 3, crop, crop)."""
        from torch.nn import functional

        height, width = images.shape[-2:]
        shorter = min(height, width)
        if shorter != self.shorter_side:
            height, width = (self.shorter_side * side // shorter for side in (height, width))
            smooth = self.interpolation != "nearest"
            images = functional.interpolate(
                images,
                size=(height, width),
                mode=self.interpolation if smooth else "nearest-exact",
                align_corners=False if smooth else None,
                antialias=smooth and self.antialias and self.shorter_side < shorter,
            )
            if self.interpolation == "bicubic":
                images = images.clamp(0, 255)  # it overshoots at edges; bytes would be clipped too
        top, left = ((side - self.crop) // 2 for side in (height, width))
        return images[..., top : top + self.crop, left : left + self.crop]

    def as_json(self) -> dict[str, Any]:
        """For the sidecar."""
        return asdict(self)
