"""Networks that turn images into features: torchvision's by name, a user's own by its factory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmf.errors import Argument, FeatureError
from vmf.features.description import (
    Description,
    StrideOn,
    parse_description,
    read_description,
)
from vmf.features.factory import call_factory, is_factory, near_matches
from vmf.features.feature_map import cut_before_pooling
from vmf.features.requirements import require_torch
from vmf.features.weights import (
    Weights,
    downloaded_file_sha256,
    is_weights_file,
    named_description,
    named_entry,
    parameters_sha256,
    read_weights,
)

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Backbone:
    """A network in evaluation mode that returns features, and what is known of its weights.

    Attributes
    ----------
    name : str
        torchvision's name, or ``package.module:factory``.
    module : torch.nn.Module
        Preprocessed images (n, 3, h, w) to maps (n, channels, rows, columns) or vectors (n, d).
    description : Description
    weights_name, weights_sha256, parameters_sha256 : str or None
        See :class:`vmf.features.weights.Weights`.
    trusted : bool
        The weights come with a description by those who trained them, from torchvision.
    doubts : tuple of str
        In what the description departs from the one published for these weights.
    """

    name: str
    module: nn.Module
    description: Description
    weights_name: str | None
    weights_sha256: str | None
    parameters_sha256: str
    trusted: bool = False
    doubts: tuple[str, ...] = ()

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Features of floating-point RGB images (n, 3, h, w) in 0..255.

        Raises
        ------
        FeatureError
            When the network does not return one tensor with a row an image.
        """
        import torch

        preprocessing = self.description.preprocessing
        inputs = preprocessing.apply(images) if preprocessing else images
        rows = self.module(inputs)
        if (
            not isinstance(rows, torch.Tensor)
            or rows.ndim < 2
            or rows.shape[0] != len(images)
            or not rows.is_floating_point()
        ):
            what = f"{tuple(rows.shape)} {rows.dtype}" if isinstance(rows, torch.Tensor) else ""
            raise FeatureError(
                None,
                f"{self.name} returns {type(rows).__name__} {what} for {len(images)} images;"
                " features are one floating-point tensor (images, ...)",
            )
        return rows


