"""torchvision's networks up to their last map, weights put in them, and a user's own networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torchvision", reason="features need torch and torchvision")

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from tests.features import tiny_networks
from vmf.features import FeatureError, load_backbone
from vmf.features.backbones import batch_norm_epsilon, place_stride, stride_placement
from vmf.features.feature_map import cut_before_pooling

PLAIN = {"input": "RGB, 0..1", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    fresh = {"init_weights": False} if name == "googlenet" else {}
    return models.get_model(name, weights=None, **fresh).eval()


@pytest.mark.parametrize(
    ("name", "pixels", "shape"),
    [
        ("resnet18", 32, (512, 1, 1)),
        ("resnet18", 128, (512, 4, 4)),
        ("mobilenet_v2", 64, (1280, 2, 2)),
        ("mobilenet_v3_small", 64, (576, 2, 2)),
        ("shufflenet_v2_x0_5", 64, (1024, 2, 2)),
        ("mnasnet0_5", 64, (1280, 2, 2)),
        ("squeezenet1_1", 64, (512, 3, 3)),
        ("densenet121", 64, (1024, 2, 2)),
        ("efficientnet_b0", 64, (1280, 2, 2)),
        ("regnet_y_400mf", 64, (440, 2, 2)),
        ("convnext_tiny", 64, (768, 2, 2)),
        ("swin_t", 64, (768, 2, 2)),
        ("googlenet", 64, (1024, 2, 2)),
        ("vit_b_32", 224, (768,)),
    ],
)
def test_the_last_map(name: str, pixels: int, shape: tuple[int, ...]) -> None:
    whole = network(name)
    cut = cut_before_pooling(whole, name)
    with torch.inference_mode():
        features = cut(torch.rand(2, 3, pixels, pixels))
    assert features.shape == (2, *shape)
    kept = cut.state_dict().keys()
    assert kept < whole.state_dict().keys()
    assert not cut.training


def test_the_rest_of_the_network_makes_of_it_what_it_made_before() -> None:
    whole = network("resnet18")
    x = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        expected = whole(x)
        features = cut_before_pooling(whole, "resnet18")(x)
        assert torch.equal(whole.fc(whole.avgpool(features).flatten(1)), expected)


def save(state: dict[str, Any], path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_weights_of_a_file(tmp_path: Path, ending: str) -> None:
    whole = network("resnet18")
    path = save(whole.state_dict(), tmp_path / f"w{ending}")
    loaded = load_backbone("resnet18", path, facts=PLAIN)
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = cut_before_pooling(whole, "resnet18")((x - 0.5) / 0.25)
        torch.testing.assert_close(loaded.features(x * 255), expected)
    assert loaded.weights_name == path.name
    assert loaded.weights_sha256 is not None


def test_a_wrapped_file_is_the_same_weights(tmp_path: Path) -> None:
    state = network("resnet18").state_dict()
    plain = save(state, tmp_path / "plain.pth")
    wrapped = {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}
    other = save(wrapped, tmp_path / "wrapped.pth")
    first, second = (load_backbone("resnet18", path, facts=PLAIN) for path in (plain, other))
    assert first.parameters_sha256 == second.parameters_sha256
    assert first.weights_sha256 != second.weights_sha256


def test_a_head_of_other_classes_or_none_does_not_matter(tmp_path: Path) -> None:
    state = network("resnet18").state_dict()
    without = {key: value for key, value in state.items() if not key.startswith("fc.")}
    other = {**without, "fc.weight": torch.rand(10, 512), "fc.bias": torch.rand(10)}
    for name, kept in (("a.safetensors", without), ("b.safetensors", other)):
        load_backbone("resnet18", save(kept, tmp_path / name), facts=PLAIN)


def refused(message: str, *arguments: Any, **options: Any) -> None:
    with pytest.raises(FeatureError) as caught:
        load_backbone(*arguments, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network(tmp_path: Path) -> None:
    state = network("resnet18").state_dict()
    path = save(state, tmp_path / "w.safetensors")
    refused("are these the weights of resnet50?", "resnet50", path, facts=PLAIN)
    refused("lacks features.0.0.weight", "mobilenet_v2", path, facts=PLAIN)
    del state["layer4.1.bn2.bias"]
    save(state, path)
    refused("w.safetensors: lacks layer4.1.bn2.bias;", "resnet18", path, facts=PLAIN)
    state["layer4.1.bn2.bias"] = torch.zeros(511)
    save(state, path)
    refused("has shape (511,), resnet18 needs (512,)", "resnet18", path, facts=PLAIN)
    state["layer4.1.bn2.bias"] = torch.full((512,), torch.nan)
    save(state, path)
    refused("has values that are not finite", "resnet18", path, facts=PLAIN)
    state["layer4.1.bn2.bias"], state["layer5.weight"] = torch.zeros(512), torch.zeros(1)
    save(state, path)
    refused("has layer5.weight, which resnet18 lacks", "resnet18", path, facts=PLAIN)


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    refused("does not exist", "resnet18", path, facts=PLAIN)
    path.write_bytes(b"")
    refused("is empty", "resnet18", path, facts=PLAIN)
    path.write_bytes(b"12345678{nonsense")
    refused("is not a safetensors file, or damaged", "resnet18", path, facts=PLAIN)
    whole = save(network("resnet18").state_dict(), tmp_path / "whole.safetensors").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("is not a safetensors file, or damaged", "resnet18", path, facts=PLAIN)
    save_file({}, path)
    refused("holds no tensor", "resnet18", path, facts=PLAIN)
    (tmp_path / "w.pth").write_bytes(b"nonsense")
    refused("damaged", "resnet18", tmp_path / "w.pth", facts=PLAIN)
    torch.save([1, 2], tmp_path / "w.pth")
    refused("does not hold a network's parameters", "resnet18", tmp_path / "w.pth", facts=PLAIN)
    refused("is a folder", "resnet18", tmp_path, facts=PLAIN)


class Evil:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    torch.save({"weight": Evil(tmp_path / "run")}, tmp_path / "w.pth")
    refused("holds Python objects, which are never loaded", "resnet18", tmp_path / "w.pth",
            facts=PLAIN)  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_names_that_are_not_known() -> None:
    refused("torchvision has no backbone 'resnet5'; did you mean resnet50", "resnet5")
    refused("resnet50 has no weights 'IMAGENET_V2'; did you mean IMAGENET1K_V2",
            "resnet50", "IMAGENET_V2")  # fmt: skip
    refused("has no weights 'ResNet18_Weights.DEFAULT'", "resnet50", "ResNet18_Weights.DEFAULT")


def test_own_networks() -> None:
    loaded = load_backbone("tiny_networks:tiny", facts=PLAIN)
    assert loaded.name == "tiny_networks:tiny"
    given = load_backbone(tiny_networks.tiny(), facts=PLAIN)
    assert given.name == "Sequential"
    assert given.parameters_sha256 == loaded.parameters_sha256
    x = torch.rand(2, 3, 32, 32) * 255
    assert torch.equal(loaded.features(x), given.features(x))


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ("no_such_module:f", "there is no module 'no_such_module'"),
        ("tiny_networks.deeper:f", "there is no module 'tiny_networks.deeper'"),
        ("tiny_networks:tinny", "there is no 'tinny' in it; did you mean tiny"),
        ("tiny_networks:__name__", "is not callable"),
        ("tiny_networks:fails", "tiny_networks:fails() failed: RuntimeError: no such file"),
        ("tiny_networks:not_a_module", "returns list, a torch.nn.Module is needed"),
    ],
)
def test_factories_that_do_not_work(specification: str, message: str) -> None:
    refused(message, specification, facts=PLAIN)


def test_a_module_that_needs_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needy.py").write_text("import no_such_library\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    refused("needy needs no_such_library, not installed", "needy:f", facts=PLAIN)
    refused("importing broken failed: ZeroDivisionError", "broken:f", facts=PLAIN)


def test_the_working_directory_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_network.py").write_text("from tiny_networks import vectors as build\n")
    monkeypatch.chdir(tmp_path)
    assert load_backbone("my_network:build", facts=PLAIN).name == "my_network:build"


def test_own_networks_take_files_of_weights(tmp_path: Path) -> None:
    state = tiny_networks.tiny().state_dict()
    doubled = {key: value * 2 for key, value in state.items()}
    path = save(doubled, tmp_path / "doubled.safetensors")
    loaded = load_backbone("tiny_networks:tiny", path, facts=PLAIN)
    assert torch.equal(loaded.module.state_dict()["0.weight"], doubled["0.weight"])
    save({**doubled, "head.weight": torch.zeros(1)}, path)
    refused("has head.weight, which tiny_networks:tiny lacks", "tiny_networks:tiny", path,
            facts=PLAIN)  # fmt: skip
    refused("give a .safetensors", "tiny_networks:tiny", "DEFAULT", facts=PLAIN)


def test_where_the_stride_is() -> None:
    network = tiny_networks.bottlenecks()
    assert stride_placement(network) == "3x3"
    assert place_stride(network, "1x1") == 3
    assert stride_placement(network) == "1x1"
    assert network.get_submodule("layer2.0.conv1").stride == (2, 2)
    assert network.get_submodule("layer2.0.conv2").stride == (1, 1)
    assert network.get_submodule("layer1.0.conv2").stride == (1, 1)
    place_stride(network, "3x3")
    assert network.get_submodule("layer4.0.conv2").stride == (2, 2)
    assert stride_placement(tiny_networks.basic_blocks()) is None
    refused("'stride_on' means nothing to it", "tiny_networks:basic_blocks",
            facts={**PLAIN, "stride_on": "1x1"})  # fmt: skip


def test_the_epsilon_of_the_batch_normalisations() -> None:
    facts = {**PLAIN, "batch_norm_epsilon": 1e-3}
    loaded = load_backbone("tiny_networks:bottlenecks", facts=facts)
    assert batch_norm_epsilon(loaded.module) == 1e-3
    refused("has no batch normalisation", "tiny_networks:tiny", facts=facts)


class Entry:
    """What torchvision keeps of one set of weights, as far as it is used."""

    def __init__(self, url: str, **transforms: Any) -> None:
        from torchvision.transforms._presets import ImageClassification

        self.url = url
        self.transforms = lambda: ImageClassification(**transforms)

    def __str__(self) -> str:
        return "ResNet18_Weights.OURS"


def test_torchvision_describes_its_own_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Downloaded as torchvision does, from a file: URL; the checksum is in the name."""
    import hashlib

    from vmf.features import backbones

    whole = network("resnet18")
    content = save(whole.state_dict(), tmp_path / "w.pth").read_bytes()
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / name).write_bytes(content)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    entry = Entry(f"file://{tmp_path / 'server' / name}", crop_size=32, resize_size=40)

    def get_model(backbone: str, *, weights: Any, progress: bool) -> nn.Module:
        built = models.get_model(backbone, weights=None)
        state = torch.hub.load_state_dict_from_url(
            weights.url, progress=progress, check_hash=True, weights_only=True
        )
        built.load_state_dict(state)
        return built

    real_get_model = models.get_model
    monkeypatch.setattr(backbones, "named_entry", lambda *_: entry)
    monkeypatch.setattr(
        "torchvision.models.get_model",
        lambda name, *, weights, **how: (
            get_model(name, weights=weights, **how) if weights else real_get_model(name, **how)
        ),
    )
    loaded = load_backbone("resnet18", "OURS")
    assert loaded.trusted
    assert loaded.weights_sha256 == hashlib.sha256(content).hexdigest()
    preprocessing, geometry = loaded.description.preprocessing, loaded.description.geometry
    assert preprocessing is not None
    assert preprocessing.mean == (0.485, 0.456, 0.406)
    assert preprocessing.white == 1
    assert geometry is not None
    assert (geometry.shorter_side, geometry.crop) == (40, 32)
    kept = tmp_path / "home" / "hub" / "checkpoints" / name
    damaged = bytearray(content)
    damaged[-1] ^= 1
    kept.write_bytes(bytes(damaged))
    refused("is damaged: its checksum is not the one in its name", "resnet18", "OURS")
    kept.unlink()
    (tmp_path / "server" / name).unlink()
    refused("cannot be downloaded or read", "resnet18", "OURS")
