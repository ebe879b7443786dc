"""Images to a file: what is in it, what stands beside it, what is refused."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torchvision", reason="features need torch and torchvision")

import torch
from PIL import Image

from tests.features import tiny_networks
from tests.features.extracting import PLAIN, Output
from vmf.features import FeatureError, extract, load_backbone
from vmf.features.cifar10 import Cifar10
from vmf.features.feature_file import FeatureFile
from vmf.features.images import stack

TINY = {"backbone": "tiny_networks:tiny", "facts": PLAIN}


def by_hand(images: Path, count: int) -> np.ndarray[Any, Any]:
    """Features of CIFAR-10 images without anything of the package but the reader."""
    pixels = torch.from_numpy(stack(Cifar10([images]).read(0, count))).float()
    with torch.inference_mode():
        return tiny_networks.tiny()((pixels / 255 - 0.5) / 0.25).flatten(1).numpy()


def test_features_labels_and_sidecar(random_images: Path, output: Output) -> None:
    done = extract(random_images, output.features, **TINY, batch_size=8)
    assert output.names() == ["f.json", "f.labels.npy", "f.npy"]
    found = np.load(output.features)
    assert (found.shape, found.dtype) == ((20, 24 * 16), np.float32)
    np.testing.assert_allclose(found, by_hand(random_images, 20), rtol=1e-5, atol=1e-6)
    assert (
        np.load(output.folder / "f.labels.npy").tolist()
        == Cifar10([random_images]).labels(20).tolist()
    )
    sidecar = json.loads((output.folder / "f.json").read_text())
    assert sidecar == done.facts
    assert sidecar["rows"] == done.rows == done.computed == 20
    assert sidecar["dimension"] == done.dimension == 384
    assert sidecar["shape"] == [24, 4, 4]
    assert sidecar["preprocessing"] == PLAIN
    assert sidecar["resize"]["crop"] == 32
    assert sidecar["batches"] == {"size": 8}
    assert sidecar["batch_pieces"] == [[0, 8]]
    assert sidecar["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert sidecar["weights"]["parameters_sha256"]
    assert done.images_per_second > 0


def test_float16_limit_and_pool(random_images: Path, output: Output) -> None:
    done = extract(random_images, output.features, **TINY, dtype="float16", limit=7, pool=True)
    found = np.load(output.features)
    assert (found.shape, found.dtype, done.dimension) == ((7, 24), np.float16, 24)
    maps = by_hand(random_images, 7).reshape(7, 24, 16)
    np.testing.assert_allclose(found, maps.mean(2), rtol=2e-3, atol=1e-4)
    assert len(np.load(output.folder / "f.labels.npy")) == 7


def test_sizes(cifar10_images: Path, output: Output) -> None:
    """Enlarging is bilinear without aligned corners; it is in the sidecar."""
    done = extract(cifar10_images, output.features, **TINY, size=64, limit=5)
    assert done.facts["resize"] == {
        "shorter_side": 64, "crop": 64, "interpolation": "bilinear", "antialias": True,
    }  # fmt: skip
    pixels = torch.from_numpy(stack(Cifar10([cifar10_images]).read(0, 5))).float()
    larger = torch.nn.functional.interpolate(pixels, size=(64, 64), mode="bilinear")
    with torch.inference_mode():
        expected = tiny_networks.tiny()((larger / 255 - 0.5) / 0.25).flatten(1)
    np.testing.assert_allclose(np.load(output.features), expected, rtol=1e-4, atol=1e-5)


def test_a_backbone_that_is_loaded_already(random_images: Path, output: Output) -> None:
    backbone = load_backbone("tiny_networks:tiny", facts=PLAIN)
    extract(random_images, output.features, backbone=backbone)
    first = output.features.read_bytes()
    extract(random_images, output.features, **TINY, overwrite=True)
    assert output.features.read_bytes() == first


def test_the_batch_size_moves_the_last_bits_at_most(random_images: Path, output: Output) -> None:
    found = []
    for size in (1, 7, 20):
        extract(random_images, output.features, **TINY, batch_size=size, overwrite=True)
        found.append(np.load(output.features))
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-4, atol=1e-5)


def folder_of_pictures(folder: Path) -> list[str]:
    generator = np.random.default_rng(3)
    names = []
    for name, size in {"cat/a": (40, 30), "cat/b": (33, 50), "dog/c": (32, 32)}.items():
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (*size, 3), np.uint8)).save(path)
        names.append(f"{name}.png")
    return names


def test_a_folder_of_pictures_of_several_sizes(tmp_path: Path, output: Output) -> None:
    names = folder_of_pictures(tmp_path / "pictures")
    done = extract(tmp_path / "pictures", output.features, **TINY, size=24)
    assert output.names() == ["f.json", "f.labels.npy", "f.names.txt", "f.npy"]
    assert done.names is not None
    assert done.names.read_text().split() == names
    assert np.load(output.folder / "f.labels.npy").tolist() == ["cat", "cat", "dog"]
    found = np.load(output.features)
    for row, name in zip(found, names, strict=True):
        pixels = np.asarray(Image.open(tmp_path / "pictures" / name), np.float32)
        image = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
        height, width = (24 * side // min(image.shape[2:]) for side in image.shape[2:])
        image = torch.nn.functional.interpolate(
            image, size=(height, width), mode="bilinear", antialias=True
        )
        top, left = (height - 24) // 2, (width - 24) // 2
        image = image[..., top : top + 24, left : left + 24]
        with torch.inference_mode():
            expected = tiny_networks.tiny()((image / 255 - 0.5) / 0.25).flatten()
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)


def test_a_dataset(output: Output) -> None:
    done = extract(tiny_networks.FewImages(), output.features, **TINY, size=16, batch_size=2)
    assert done.facts["images"]["kind"] == "dataset"
    assert np.load(output.folder / "f.labels.npy").tolist() == [0, 1, 2, 3, 4]
    assert np.load(output.features).shape == (5, 24 * 4)


class Prepared:
    """A dataset that preprocesses its images itself."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(index))


