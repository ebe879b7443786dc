"""What must be known of weights to use them, as a JSON file beside them.

``resnet50.json`` describes ``resnet50.safetensors``::

    {"input": "RGB, 0..255", "mean": [123.68, 116.779, 103.939], "std": [1, 1, 1], "stride_on": "1x1"}

==================  ==========================================================================
input               "RGB, 0..1", "RGB, 0..255", "BGR, 0..1" or "BGR, 0..255"; required. "as given"
                    for a dataset that preprocesses its images itself
mean, std           three numbers each, in that order of channels and that range; required
                    unless the input is as given
stride_on           a ResNet's stride: on the "1x1" (Caffe, Keras; "v1") or the "3x3"
                    convolution (torchvision; "v1.5", assumed when it is left out)
batch_norm_epsilon  of every batch normalisation, where it is not the network's own
resize              {"shorter_side": 256, "crop": 224, "interpolation": "bilinear",
                    "antialias": true}, for images when no size is asked for
fingerprint         the features of a fixed image, see `vmf.features.fingerprint`; as written
                    into the sidecar of an extraction that is known to be right
source              free text
==================  ==========================================================================
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from vmf.errors import FeatureError
from vmf.features.fingerprint import Fingerprint
from vmf.features.geometry import INTERPOLATIONS, Geometry
from vmf.features.preprocessing import Preprocessing, Triple

AS_GIVEN = "as given"

StrideOn = Literal["1x1", "3x3"]

_KEYS = (
    "input", "mean", "std", "stride_on", "batch_norm_epsilon", "resize", "fingerprint", "source",
)  # fmt: skip
_INPUT = re.compile(r"(RGB|BGR), ?0\.\.(1|255)(?:\.0)?")
_LARGEST_FILE = 1 << 20


@dataclass(frozen=True)
class Description:
    """The facts about weights that their tensors do not hold; the fields of the JSON file."""

    preprocessing: Preprocessing | None
    stride_on: StrideOn | None = None
    batch_norm_epsilon: float | None = None
    geometry: Geometry | None = None
    fingerprint: Fingerprint | None = None


def read_description(path: Path) -> dict[str, Any]:
    """The JSON object in a file, its keys checked.

    Raises
    ------
    FeatureError
        When the file is missing, is not a JSON object or has a key that is not known.
    """
    if not path.is_file():
        raise FeatureError(path, "does not exist; it is to describe the weights")
    if path.stat().st_size > _LARGEST_FILE:
        raise FeatureError(path, "is too large for a description of weights")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FeatureError(path, f"is not JSON: {error}") from error
    if not isinstance(told, dict):
        raise FeatureError(path, "is not a JSON object {...}; it is to describe the weights")
    check_keys(told, path)
    return told


def check_keys(told: Mapping[str, Any], where: Path | None) -> None:
    """Refuse keys that are not known: a mistyped one would be passed over in silence."""
    for key in told:
        if key not in _KEYS:
            raise FeatureError(where, f"{key!r} is not one of {', '.join(_KEYS)}")


def parse_description(told: Mapping[str, Any], where: Path | None) -> Description:
    """Check every value.

    Raises
    ------
    FeatureError
        One line that names the file and the key and says what is expected.
    """
    check_keys(told, where)
    as_given = told.get("input") == AS_GIVEN
    for key in ("input",) if as_given else ("input", "mean", "std"):
        if key not in told:
            raise FeatureError(
                where,
                f"{key!r} is missing: the preprocessing belongs to the weights and is not guessed;"
                ' for example {"input": "RGB, 0..1", "mean": [0.485, 0.456, 0.406],'
                ' "std": [0.229, 0.224, 0.225]} for weights trained with torchvision',
            )
    return Description(
        None if as_given else _preprocessing(told, where),
        _stride_on(told.get("stride_on"), where),
        _epsilon(told.get("batch_norm_epsilon"), where),
        _geometry(told.get("resize"), where),
        _fingerprint(told.get("fingerprint"), where),
    )


def _preprocessing(told: Mapping[str, Any], where: Path | None) -> Preprocessing:
    match = _INPUT.fullmatch(told["input"]) if isinstance(told["input"], str) else None
    if match is None:
        raise FeatureError(
            where,
            f"'input' is {told['input']!r}; give 'RGB, 0..1', 'RGB, 0..255', 'BGR, 0..1',"
            " 'BGR, 0..255' or 'as given'",
        )
    channels: Any = match[1]
    white = float(match[2])
    mean = _triple(told, "mean", where, lambda x: 0 <= x <= white, f"in the range 0..{white:g}")
    std = _triple(told, "std", where, lambda x: 0 < x < math.inf, "> 0")
    if white == 255 and 0 < max(mean) <= 1 and max(std) <= 1:
        raise FeatureError(where, "'mean' and 'std' are those of an input of 0..1, not 0..255")
    return Preprocessing(channels, white, mean, std)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _triple(
    told: Mapping[str, Any], key: str, where: Path | None, holds: Callable[[float], bool], rule: str
) -> Triple:
    value = told[key]
    if (
        not isinstance(value, (list, tuple))
        or len(value) != 3
        or not all(_is_number(x) and holds(x) for x in value)
    ):
        raise FeatureError(where, f"{key!r} is {value!r}; give three numbers, each {rule}")
    first, second, third = map(float, value)
    return first, second, third


def _stride_on(value: Any, where: Path | None) -> StrideOn | None:
    if value is None:
        return None
    named = [kind for kind in get_args(StrideOn) if isinstance(value, str) and kind in value]
    if len(named) != 1:
        raise FeatureError(where, f"'stride_on' is {value!r}; give '1x1' or '3x3'")
    stride_on: StrideOn = named[0]
    return stride_on


def _epsilon(value: Any, where: Path | None) -> float | None:
    if value is not None and not (_is_number(value) and 0 < value < 1):
        raise FeatureError(where, f"'batch_norm_epsilon' is {value!r}; give a number in (0, 1)")
    return None if value is None else float(value)


def _geometry(value: Any, where: Path | None) -> Geometry | None:
    if value is None:
        return None
    keys = ("shorter_side", "crop", "interpolation", "antialias")
    if not isinstance(value, dict) or set(value) != set(keys):
        raise FeatureError(where, f"'resize' is {value!r}; give {', '.join(keys)}")
    for key in ("shorter_side", "crop"):
        if type(value[key]) is not int or value[key] < 1:
            raise FeatureError(where, f"{key!r} of 'resize' is {value[key]!r}; give pixels, >= 1")
    if value["crop"] > value["shorter_side"]:
        raise FeatureError(where, "'crop' of 'resize' is larger than 'shorter_side'")
    if value["interpolation"] not in INTERPOLATIONS:
        raise FeatureError(where, f"'interpolation' is one of {', '.join(INTERPOLATIONS)}")
    if type(value["antialias"]) is not bool:
        raise FeatureError(where, "'antialias' of 'resize' is true or false")
    return Geometry(**value)


def _fingerprint(value: Any, where: Path | None) -> Fingerprint | None:
    if value is None:
        return None
    if (
        not isinstance(value, dict)
        or set(value) != {"pixels", "values"}
        or type(value["pixels"]) is not int
        or not isinstance(value["values"], list)
        or not value["values"]
        or not all(_is_number(x) and 0 <= x < math.inf for x in value["values"])
    ):
        raise FeatureError(
            where, '\'fingerprint\' is not {"pixels": ..., "values": [...]} as in a sidecar'
        )
    return Fingerprint(value["pixels"], tuple(map(float, value["values"])))
