"""Networks that turn images into maps of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmf.features.errors import FeatureError
from vmf.features.weights import StrideOn, Weights

if TYPE_CHECKING:
    from torch import nn


def load_backbone(name: str, weights: Weights) -> nn.Module:
    """The network of that name up to its last convolutional map, in evaluation mode."""
    from torch import nn
    from torchvision import models

    network = models.get_model(name, weights=None)
    place_stride(network, weights.stride_on)
    try:
        network.load_state_dict(weights.state, strict=True)
    except RuntimeError as error:
        raise FeatureError(weights.name, f"does not fit {name}: {error}") from error
    return nn.Sequential(*list(network.children())[:-2]).eval()


def place_stride(network: nn.Module, stride_on: StrideOn) -> None:
    """Put the stride of 2 that opens a stage on the 1x1 or on the 3x3 convolution.

    torchvision has it on the 3x3 ("v1.5"); weights trained with Caffe and Keras have it on the
    1x1 ("v1"), load into torchvision's network without an error and give wrong features there.
    """
    from torch import nn

    for module in network.modules():
        first, second = getattr(module, "conv1", None), getattr(module, "conv2", None)
        if not (isinstance(first, nn.Conv2d) and isinstance(second, nn.Conv2d)):
            continue
        if hasattr(module, "conv3") and stride_on == "1x1" and second.stride != (1, 1):
            first.stride, second.stride = second.stride, first.stride
