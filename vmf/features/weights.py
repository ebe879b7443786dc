"""Parameters of networks: torchvision's by their enum name, ``.pth`` and ``.safetensors`` files.

Nothing is unpickled but tensors: ``.pth`` files are read with ``weights_only=True``.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmf.errors import FeatureError
from vmf.features.description import read_description
from vmf.features.factory import near_matches

if TYPE_CHECKING:
    import torch

ENDINGS = (".safetensors", ".pth", ".pt")

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PARALLEL = "module."
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.\w+$")


@dataclass(frozen=True)
class Weights:
    """Parameters and what is told about them.

    Attributes
    ----------
    name : str
        Of the file, without folders, or of torchvision's entry.
    path : Path or None
    state : mapping of str to tensor
    sha256 : str or None
        Of the file.
    parameters_sha256 : str
        Of names, types, shapes and values, whatever file they came in.
    told : dict
        The keys of a description (`vmf.features.description`) that a file gives.
    known : dict
        The keys of a description that is published for these parameters.
    """

    name: str
    path: Path | None
    state: Mapping[str, torch.Tensor]
    sha256: str | None
    parameters_sha256: str
    told: dict[str, Any]
    known: dict[str, Any]


def is_weights_file(weights: str | os.PathLike[str]) -> bool:
    """Whether a file is meant, not an entry of torchvision's."""
    text = os.fspath(weights)
    return not isinstance(weights, str) or text.lower().endswith(ENDINGS) or os.sep in text


def read_weights(path: Path, description: Path | None = None) -> Weights:
    """Read a ``.safetensors``, ``.pth`` or ``.pt`` file.

    Parameters
    ----------
    path : Path
        The file.
    description : Path, optional
        Its description; by default the ``.json`` beside it, if there is one.

    Raises
    ------
    FeatureError
        When the file is missing, damaged, or holds something else than a network's parameters.
    """
    if not path.is_file():
        raise FeatureError(path, "is a folder" if path.is_dir() else "does not exist")
    if path.suffix.lower() not in ENDINGS:
        raise FeatureError(path, f"weights are read from {', '.join(ENDINGS)}")
    if path.stat().st_size == 0:
        raise FeatureError(path, "is empty")
    try:
        is_safetensors = path.suffix.lower() == ".safetensors"
        state = _read_safetensors(path) if is_safetensors else _read_pth(path)
        checksum = file_sha256(path)
    except OSError as error:
        raise FeatureError(path, f"cannot be read ({error.strerror or error})") from error
    if not state:
        raise FeatureError(path, "holds no tensor")
    parameters = parameters_sha256(state)
    known = known_weights().get(parameters, {})
    beside = path.with_suffix(".json")
    if description is None and beside.is_file():
        description = beside
    told = read_description(description) if description else {}
    return Weights(path.name, path, state, checksum, parameters, told, known)


def known_weights() -> dict[str, dict[str, Any]]:
    """Descriptions of published weights, by the checksum of their parameters."""
    text = (files("vmf.features") / "known_weights.json").read_text(encoding="utf-8")
    known: dict[str, dict[str, Any]] = json.loads(text)
    return known


def named_entry(backbone: str, name: str) -> Any:
    """torchvision's entry of weights, ``IMAGENET1K_V2`` or ``ResNet50_Weights.IMAGENET1K_V2``.

    Raises
    ------
    FeatureError
        When that backbone has no such entry; the message lists those it has.
    """
    from torchvision import models

    entries = models.get_model_weights(backbone)
    enum, _, entry = name.rpartition(".")
    if enum in ("", entries.__name__) and entry in entries.__members__:
        return entries[entry]
    there = ", ".join(entries.__members__)
    raise FeatureError(
        None,
        f"{backbone} has no weights {name!r}{near_matches(entry, list(entries.__members__))};"
        f" torchvision has {there or 'none'}; a file ends in {', '.join(ENDINGS)}",
    )


def named_description(entry: Any) -> dict[str, Any]:
    """What torchvision itself says about the preprocessing of its weights."""
    from torchvision.transforms._presets import ImageClassification

    transforms = entry.transforms()
    if not isinstance(transforms, ImageClassification):
        raise FeatureError(None, f"{entry}: its preprocessing is not that of a classifier")
    (crop,) = set(transforms.crop_size)
    (shorter,) = set(transforms.resize_size)
    return {
        "input": "RGB, 0..1",
        "mean": list(transforms.mean),
        "std": list(transforms.std),
        "resize": {
            "shorter_side": shorter,
            "crop": crop,
            "interpolation": transforms.interpolation.value,
            "antialias": bool(transforms.antialias),
        },
    }


def downloaded_file_sha256(entry: Any) -> str | None:
    """Checksum of the file that torchvision keeps of these weights, compared with its name.

    Raises
    ------
    FeatureError
        When the file is not the one published, whose name holds the beginning of its checksum.
    """
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rpartition("/")[2]
    if not path.is_file():
        return None
    checksum = file_sha256(path)
    match = _HASH_IN_NAME.search(path.name)
    if match and not checksum.startswith(match[1]):
        raise FeatureError(path, "is damaged: its checksum is not the one in its name; delete it")
    return checksum


def parameters_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, in the order of the names."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(memoryview(tensor.reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, torch.Tensor] = load_file(path)
    except SafetensorError as error:
        raise FeatureError(path, f"is not a safetensors file, or damaged ({error})") from error
    return state


def _read_pth(path: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise FeatureError(
            path,
            "holds Python objects, which are never loaded, or is damaged; save the parameters"
            " alone: torch.save(network.state_dict(), file)",
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise FeatureError(path, "is damaged, or not a file of torch.save") from error
    # Training scripts wrap the parameters.
    for wrapper in _WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in found.items()
    ):
        raise FeatureError(path, "does not hold a network's parameters (a state_dict of tensors)")
    if found and all(name.startswith(_PARALLEL) for name in found):
        return {name.removeprefix(_PARALLEL): value for name, value in found.items()}
    return dict(found)
