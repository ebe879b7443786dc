"""Do the weights' own records of their training agree with what the network computes now?

A batch normalisation keeps the mean and the variance that its input had during training. Real
images that are preprocessed right, in a network put together right, come close to them. This finds
mistakes in weights of which no fingerprint is known:

- images in another range or divided by another standard deviation: the first normalisation sees a
  variance hundreds of times off;
- a ResNet's stride on the wrong convolution: with the stride on the other one, the variances of all
  layers fit better.

The figures below are those of the ResNet50 of keras.io and 32 CIFAR-10 images
(``python -m benchmarks.network_checks``). A wrong mean and exchanged channels do not show here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from vmf.errors import Argument, FeatureError, Part
from vmf.features.backbones import place_stride, stride_placement

if TYPE_CHECKING:
    from vmf.features.backbones import Backbone
    from vmf.features.description import StrideOn

PIXELS = 128
"""Size at which the stride is judged; at 32 pixels maps are too small to tell."""

IMAGES = 32
"""How many images are looked at."""

_LARGEST_LOG_RATIO = 5.0
"""Of the variance at the first normalisation: 0.7 is right, 9 and 12 are wrong ranges."""

_WITHOUT_CHECK: tuple[Part, ...] = (
    " (or leave this check out: ",
    Argument("check", False),
    ")",
)

_BETTER = 0.8
"""The other stride must fit this much better. Right and wrong are 0.27 and 0.42 off."""


_FLOOR = 1e-5
"""Added to variances: channels that hardly vary do not count."""


def check_batch_statistics(backbone: Backbone, images: torch.Tensor) -> list[str]:
    """Compare the images' statistics with those in the weights.

    Parameters
    ----------
    backbone : Backbone
        Its stride is moved and put back.
    images : (n, 3, 128, 128) tensor
        Real images, RGB in 0..255.

    Returns
    -------
    list of str
        What was found to be right; empty when the weights keep no statistics.

    Raises
    ------
    FeatureError
        When the range or the stride does not fit.
    """

    def misfits() -> list[float]:
        return variance_misfits(backbone.module, lambda: backbone.features(images))

    found = misfits()
    if not found:
        return []
    name = backbone.weights_name or backbone.name
    if found[0] > _LARGEST_LOG_RATIO:
        raise FeatureError(
            None,
            f"{name}: the images as preprocessed have {torch.tensor(found[0]).exp():.3g} times"
            " another variance at the first batch normalisation than in training; correct 'input'"
            " or 'std' in the description of the weights",
            *_WITHOUT_CHECK,
        )
    checked = ["range"]
    stride_on = stride_placement(backbone.module)
    if stride_on is not None:
        other: StrideOn = "3x3" if stride_on == "1x1" else "1x1"
        try:
            place_stride(backbone.module, other)
            mean, mean_of_other = (sum(x) / len(x) for x in (found, misfits()))
        finally:
            place_stride(backbone.module, stride_on)
        if mean_of_other < _BETTER * mean:
            raise FeatureError(
                None,
                f"{name}: the batch normalisations' variances fit a stride on the {other}"
                f" convolution ({mean_of_other:.2f}) better than on the {stride_on} ({mean:.2f});"
                f' write "stride_on": "{other}" into the description of the weights or give ',
                Argument("facts['stride_on']", other),
                *_WITHOUT_CHECK,
            )
        checked.append("stride")
    return checked


def variance_misfits(network: nn.Module, run: Callable[[], object]) -> list[float]:
    """How far the variances of a run are from those of training, a number a batch normalisation.

    The median over the channels of |log(variance now / variance in training)|, in the order of the
    computation. Normalisations that have never been trained are left out.
    """
    found: list[float] = []

    def compare(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        maps = inputs[0].float()
        if not found:
            # At the first, the zeros that pad the image are as good as contrast when the mean or
            # the range is wrong: leave out the margin.
            margin = maps.shape[-1] // 8
            maps = maps[..., margin : maps.shape[-2] - margin, margin : maps.shape[-1] - margin]
        variance = maps.var((0, 2, 3), unbiased=False)
        trained = norm.running_var.float()
        found.append(((variance + _FLOOR) / (trained + _FLOOR)).log().abs().median().item())

    handles = [
        part.register_forward_pre_hook(compare)
        for part in network.modules()
        if isinstance(part, nn.BatchNorm2d)
        and part.running_var is not None
        and not ((part.running_var == 1).all() and (part.running_mean == 0).all())
    ]
    try:
        if handles:
            run()
    finally:
        for handle in handles:
            handle.remove()
    return found
