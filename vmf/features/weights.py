"""Weights of a network and what must be known to use them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vmf.features.errors import FeatureError
from vmf.features.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch

StrideOn = Literal["1x1", "3x3"]


@dataclass(frozen=True)
class Weights:
    """A network's parameters with their description."""

    name: str
    state: dict[str, torch.Tensor]
    sha256: str
    preprocessing: Preprocessing
    stride_on: StrideOn = "3x3"


def load_weights(path: Path) -> Weights:
    """Read a ``.safetensors`` file with its description, the ``.json`` of the same name."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise FeatureError(path, "does not exist")
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise FeatureError(path, f"is not a safetensors file, or damaged ({error})") from error
    description = path.with_suffix(".json")
    if not description.is_file():
        raise FeatureError(path, f"its preprocessing is not known; describe it in {description}")
    told = json.loads(description.read_text(encoding="utf-8"))
    match = re.fullmatch(r"(RGB|BGR), 0\.\.(1|255)", told["input"])
    if match is None:
        raise FeatureError(description, "input is one of 'RGB, 0..255', 'RGB, 0..1', 'BGR, ...'")
    channels: Any = match[1]
    preprocessing = Preprocessing(
        channels, float(match[2]), tuple(told["mean"]), tuple(told["std"])
    )
    digest = file_sha256(path)
    stride_on: StrideOn = "1x1" if "1x1" in told.get("stride_on", "") else "3x3"
    return Weights(path.name, state, digest, preprocessing, stride_on)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
