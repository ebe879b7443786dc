"""What must be known of weights, and what is refused of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torchvision", reason="features need torch and torchvision")

import torch

from vmf.errors import FeatureError
from vmf.features.description import parse_description, read_description
from vmf.features.geometry import Geometry
from vmf.features.preprocessing import Preprocessing

KERAS = {
    "input": "RGB, 0..255",
    "mean": [123.68, 116.779, 103.939],
    "std": [1.0, 1.0, 1.0],
    "stride_on": "conv1 (1x1) of layer2[0], layer3[0], layer4[0]",
}


def test_a_complete_description() -> None:
    told = {
        **KERAS,
        "batch_norm_epsilon": 1e-5,
        "resize": {
            "shorter_side": 256, "crop": 224, "interpolation": "bicubic", "antialias": False,
        },
        "fingerprint": {"pixels": 64, "values": [1, 2.5]},
        "source": "somewhere",
    }  # fmt: skip
    found = parse_description(told, None)
    assert found.preprocessing == Preprocessing(
        "RGB", 255.0, (123.68, 116.779, 103.939), (1.0, 1.0, 1.0)
    )
    assert found.stride_on == "1x1"
    assert found.batch_norm_epsilon == 1e-5
    assert found.geometry == Geometry(256, 224, "bicubic", False)
    assert found.fingerprint is not None
    assert found.fingerprint.values == (1.0, 2.5)
    assert parse_description({"input": "as given"}, None).preprocessing is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": None}, "'input' is None; give 'RGB, 0..1'"),
        ({"input": "RGB"}, "'input' is 'RGB'; give"),
        ({"mean": [1, 2]}, "'mean' is [1, 2]; give three numbers"),
        ({"mean": [1, 2, "3"]}, "give three numbers"),
        ({"mean": [1, 2, 300]}, "each in the range 0..255"),
        ({"std": [1, 0, 1]}, "'std' is [1, 0, 1]; give three numbers, each > 0"),
        (
            {"mean": [0.485, 0.456, 0.406], "std": [0.2] * 3},
            "those of an input of 0..1, not 0..255",
        ),
        ({"stride_on": "conv1"}, "'stride_on' is 'conv1'; give '1x1' or '3x3'"),
        ({"stride_on": 1}, "'stride_on' is 1"),
        ({"batch_norm_epsilon": "1e-5"}, "'batch_norm_epsilon' is '1e-5'"),
        ({"batch_norm_epsilon": True}, "'batch_norm_epsilon' is True"),
        ({"resize": 224}, "'resize' is 224; give shorter_side, crop"),
        ({"fingerprint": [1, 2]}, "'fingerprint' is not"),
        ({"stride": "1x1"}, "'stride' is not one of input, mean, std, stride_on"),
    ],
)
def test_what_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FeatureError) as caught:
        parse_description({**KERAS, **change}, Path("w.json"))
    assert message in str(caught.value)
    assert str(caught.value).startswith("w.json: ")


@pytest.mark.parametrize("missing", ["input", "mean", "std"])
def test_the_preprocessing_is_not_guessed(missing: str) -> None:
    told = {key: value for key, value in KERAS.items() if key != missing}
    with pytest.raises(FeatureError, match=f"'{missing}' is missing: the preprocessing belongs to"):
        parse_description(told, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": 300}, "larger than 'shorter_side'"),
        ({"crop": 0}, "'crop' of 'resize' is 0"),
        ({"interpolation": "lanczos"}, "'interpolation' is one of bilinear, bicubic, nearest"),
        ({"antialias": 1}, "'antialias' of 'resize' is true or false"),
    ],
)
def test_what_is_refused_of_a_size(change: dict[str, Any], message: str) -> None:
    resize = {"shorter_side": 256, "crop": 224, "interpolation": "bilinear", "antialias": True}
    with pytest.raises(FeatureError, match=message):
        parse_description({**KERAS, "resize": {**resize, **change}}, None)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    for content, message in (
        (None, "does not exist"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"inptu": 1}', "'inptu' is not one of"),
    ):
        if content is not None:
            path.write_text(content)
        with pytest.raises(FeatureError, match=message):
            read_description(path)
    path.write_text(json.dumps(KERAS))
    assert read_description(path) == KERAS


def test_preprocessing_is_what_it_says() -> None:
    pixels = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).float()
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = Preprocessing("RGB", 1.0, mean, std).apply(pixels)
    expected = (pixels.numpy() / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    found = Preprocessing("BGR", 255.0, (103.0, 116.0, 123.0), (1.0, 2.0, 3.0)).apply(pixels)
    np.testing.assert_allclose(found[:, 0], pixels[:, 2] - 103, rtol=1e-6)
    np.testing.assert_allclose(found[:, 2], (pixels[:, 0] - 123) / 3, rtol=1e-6)


def test_geometry() -> None:
    ramp = torch.linspace(0, 255, 40).expand(1, 3, 20, 40)
    same = Geometry(20, 20).apply(ramp)
    assert torch.equal(same, ramp[..., 10:30])
    half = Geometry(10, 8, antialias=True).apply(ramp)
    assert half.shape == (1, 3, 8, 8)
    np.testing.assert_allclose(half[0, 0].mean(), 127.5, atol=1e-3)
    assert torch.equal(half[..., 0, :], half[..., 7, :])
    twice = [Geometry(40, 40, antialias=smooth).apply(ramp) for smooth in (False, True)]
    assert torch.equal(*twice)
    assert (Geometry(80, 80, "bicubic").apply(255 * (ramp > 100).float()) >= 0).all()
    assert set(Geometry(33, 33, "nearest").apply(ramp).unique().tolist()) <= set(
        ramp.unique().tolist()
    )
    tall = Geometry(10, 10).apply(torch.rand(1, 3, 31, 20))
    assert tall.shape == (1, 3, 10, 10)