def test_images_as_given(output: Output) -> None:
    given = {"backbone": "tiny_networks:tiny", "facts": {"input": "as given"}}
    extract(Prepared(), output.features, **given)
    with torch.inference_mode():
        images = torch.stack([Prepared()[k] for k in range(4)])
        expected = tiny_networks.tiny()(images).flatten(1)
    np.testing.assert_allclose(np.load(output.features), expected, rtol=1e-5, atol=1e-6)
    assert output.names() == ["f.json", "f.npy"]


def test_preprocessed_images_of_several_sizes(output: Output) -> None:
    class Uneven(Prepared):
        def __getitem__(self, index: int) -> Any:
            return torch.zeros(3, 32, 32 + 8 * (index == 3))

    given = {"backbone": "tiny_networks:tiny", "facts": {"input": "as given"}}
    with pytest.raises(FeatureError, match="images 0 to 3 are not all of one size"):
        extract(Uneven(), output.features, **given)
    assert output.names() == []


def test_preprocessed_images_and_a_description_do_not_go_together(
    random_images: Path, output: Output
) -> None:
    with pytest.raises(FeatureError, match="floating-point"):
        extract(Prepared(), output.features, **TINY, size=32)
    given = {"backbone": "tiny_networks:tiny", "facts": {"input": "as given"}}
    with pytest.raises(FeatureError, match="bytes"):
        extract(random_images, output.features, **given)
    with pytest.raises(FeatureError, match="keep their size"):
        extract(Prepared(), output.features, **given, size=16)
    assert output.names() == []


def test_bad_pictures_stop_it_and_leave_nothing(tmp_path: Path, output: Output) -> None:
    names = folder_of_pictures(tmp_path / "pictures")
    bad = tmp_path / "pictures" / names[1]
    good = bad.read_bytes()
    for content, message in (
        (b"", "is empty"),
        (good[:300], "is damaged"),
        (b"xx", "not an image"),
    ):
        bad.write_bytes(content)
        with pytest.raises(FeatureError, match=message) as caught:
            extract(tmp_path / "pictures", output.features, **TINY, size=24)
        assert "cat/b.png" in str(caught.value)
        assert output.names() == []


def test_bad_pictures_can_be_given_rows_of_nan(tmp_path: Path, output: Output) -> None:
    names = folder_of_pictures(tmp_path / "pictures")
    extract(tmp_path / "pictures", output.features, **TINY, size=24)
    before = np.load(output.features)
    bad = tmp_path / "pictures" / names[1]
    bad.write_bytes(bad.read_bytes()[:300])
    done = extract(
        tmp_path / "pictures", output.features, **TINY, size=24, on_bad_images="skip",
        overwrite=True,
    )  # fmt: skip
    found = np.load(output.features)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2]], before[[0, 2]], rtol=1e-4, atol=1e-6)
    assert done.facts["rows_without_features"] == [1]


def test_a_bad_picture_late_keeps_the_rows_before_it(tmp_path: Path, output: Output) -> None:
    names = folder_of_pictures(tmp_path / "pictures")
    bad = tmp_path / "pictures" / names[2]
    bad.write_bytes(bad.read_bytes()[:300])
    with pytest.raises(
        FeatureError, match=r"dog/c.png.*resume=True to keep the 2 rows that are done"
    ):
        extract(tmp_path / "pictures", output.features, **TINY, size=24, batch_size=1)
    assert output.names() == [".f.npy.journal", ".f.npy.part"]
    done = extract(
        tmp_path / "pictures", output.features, **TINY, size=24, on_bad_images="skip", resume=True
    )
    assert (done.rows, done.computed) == (3, 1)
    assert np.isnan(np.load(output.features)).all(axis=1).tolist() == [False, False, True]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, "cpu"])
