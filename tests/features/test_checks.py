"""Mistakes in the use of weights: what finds them, and what it does not take for one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torchvision", reason="features need torch and torchvision")

import torch
from safetensors.torch import save_file
from torch import nn

from tests.features import tiny_networks
from tests.features.extracting import PLAIN, Output
from vmf.features import FeatureError, extract
from vmf.features.backbones import place_stride
from vmf.features.checks import sample_images
from vmf.features.fingerprint import PARTS, Fingerprint, fixed_image, take_fingerprint
from vmf.features.open_images import open_images

BOTTLENECKS = {"backbone": "tiny_networks:bottlenecks", "limit": 4}


@pytest.fixture
def weights(tmp_path: Path, cifar10_images: Path) -> Path:
    """Weights of a ResNet trained, as far as its statistics go, with the stride on the 1x1."""
    network = tiny_networks.bottlenecks()
    place_stride(network, "1x1")
    network.train()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        network((sample_images(open_images(cifar10_images)) / 255 - 0.5) / 0.25)
    path = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), path)
    return path


def describe(weights: Path, **facts: Any) -> None:
    weights.with_suffix(".json").write_text(json.dumps({**PLAIN, "stride_on": "1x1", **facts}))


def refused(message: str, images: Path, output: Output, **options: Any) -> None:
    with pytest.raises(FeatureError) as caught:
        extract(images, output.features, **{**BOTTLENECKS, **options})
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert output.names() == []


def test_the_fixed_image_is_fixed() -> None:
    image = fixed_image(64)
    assert (image.shape, image.dtype) == ((3, 64, 64), np.uint8)
    assert [int(channel.astype(int).sum()) for channel in image] == [524605, 524948, 523793]
    assert [channel[0, :4].tolist() for channel in image] == [
        [160, 160, 160, 160], [88, 88, 88, 88], [16, 16, 16, 20],
    ]  # fmt: skip
    for channel in image:
        assert channel.std() > 60


def test_a_fingerprint() -> None:
    ramp = torch.arange(1.0, 33.0)
    found = take_fingerprint(lambda image: ramp[None, :, None, None], 8)
    assert len(found.values) == PARTS
    assert found.values[0] == pytest.approx(2.5**0.5)
    assert found.distance(found) == 0
    twice = Fingerprint(8, tuple(2 * value for value in found.values))
    assert found.distance(twice) == pytest.approx(1)
    assert found.distance(Fingerprint(9, found.values)) == np.inf
    assert found.distance(Fingerprint(8, found.values[1:])) == np.inf
    assert len(take_fingerprint(lambda image: torch.ones(1, 5), 8).values) == 5


def test_a_wrong_stride_is_caught_by_the_fingerprint(
    cifar10_images: Path, weights: Path, output: Output
) -> None:
    """The description of the weights holds the fingerprint of an extraction that was right."""
    describe(weights)
    done = extract(cifar10_images, output.features, weights=weights, **BOTTLENECKS)
    right = done.features.read_bytes()
    fingerprint = done.facts["fingerprint"]
    assert fingerprint["pixels"] == 32
    for path in output.folder.iterdir():
        path.unlink()

    describe(weights, fingerprint=fingerprint)
    for options in (
        {"facts": {"stride_on": "3x3"}},
        {"facts": {"batch_norm_epsilon": 0.01}},
        {"facts": {"mean": [0.4, 0.5, 0.5]}},
        {"facts": {"input": "BGR, 0..1"}},
    ):
        refused(
            "of their length off the fingerprint of these weights", cifar10_images, output,
            weights=weights, **options,
        )  # fmt: skip
    # The size of the images is free: the fingerprint has its own.
    done = extract(cifar10_images, output.features, weights=weights, **BOTTLENECKS, size=64)
    assert done.facts["checked"] == ["fingerprint"]
    assert done.facts["fingerprint"] == fingerprint
    done = extract(cifar10_images, output.features, weights=weights, **BOTTLENECKS, overwrite=True)
    assert done.features.read_bytes() == right


def test_a_wrong_stride_is_caught_by_the_statistics(
    cifar10_images: Path, weights: Path, output: Output
) -> None:
    describe(weights)
    refused(
        r"weights.safetensors: the batch normalisations' variances fit a stride on the 1x1"
        r" convolution \(0\.00\) better than on the 3x3 \(0\.\d\d\); write \"stride_on\": \"1x1\"",
        cifar10_images, output, weights=weights, facts={"stride_on": "3x3"},
    )  # fmt: skip
    done = extract(cifar10_images, output.features, weights=weights, **BOTTLENECKS)
    assert done.facts["checked"] == ["range", "stride"]
    assert done.facts["backbone"]["stride_on"] == "1x1"


def test_a_wrong_range_is_caught_by_the_statistics(
    cifar10_images: Path, weights: Path, output: Output
) -> None:
    describe(weights, input="RGB, 0..255", mean=[128, 128, 128], std=[1, 1, 1])
    refused("another variance at the first batch normalisation", cifar10_images, output,
            weights=weights)  # fmt: skip


def test_the_check_can_be_left_out(cifar10_images: Path, weights: Path, output: Output) -> None:
    describe(weights, stride_on="3x3")
    done = extract(cifar10_images, output.features, weights=weights, **BOTTLENECKS, check=False)
    assert done.facts["checked"] == []
    assert done.facts["backbone"]["stride_on"] == "3x3"


def test_the_check_changes_nothing(cifar10_images: Path, weights: Path, output: Output) -> None:
    describe(weights)
    found = []
    for check in (True, False):
        done = extract(
            cifar10_images, output.features, weights=weights, **BOTTLENECKS, check=check,
            overwrite=True,
        )  # fmt: skip
        found.append(done.features.read_bytes())
    assert found[0] == found[1]


def test_published_weights_are_known(
    cifar10_images: Path, weights: Path, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their description is not needed, and what contradicts it is named."""
    describe(weights)
    done = extract(cifar10_images, output.features, weights=weights, **BOTTLENECKS)
    published = {**PLAIN, "stride_on": "1x1", "fingerprint": done.facts["fingerprint"]}
    known = {done.facts["weights"]["parameters_sha256"]: published}
    monkeypatch.setattr("vmf.features.weights.known_weights", lambda: known)
    for path in (*output.folder.iterdir(), weights.with_suffix(".json")):
        path.unlink()
    refused("stride_on is 3x3, published: 1x1", cifar10_images, output, weights=weights,
            facts={"stride_on": "3x3"})  # fmt: skip
    done = extract(cifar10_images, output.features, weights=weights, **BOTTLENECKS)
    assert done.facts["checked"] == ["fingerprint"]


def test_weights_without_a_description(cifar10_images: Path, weights: Path, output: Output) -> None:
    refused("'input' is missing: the preprocessing belongs to the weights and is not guessed",
            cifar10_images, output, weights=weights)  # fmt: skip