def load_backbone(
    backbone: str | nn.Module = "resnet50",
    weights: str | os.PathLike[str] | None = None,
    *,
    description: str | os.PathLike[str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Backbone:
    """Build a network and put its weights in.

    Parameters
    ----------
    backbone : str or torch.nn.Module
        A name of torchvision's (``resnet50``), whose layers behind the last map are cut off; or
        ``package.module:factory``, called without arguments, or a module, whose output is taken
        as it is.
    weights : str or path-like, optional
        torchvision's enum name (``IMAGENET1K_V2``, ``DEFAULT``), or a ``.safetensors``, ``.pth`` or
        ``.pt`` file. Without it: ``DEFAULT``, or for a factory the parameters it has made.
    description : path-like, optional
        What must be known of the weights, a JSON file (`vmf.features.description`). By default the
        ``.json`` beside a file of weights; torchvision describes its own.
    facts : mapping, optional
        Keys of a description that replace those of the file.

    Raises
    ------
    FeatureError
        For an unknown name, weights that do not fit, or a preprocessing that is not known.
    """
    require_torch()
    told = dict(facts or {})
    file = None
    if weights is not None and is_weights_file(weights):
        file = read_weights(Path(weights), None if description is None else Path(description))
    elif description is not None:
        told = {**read_description(Path(description)), **told}
    if isinstance(backbone, str) and not is_factory(backbone):
        if file is None:
            return _torchvision_weights(backbone, str(weights or "DEFAULT"), told)
        name = backbone
        module, left_out = _torchvision_network(backbone)
    else:
        name, module = _own_network(backbone)
        left_out = set()
        if weights is not None and file is None:
            raise FeatureError(
                None, f"weights {weights!r}: for {name} give a .safetensors, .pth or .pt file"
            )
    known = file.known if file else {}
    if file is not None:
        told = {**known, **file.told, **told}
    if "fingerprint" in known:
        told["fingerprint"] = known["fingerprint"]
    described = parse_description(told, file.path if file else None)
    _apply(described, module, name)
    if file is None:
        return Backbone(name, module, described, None, None, parameters_sha256(module.state_dict()))
    _load(module, file, name, left_out)
    doubts = tuple(
        f"{key} is {told[key]}, published: {known[key]}"
        for key in known
        if key not in ("source", "fingerprint") and told[key] != known[key]
    )
    return Backbone(
        name, module, described, file.name, file.sha256, file.parameters_sha256, False, doubts
    )


def place_stride(network: nn.Module, stride_on: StrideOn) -> int:
    """Put the stride of 2 that opens a stage on the 1x1 or on the 3x3 convolution.

    torchvision has it on the 3x3 ("v1.5"). Weights trained with Caffe and Keras have it on the 1x1
    ("v1", as in He et al. 2015); they load into torchvision's network and give wrong features.

    Returns
    -------
    int
        How many bottlenecks with a stride the network has.
    """
    found = 0
    for narrow, wide in _striding_pairs(network):
        stride = max(narrow.stride, wide.stride)
        narrow.stride, wide.stride = (stride, (1, 1)) if stride_on == "1x1" else ((1, 1), stride)
        found += 1
    return found


def stride_placement(network: nn.Module) -> StrideOn | None:
    """Where the stride is; None without bottlenecks, or when they differ."""
    places: set[StrideOn] = {
        "1x1" if max(narrow.stride) > 1 else "3x3" for narrow, _ in _striding_pairs(network)
    }
    return places.pop() if len(places) == 1 else None


def batch_norm_epsilon(network: nn.Module) -> float | None:
    """Of all batch normalisations; None without one, or when they differ."""
    from torch import nn

    found = {float(part.eps) for part in network.modules() if isinstance(part, nn.BatchNorm2d)}
    return found.pop() if len(found) == 1 else None


def _striding_pairs(network: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.Conv2d]]:
    """The 1x1 and the 3x3 convolution of each bottleneck of a ResNet that has a stride."""
    from torch import nn

    for module in network.modules():
        narrow, wide = getattr(module, "conv1", None), getattr(module, "conv2", None)
        if (
            isinstance(narrow, nn.Conv2d)
            and isinstance(wide, nn.Conv2d)
            and narrow.kernel_size == (1, 1)
            and wide.kernel_size == (3, 3)
            and max(*narrow.stride, *wide.stride) > 1
        ):
            yield narrow, wide


def _torchvision_names() -> list[str]:
    from torchvision import models

    names: list[str] = models.list_models(module=models)
    return names


def _check_name(name: str) -> None:
    known = _torchvision_names()
    if name not in known:
        raise FeatureError(
            None,
            f"torchvision has no backbone {name!r}{near_matches(name, known)}; your own network is"
            " named package.module:factory",
        )


def _torchvision_network(name: str) -> tuple[nn.Module, set[str]]:
    """The network up to its map, and the names of the parts cut off."""
    import torch
    from torchvision import models

    _check_name(name)
    # Their own initialisation would be thrown away, and takes minutes.
    fresh = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.random.fork_rng(devices=[]):
        network = models.get_model(name, weights=None, **fresh)
    module = cut_before_pooling(network, name)
    return module, _parts(network.state_dict()) - _parts(module.state_dict())


def _torchvision_weights(backbone: str, weights: str, told: Mapping[str, Any]) -> Backbone:
    from urllib.error import URLError

    from torchvision import models

    _check_name(backbone)
    entry = named_entry(backbone, weights)
    try:
        network = models.get_model(backbone, weights=entry, progress=False)
    except (URLError, OSError, RuntimeError) as error:
        raise FeatureError(
            None,
            f"{entry} cannot be downloaded or read ({error}); give a file: ",
            Argument("weights", "FILE"),
        ) from error
    checksum = downloaded_file_sha256(entry)
    described = parse_description({**named_description(entry), **told}, None)
    parameters = parameters_sha256(network.state_dict())
    module = cut_before_pooling(network, backbone)
    _apply(described, module, backbone)
    return Backbone(backbone, module, described, str(entry), checksum, parameters, not told)


def _own_network(backbone: str | nn.Module) -> tuple[str, nn.Module]:
    from torch import nn

    module = call_factory(backbone) if isinstance(backbone, str) else backbone
    name = backbone if isinstance(backbone, str) else type(backbone).__qualname__
    if not isinstance(module, nn.Module):
        raise FeatureError(
            None, f"{name} returns {type(module).__name__}, a torch.nn.Module is needed"
        )
    return name, module.eval()


def _apply(description: Description, module: nn.Module, name: str) -> None:
    """Change what the description says about the network itself."""
    from torch import nn

    if description.stride_on and not place_stride(module, description.stride_on):
        raise FeatureError(
            None,
            f"{name} has no bottleneck with a stride, so 'stride_on' means nothing to it; leave it"
            " out",
        )
    if description.batch_norm_epsilon is not None:
        norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        if not norms:
            raise FeatureError(
                None, f"{name} has no batch normalisation; leave out 'batch_norm_epsilon'"
            )
        for norm in norms:
            norm.eps = description.batch_norm_epsilon


def _load(module: nn.Module, weights: Weights, name: str, left_out: set[str]) -> None:
    """Put every parameter in its place; what belongs to the part cut off is left out."""
    needed = module.state_dict()
    # Older files lack these counters, which have no part in inference.
    missing = [
        key
        for key in needed
        if key not in weights.state and not key.endswith("num_batches_tracked")
    ]
    allowed = needed.keys() | {key for key in weights.state if key.split(".")[0] in left_out}
    unknown = [key for key in weights.state if key not in allowed]
    if missing:
        hint = f" and has {_some(unknown)} instead" if unknown else ""
        raise FeatureError(
            weights.path, f"lacks {_some(missing)}{hint}; are these the weights of {name}?"
        )
    for key, tensor in needed.items():
        found = weights.state.get(key, tensor)
        if found.shape != tensor.shape:
            raise FeatureError(
                weights.path,
                f"{key} has shape {tuple(found.shape)}, {name} needs {tuple(tensor.shape)};"
                f" are these the weights of {name}?",
            )
        if found.is_floating_point() and not found.isfinite().all():
            raise FeatureError(weights.path, f"{key} has values that are not finite")
    if unknown:
        raise FeatureError(
            weights.path, f"has {_some(unknown)}, which {name} lacks; is it another network?"
        )
    module.load_state_dict({k: v for k, v in weights.state.items() if k in needed}, strict=False)


def _parts(state: Mapping[str, Any]) -> set[str]:
    return {key.split(".")[0] for key in state}


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
