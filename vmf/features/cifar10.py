"""CIFAR-10: the official binary files, and torchvision's download.

A record of the binary version is one label byte, then 3072 bytes of an image: the R, G and B planes
of 32 x 32 pixels. The training images are those of data_batch_1.bin to data_batch_5.bin in order,
the test images those of test_batch.bin. A. Krizhevsky, "Learning Multiple Layers of Features from
Tiny Images", 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vmf.errors import FeatureError
from vmf.features.images import Pixels, digest
from vmf.features.weights import file_sha256

PIXELS = 32
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
FILES: dict[str, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)),
    "test": ("test_batch.bin",),
}
RECORD_BYTES = 1 + 3 * PIXELS * PIXELS

Split = Literal["train", "test"]


def is_cifar10_folder(folder: Path) -> bool:
    """Whether a folder looks like ``cifar-10-batches-bin``."""
    return any((folder / name).is_file() for names in FILES.values() for name in names)


class Cifar10:
    """The images of one or several binary files, in order; see `vmf.features.images.Images`.

    Parameters
    ----------
    files : sequence of path-like
        Each a whole number of records.

    Raises
    ------
    FeatureError
        When a file is missing, empty or truncated, or a label is above 9.
    """

    names: list[str] | None = None
    pixels: int | None = PIXELS

    def __init__(self, files: Sequence[str | os.PathLike[str]]) -> None:
        paths = [Path(file) for file in files]
        self._records = [_open_records(path) for path in paths]
        self._starts = np.cumsum([0, *map(len, self._records)])
        codes = np.concatenate([records[:, 0] for records in self._records])
        self._labels: npt.NDArray[Any] = np.array(CLASSES)[codes]
        self.identity = {
            "kind": "cifar10",
            "files": {path.name: file_sha256(path) for path in paths},
        }

    @classmethod
    def from_folder(cls, folder: Path, split: Split = "train") -> Cifar10:
        """The training or the test images of ``cifar-10-batches-bin``."""
        return cls([folder / name for name in FILES[split]])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def labels(self, count: int) -> npt.NDArray[Any]:
        """Names of the classes of the first ``count`` images."""
        return self._labels[:count]

    def first_unreadable(self, count: int) -> FeatureError | None:
        """None: the records were checked when the files were opened."""
        return None

    def read(self, start: int, stop: int) -> Sequence[Pixels | FeatureError]:
        """Images ``start`` to ``stop`` as RGB bytes (3, 32, 32) each."""
        parts = [
            records[max(start - begin, 0) : max(stop - begin, 0), 1:]
            for begin, records in zip(self._starts, self._records, strict=False)
        ]
        return list(np.concatenate(parts).reshape(-1, 3, PIXELS, PIXELS))


class DownloadedCifar10:
    """The same images as torchvision keeps them."""

    names: list[str] | None = None
    pixels: int | None = PIXELS

    def __init__(self, dataset: Any) -> None:
        self._images: npt.NDArray[np.uint8] = dataset.data
        self._labels: npt.NDArray[Any] = np.array(CLASSES)[np.array(dataset.targets)]
        self.identity = {
            "kind": "cifar10",
            "files": {"torchvision.datasets.CIFAR10": digest(self._images.tobytes())},
        }

    def __len__(self) -> int:
        return len(self._images)

    def labels(self, count: int) -> npt.NDArray[Any]:
        """Names of the classes of the first ``count`` images."""
        return self._labels[:count]

    def first_unreadable(self, count: int) -> FeatureError | None:
        """None: the records were checked when the files were opened."""
        return None

    def read(self, start: int, stop: int) -> Sequence[Pixels | FeatureError]:
        """Images ``start`` to ``stop`` as RGB bytes (3, 32, 32) each."""
        return list(self._images[start:stop].transpose(0, 3, 1, 2))


def downloaded_cifar10(
    split: Split, folder: str | os.PathLike[str] | None = None
) -> DownloadedCifar10 | Cifar10:
    """CIFAR-10 from a folder that holds it, or else through torchvision's download.

    Parameters
    ----------
    split : {"train", "test"}
        Which images.
    folder : path-like, optional
        Default: ``datasets`` beside torch's folder of downloaded weights. The binary version in it
        (``cifar-10-batches-bin``) is taken first. torchvision checks the published MD5 of its files
        before it reads them.

    Raises
    ------
    FeatureError
        When it is not there and cannot be downloaded.
    """
    import torch
    from torchvision.datasets import CIFAR10

    root = Path(folder) if folder is not None else Path(torch.hub.get_dir()).parent / "datasets"
    if is_cifar10_folder(root / "cifar-10-batches-bin"):
        return Cifar10.from_folder(root / "cifar-10-batches-bin", split)
    try:
        root.mkdir(parents=True, exist_ok=True)
        return DownloadedCifar10(CIFAR10(root, train=split == "train", download=True))
    except (OSError, RuntimeError) as error:
        raise FeatureError(
            root,
            f"CIFAR-10 cannot be downloaded to it ({error}); fetch the binary version by other"
            " means and name its folder instead of 'cifar10'",
        ) from error


def _open_records(file: Path) -> npt.NDArray[np.uint8]:
    if not file.is_file():
        raise FeatureError(file, "does not exist; CIFAR-10's binary version has this file")
    size = file.stat().st_size
    if size == 0:
        raise FeatureError(file, "is empty")
    if size % RECORD_BYTES:
        raise FeatureError(
            file,
            f"is truncated or not CIFAR-10's binary version: {size} bytes are not a whole number of"
            f" records of {RECORD_BYTES} bytes",
        )
    records = np.memmap(file, np.uint8, "r").reshape(-1, RECORD_BYTES)
    above = np.flatnonzero(records[:, 0] >= len(CLASSES))
    if len(above):
        raise FeatureError(
            file,
            f"record {above[0]} has label {records[above[0], 0]}, above {len(CLASSES) - 1}: this is"
            " not CIFAR-10's binary version",
        )
    return records
