"""Small networks with fixed random weights, named as tiny_networks:FACTORY in the tests."""

from __future__ import annotations

import os
import time
from typing import Any

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from vmf.features.feature_map import cut_before_pooling


def _randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """The same on every machine, with statistics of batch normalisation that are not 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            fan = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan**0.5)
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.abs_().add_(0.5)
                assert part.running_mean is not None
                assert part.running_var is not None
                part.running_mean.copy_(torch.randn(part.running_mean.shape, generator=generator))
                part.running_var.copy_(
                    torch.rand(part.running_var.shape, generator=generator) + 0.5
                )
    return network


def tiny() -> nn.Module:
    """Maps of 24 channels, an eighth of the image wide."""
    return _randomised(
        nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=4, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, 24, 3, stride=2, padding=1),
            nn.ReLU(),
        )
    )


class Slow(nn.Module):
    """The same, with a pause for every call, so that it can be killed in between."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny()

    def forward(self, images: torch.Tensor) -> Any:
        time.sleep(float(os.environ.get("TINY_PAUSE", "0.005")))
        return self.inner(images)


def slow() -> nn.Module:
    return Slow()


class Greedy(nn.Module):
    """The same, out of memory for more than `most` images."""

    def __init__(self, most: int = 3, error: type[BaseException] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.inner, self.most, self.error, self.seen = tiny(), most, error, []

    def forward(self, images: torch.Tensor) -> Any:
        self.seen.append(len(images))
        if len(images) > self.most:
            raise self.error("out of memory")
        return self.inner(images)


def greedy() -> nn.Module:
    return Greedy()


def bottlenecks() -> nn.Module:
    """A ResNet with one bottleneck a stage, up to its map of 2048 channels."""
    network = ResNet(Bottleneck, [1, 1, 1, 1])
    return cut_before_pooling(_randomised(network), "bottlenecks")


def basic_blocks() -> nn.Module:
    """A ResNet without bottlenecks."""
    return cut_before_pooling(_randomised(ResNet(BasicBlock, [1, 1, 1, 1])), "basic blocks")


def vectors() -> nn.Module:
    """Vectors of 6 numbers, not maps."""
    return nn.Sequential(tiny(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 6))


def not_a_module() -> Any:
    return [1, 2, 3]


def fails() -> Any:
    raise RuntimeError("no such file: data.bin")


class Tuples(nn.Module):
    def forward(self, images: torch.Tensor) -> Any:
        return images, images


def tuples() -> nn.Module:
    return Tuples()


class Constant(nn.Module):
    """Every feature is the same number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.full((len(images), 4), self.value)


def huge() -> nn.Module:
    return Constant(1e6)


def nothing() -> nn.Module:
    return Constant(float("nan"))


class FewImages:
    """A dataset of 5 images, as arrays of bytes with integers as labels."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        generator = torch.Generator().manual_seed(index)
        return torch.randint(
            256, (20, 24, 3), generator=generator, dtype=torch.uint8
        ).numpy(), index


def few_images() -> FewImages:
    return FewImages()