def test_out_of_memory_halves_the_batch(random_images: Path, output: Output, error: Any) -> None:
    extract(random_images, output.features, **TINY, batch_size=3)
    expected = np.load(output.features)

    class Allocator(RuntimeError):
        def __init__(self, _: str) -> None:
            super().__init__("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    network = tiny_networks.Greedy(3, Allocator if error == "cpu" else error)
    done = extract(
        random_images, output.features, backbone=network, facts=PLAIN, batch_size=8, overwrite=True
    )
    np.testing.assert_allclose(np.load(output.features), expected, rtol=1e-5, atol=1e-6)
    assert network.seen[-10:] == [2] * 10
    assert [n for n in network.seen if n > 3] == [8, 4]
    assert done.facts["batches"] == {"size": 8}
    assert done.facts["batch_pieces"] == [[0, 2]]


def test_memory_for_not_a_single_image(random_images: Path, output: Output) -> None:
    class Fussy(tiny_networks.Greedy):
        """Takes what it is tried with, but no batch."""

        def forward(self, images: torch.Tensor) -> Any:
            self.seen.append(len(images))
            if len(self.seen) > 2:
                raise torch.OutOfMemoryError("out of memory")
            return self.inner(images)

    network = Fussy()
    with pytest.raises(FeatureError, match="there is no memory for one image of 32 pixels on cpu"):
        extract(random_images, output.features, backbone=network, facts=PLAIN, batch_size=8)
    assert network.seen[2:] == [8, 4, 2, 1]
    assert output.names() == []


def test_another_error_of_the_network_is_not_taken_for_it(
    random_images: Path, output: Output
) -> None:
    network = tiny_networks.Greedy(3, RuntimeError)
    network.error = lambda _: RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        extract(random_images, output.features, backbone=network, facts=PLAIN)
    assert output.names() == []


@pytest.mark.parametrize(
    ("backbone", "options", "message"),
    [
        ("huge", {"dtype": "float16"}, "row 0 has a feature of 1e+06, too large for float16"),
        ("nothing", {}, "row 0 has features that are not finite"),
        ("tuples", {}, "tiny_networks:tuples returns tuple"),
        ("vectors", {"pool": True}, "returns 1-dimensional features, not maps; leave out pool"),
        ("tiny", {"limit": 0}, "limit is 0; it is at least 1"),
        ("tiny", {"device": "cuda:99"}, "there is no device 'cuda:99' here"),
        ("tiny", {"device": "toaster"}, "there is no device 'toaster' here"),
        ("tiny", {"device": "cpu", "precision": "tf32"}, "TF32 is a number format of CUDA"),
        ("tiny", {"resume": True, "overwrite": True}, "choose one"),
    ],
)
def test_what_is_refused(
    random_images: Path, output: Output, backbone: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(FeatureError) as caught:
        extract(
            random_images, output.features, backbone=f"tiny_networks:{backbone}", facts=PLAIN,
            **options,
        )  # fmt: skip
    assert message in str(caught.value)
    assert output.names() == []


def test_a_size_that_the_network_cannot_take(random_images: Path, output: Output) -> None:
    class Fixed(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.reshape(-1, 3 * 224 * 224)

    with pytest.raises(FeatureError, match="Fixed cannot take images of 32 x 32 pixels"):
        extract(random_images, output.features, backbone=Fixed(), facts=PLAIN)


def test_a_size_that_nobody_knows(tmp_path: Path, output: Output) -> None:
    folder_of_pictures(tmp_path / "pictures")
    with pytest.raises(FeatureError, match="say how many pixels the images are to have: size"):
        extract(tmp_path / "pictures", output.features, **TINY)


def test_a_full_disk_is_an_os_error(
    random_images: Path, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match="No space left") as caught:
        extract(random_images, output.features, **TINY)
    assert caught.value.filename.endswith(".f.npy.part")
    assert output.names() == []


def test_the_file_is_what_numpy_would_have_written(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    file = FeatureFile.create(tmp_path / "a.npy", 7, 5, "float32")
    assert np.load(tmp_path / "a.npy", mmap_mode="r").shape == (7, 5)
    crc = file.write(4, rows[4:])
    file.write(0, rows[:4])
    assert file.crc(4, 7) == crc
    assert file.is_intact()
    file.close()
    np.save(tmp_path / "b.npy", rows)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_bfloat16_is_close(random_images: Path, output: Output) -> None:
    extract(random_images, output.features, **TINY)
    exact = np.load(output.features)
    done = extract(random_images, output.features, **TINY, precision="bfloat16", overwrite=True)
    near = np.load(output.features)
    assert done.facts["computation"]["precision"] == "bfloat16"
    error = np.linalg.norm(near - exact) / np.linalg.norm(exact)
    assert 1e-5 < error < 2e-2


def test_nothing_of_torchs_settings_is_left_changed(random_images: Path, output: Output) -> None:
    def settings() -> tuple[Any, ...]:
        cudnn = torch.backends.cudnn
        return (
            cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, torch.get_num_threads(),
            torch.is_inference_mode_enabled(), hash(bytes(torch.random.get_rng_state())),
        )  # fmt: skip

    network = tiny_networks.tiny()
    before = settings()
    extract(random_images, output.features, backbone=network, facts=PLAIN)
    assert settings() == before
