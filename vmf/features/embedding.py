"""Batches of images through a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from vmf.errors import Argument, FeatureError, parts_of
from vmf.features.device import Device, free_memory, is_out_of_memory
from vmf.features.images import Images, stack

if TYPE_CHECKING:
    from vmf.features.backbones import Backbone
    from vmf.features.geometry import Geometry


@dataclass(frozen=True)
class Batch:
    """Images in memory.

    Attributes
    ----------
    pixels : (n, 3, h, w) tensor
        Bytes as they are, or floating-point at the final size where images differ in size.
    bad : dict of int to FeatureError
        Which of them could not be read.
    """

    pixels: torch.Tensor
    bad: dict[int, FeatureError]


class Launched:
    """Features on their way from the device."""

    def __init__(self, parts: list[torch.Tensor], piece: int) -> None:
        self.piece = piece
        self._event: Any = None
        if parts[0].device.type == "cuda":
            self._parts = [
                torch.empty(part.shape, dtype=part.dtype, pin_memory=True).copy_(
                    part, non_blocking=True
                )
                for part in parts
            ]
            self._event = torch.cuda.Event()
            self._event.record()
        else:
            self._parts = [part.cpu() for part in parts]

    def wait(self) -> npt.NDArray[np.float32]:
        """The rows (n, dimension)."""
        if self._event is not None:
            self._event.synchronize()
        return np.concatenate([part.numpy() for part in self._parts])


class Embedder:
    """A network, ready on its device.

    Parameters
    ----------
    backbone : Backbone
        Its module is moved to the device.
    device : Device
    geometry : Geometry or None
        None for images that are preprocessed already.
    pool : bool
        Average maps over their positions.
    batch_size : int
        Images a batch, of which the last may have fewer.
    compiled : bool
        Compile the network; short batches are then filled up, so that it is compiled once.
    """

    def __init__(
        self,
        backbone: Backbone,
        device: Device,
        geometry: Geometry | None,
        *,
        pool: bool = False,
        batch_size: int,
        compiled: bool = False,
    ) -> None:
        self.backbone = backbone
        self.device = device
        self.geometry = geometry
        self.pool = pool
        self.piece = batch_size
        """Images at a time, fewer than a batch once memory has run out."""
        layout = torch.channels_last if device.channels_last else torch.preserve_format
        backbone.module.to(device.name, memory_format=layout)
        self._compiled = torch.compile(self._features) if compiled else None

    def load(self, images: Images, start: int, stop: int) -> Batch:
        """Read images; may run in another thread while the network works."""
        items = images.read(start, stop)
        pixels = stack(items)
        bad = {start + k: item for k, item in enumerate(items) if isinstance(item, FeatureError)}
        if isinstance(pixels, list):
            if self.geometry is None:
                raise FeatureError(
                    None,
                    f"images {start} to {stop - 1} are not all of one size, and preprocessed images"
                    " are not resized",
                )
            tensor = torch.cat([self.geometry.apply(_float(image[None])) for image in pixels])
        else:
            tensor = torch.from_numpy(pixels)
        if self.device.kind == "cuda":
            tensor = tensor.pin_memory()
        return Batch(tensor, bad)

    def launch(self, batch: Batch) -> Launched:
        """Begin to compute the features of a batch, in halves if memory runs out.

        Raises
        ------
        FeatureError
            When there is no memory for a single image.
        """
        while True:
            piece = self.piece
            try:
                return Launched([self._run(part) for part in batch.pixels.split(piece)], piece)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if piece == 1:
                    raise self._no_memory(batch.pixels.shape[2:]) from error
            free_memory(self.device)
            self.piece = (min(piece, len(batch.pixels)) + 1) // 2

    def feature_shape(self, height: int, width: int) -> tuple[int, ...]:
        """Shape of one image's features before they are flattened.

        Raises
        ------
        FeatureError
            When the network cannot take images of that size.
        """
        try:
            with self.device.computing():
                blank = torch.zeros((1, 3, height, width), device=self.device.name)
                return tuple(self._map(blank).shape[1:])
        except FeatureError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise self._no_memory((height, width)) from error
            raise FeatureError(
                None,
                f"{self.backbone.name} cannot take images of {height} x {width} pixels:"
                f" {type(error).__name__}: ",
                *parts_of(error),
            ) from error

    def map_of(self, images: npt.NDArray[np.uint8]) -> torch.Tensor:
        """The features of bytes (n, 3, h, w), neither resized nor pooled."""
        with self.device.computing():
            pixels = _float(images).to(self.device.name)
            if self.backbone.description.preprocessing is None:
                pixels = pixels / 255
            return self.backbone.features(pixels).float().cpu()

    def _no_memory(self, sides: Sequence[int]) -> FeatureError:
        pixels = self.geometry.crop if self.geometry else max(sides)
        return FeatureError(
            None,
            f"there is no memory for one image of {pixels} pixels on {self.device.name}; choose a smaller ",
            Argument("size"),
            " or another ",
            Argument("device"),
        )

    def _run(self, pixels: torch.Tensor) -> torch.Tensor:
        with self.device.computing():
            moved = pixels.to(self.device.name, non_blocking=True)
            if self._compiled is None:
                return self._features(moved)
            blank = moved.new_zeros((self.piece - len(moved), *moved.shape[1:]))
            rows: torch.Tensor = self._compiled(torch.cat([moved, blank]))
            return rows[: len(moved)]

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        images = pixels.float()
        if self.geometry is not None and images.shape[-2:] != (self.geometry.crop,) * 2:
            images = self.geometry.apply(images)
        return self._map(images).flatten(1).float()

    def _map(self, images: torch.Tensor) -> torch.Tensor:
        if self.device.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        rows = self.backbone.features(images)
        if self.pool:
            if rows.ndim != 4:
                raise FeatureError(
                    None,
                    f"{self.backbone.name} returns {rows.ndim - 1}-dimensional features, not maps;"
                    " leave out ",
                    Argument("pool"),
                )
            rows = rows.mean((2, 3))
        return rows


def _float(images: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(images).float()
