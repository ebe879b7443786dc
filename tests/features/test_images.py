"""Sources of images: CIFAR-10's binary files, torchvision's download, folders, datasets."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torchvision", reason="features need torch and torchvision")

import torch
from PIL import Image
from torchvision import datasets

from vmf.errors import FeatureError
from vmf.features.cifar10 import CLASSES, FILES, Cifar10, DownloadedCifar10
from vmf.features.dataset import DatasetImages
from vmf.features.image_folder import ImageFolder
from vmf.features.images import Images, stack
from vmf.features.open_images import open_images


def records(count: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    made = np.random.default_rng(seed).integers(0, 256, (count, 3073), np.uint8)
    made[:, 0] %= 10
    return made


def labels_of(images: Images) -> list[Any]:
    labels = images.labels(len(images))
    assert labels is not None
    return labels.tolist()


def refused(message: str, images: Any, **how: Any) -> None:
    with pytest.raises(FeatureError) as caught:
        open_images(images, **how)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_real_images(cifar10_images: Path) -> None:
    images = open_images(cifar10_images)
    assert len(images) == 48
    labels = images.labels(5)
    assert labels is not None
    assert labels.tolist() == ["cat", "ship", "ship", "airplane", "frog"]
    first = images.read(0, 1)[0]
    assert isinstance(first, np.ndarray)
    assert first.shape == (3, 32, 32)
    assert first[:, 0, 0].tolist() == [158, 112, 49]


def test_a_folder_of_binary_files(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    parts = [records(3 + k, k) for k in range(6)]
    for name, part in zip((*FILES["train"], *FILES["test"]), parts, strict=True):
        part.tofile(folder / name)
    train, test = open_images(folder), open_images(folder, split="test")
    whole = np.concatenate(parts[:5])
    assert (len(train), len(test)) == (len(whole), 8)
    assert isinstance(train, Cifar10)
    found = stack(train.read(2, 15))
    np.testing.assert_array_equal(found, whole[2:15, 1:].reshape(-1, 3, 32, 32))
    assert train.labels(len(train)).tolist() == [CLASSES[code] for code in whole[:, 0]]
    assert set(train.identity["files"]) == set(FILES["train"])
    checksum = hashlib.sha256(parts[5].tobytes()).hexdigest()
    assert test.identity["files"] == {"test_batch.bin": checksum}
    (folder / "data_batch_3.bin").unlink()
    refused("data_batch_3.bin: does not exist", folder)


def test_damaged_binary_files(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"")
    refused("x.bin: is empty", path)
    path.write_bytes(records(4).tobytes()[:-1])
    refused("is truncated or not CIFAR-10's binary version: 12291 bytes", path)
    made = records(4)
    made[2, 0] = 17
    made.tofile(path)
    refused("record 2 has label 17, above 9", path)


def write_download(folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray[Any, Any]:
    """CIFAR-10 as torchvision unpacks it, with fewer images and their checksums."""
    base = folder / datasets.CIFAR10.base_folder
    base.mkdir(parents=True)
    lists: dict[str, list[list[str]]] = {"train_list": [], "test_list": []}
    made = []
    for k, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        part = records(4, k)
        made.append(part)
        content = pickle.dumps({"data": part[:, 1:], "labels": part[:, 0].tolist()})
        (base / name).write_bytes(content)
        kind = "test_list" if name == "test_batch" else "train_list"
        lists[kind].append([name, hashlib.md5(content).hexdigest()])
    meta = pickle.dumps({"label_names": list(CLASSES)})
    (base / "batches.meta").write_bytes(meta)
    for kind, entries in lists.items():
        monkeypatch.setattr(datasets.CIFAR10, kind, entries)
    checksum = hashlib.md5(meta).hexdigest()
    monkeypatch.setattr(
        datasets.CIFAR10,
        "meta",
        {"filename": "batches.meta", "key": "label_names", "md5": checksum},
    )
    return np.concatenate(made)


def test_torchvisions_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_download(tmp_path / "data", monkeypatch)
    for split, part in (("train", whole[:20]), ("test", whole[20:])):
        images = open_images("cifar10", split=split, data_folder=tmp_path / "data")
        assert isinstance(images, DownloadedCifar10)
        found = stack(images.read(0, len(images)))
        np.testing.assert_array_equal(found, part[:, 1:].reshape(-1, 3, 32, 32))
        assert images.labels(len(images)).tolist() == [CLASSES[code] for code in part[:, 0]]


def test_a_binary_version_is_taken_instead(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    records(2).tofile(folder / "test_batch.bin")
    images = open_images("cifar10", split="test", data_folder=tmp_path)
    assert isinstance(images, Cifar10)


def test_a_download_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.CIFAR10, "url", f"file://{tmp_path}/none.tar.gz")
    refused("CIFAR-10 cannot be downloaded to it", "cifar10", data_folder=tmp_path / "data")


def picture(path: Path, size: tuple[int, int] = (30, 20), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def test_a_folder_with_a_folder_a_class(tmp_path: Path) -> None:
    for name in ("dog/b.png", "cat/a.jpg", "cat/deep/c.PNG"):
        picture(tmp_path / name)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    picture(tmp_path / ".hidden" / "x.png")
    images = open_images(tmp_path)
    assert images.names == ["cat/a.jpg", "cat/deep/c.PNG", "dog/b.png"]
    assert labels_of(images) == ["cat", "cat", "dog"]
    exact = images.read(2, 3)[0]
    expected = np.asarray(Image.open(tmp_path / "dog" / "b.png")).transpose(2, 0, 1)
    np.testing.assert_array_equal(exact, expected)


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    picture(tmp_path / "b.png")
    picture(tmp_path / "a.png")
    images = open_images(tmp_path)
    assert images.labels(2) is None
    assert images.names == ["a.png", "b.png"]
    picture(tmp_path / "cat" / "c.png")
    refused("has images in it (a.png) and in folders below (cat/c.png)", tmp_path)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_other_kinds_of_pixels_become_rgb(tmp_path: Path, mode: str) -> None:
    picture(tmp_path / "a.png", mode=mode)
    (found,) = open_images(tmp_path).read(0, 1)
    assert isinstance(found, np.ndarray)
    assert (found.shape, found.dtype) == ((3, 20, 30), np.uint8)


def test_images_that_cannot_be_read(tmp_path: Path) -> None:
    good = picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    (tmp_path / "c.jpg").write_bytes(b"not an image at all")
    (tmp_path / "d.png").write_bytes(good.read_bytes()[:200])
    jpeg = picture(tmp_path / "e.jpg", (64, 64)).read_bytes()
    (tmp_path / "e.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "f.png")
    images = ImageFolder(tmp_path)
    first, *problems = images.read(0, 6)
    assert isinstance(first, np.ndarray)
    for problem, message in zip(
        problems,
        (
            "b.png: is empty",
            "c.jpg: is not an image, or damaged",
            "d.png: is damaged (",
            "e.jpg: is damaged (",
            "f.png: has pixels of mode I;16; convert it to 8 bits a channel",
        ),
        strict=True,
    ):
        assert message in str(problem)
    assert "b.png: is empty" in str(images.first_unreadable(6))
    assert images.first_unreadable(1) is None


def test_what_is_no_source_of_images(tmp_path: Path) -> None:
    refused("does not exist; images are a folder", tmp_path / "none")
    refused("has no image in it or below", tmp_path)
    (tmp_path / "x.npy").write_bytes(b"x")
    refused("is a file; give a folder of images, or CIFAR-10's .bin files", tmp_path / "x.npy")
    refused("has no length", 3)
    refused("is empty", [])


class Dataset:
    classes = ("cat", "dog")

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        item = self.items[index]
        if isinstance(item, Exception):
            raise item
        return item


BYTES = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


@pytest.mark.parametrize(
    "image", [BYTES, torch.from_numpy(BYTES.transpose(2, 0, 1).copy()), Image.fromarray(BYTES)]
)
def test_items_of_a_dataset(image: Any) -> None:
    for item in (image, (image, 1), [image, 1]):
        images = DatasetImages(Dataset(item))
        (found,) = images.read(0, 1)
        np.testing.assert_array_equal(found, BYTES.transpose(2, 0, 1))
        assert (images.labels(1) is None) == (item is image)


def test_labels_of_a_dataset() -> None:
    images = DatasetImages(Dataset((BYTES, np.int64(3)), (BYTES, torch.tensor(4)), (BYTES, 5)))
    assert labels_of(images) == [3, 4, 5]
    images = DatasetImages(Dataset((BYTES, "cat"), (BYTES, "dog")))
    assert labels_of(images) == ["cat", "dog"]
    images = DatasetImages(Dataset((BYTES, 1), BYTES))
    with pytest.raises(FeatureError, match=r"Dataset\[1\] has no label, others have"):
        images.labels(2)


def test_items_that_are_no_images() -> None:
    images = DatasetImages(Dataset(BYTES, ValueError("gone"), BYTES[..., 0], (BYTES, 0.5), BYTES))
    problems = images.read(1, 4)
    for problem, message in zip(
        problems,
        (
            "Dataset[1] failed: ValueError: gone",
            "Dataset[2] is ndarray (5, 7); an image is a PIL image",
            "Dataset[3] has a label of type float",
        ),
        strict=True,
    ):
        assert message in str(problem)
    refused("Dataset[0] is str", Dataset("cat.png"))


def test_datasets_of_torchvision_and_factories() -> None:
    fake = datasets.FakeData(6, (3, 16, 16), 4)
    images = open_images(fake)
    assert len(images) == 6
    assert set(labels_of(images)) <= {0, 1, 2, 3}
    made = open_images("tiny_networks:few_images")
    assert len(made) == 5
    assert made.identity["name"] == "tiny_networks:few_images"
