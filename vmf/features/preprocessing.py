"""What weights expect of an image: channel order, range, mean and standard deviation.

Preprocessing belongs to the weights. It is taken from torchvision's own description of its weights
or from a description beside the file (`vmf.features.description`); it is never guessed, because
weights given the wrong range or mean still return numbers, and only the numbers are wrong.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Preprocessing:
    """The step from an image of bytes to the input of a network: ``(x - mean) / std``.

    Parameters
    ----------
    channels : {"RGB", "BGR"}
        Order in which the network takes the channels; ``mean`` and ``std`` are in the same order.
    white : {1.0, 255.0}
        Value of a full channel before the mean is subtracted: images are in 0..white.
    mean, std : (3,) float
        Of each channel, in units of ``white``.
    """

    channels: Literal["RGB", "BGR"]
    white: float
    mean: Triple
    std: Triple

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Turn RGB images (n, 3, h, w) in 0..255, floating, into what the network takes."""
        import torch

        if self.channels == "BGR":
            images = images.flip(1)
        # One multiplication and one addition: (x s - mean) / std with s = white / 255.
        scale = [self.white / 255 / deviation for deviation in self.std]
        shift = [-mean / deviation for mean, deviation in zip(self.mean, self.std, strict=True)]
        factor, offset = (
            torch.tensor(values, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
            for values in (scale, shift)
        )
        return torch.addcmul(offset, images, factor)

    def as_json(self) -> dict[str, Any]:
        """For the sidecar, in the words of a description."""
        values = asdict(self)
        return {
            "input": f"{self.channels}, 0..{self.white:g}",
            "mean": list(values["mean"]),
            "std": list(values["std"]),
        }
