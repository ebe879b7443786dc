"""CIFAR-10 from the official binary files.

A record is one label byte, then 3072 bytes of an image: the R, G and B planes of 32 x 32 pixels.
The training images are those of data_batch_1.bin to data_batch_5.bin in order, the test images
those of test_batch.bin. A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images",
2009, https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vmf.features.errors import FeatureError

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
    """The images of one or several binary files, in order.

    Parameters
    ----------
    files : sequence of path-like
        Each a whole number of records.

    Raises
    ------
    FeatureError
        When a file is missing, empty or truncated, or a label is above 9.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = [Path(file) for file in files]
        self._records = [self._open(file) for file in self.files]
        counts = [len(records) for records in self._records]
        self._ends = np.cumsum(counts)
        codes = np.concatenate([np.array(records[:, 0]) for records in self._records])
        self.labels: npt.NDArray[Any] = np.array(CLASSES)[codes]

    @classmethod
    def from_folder(cls, folder: Path, split: Split = "train") -> Cifar10:
        """The training or the test images of ``cifar-10-batches-bin``."""
        return cls([folder / name for name in FILES[split]])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, start: int, stop: int) -> npt.NDArray[np.uint8]:
        """Images ``start`` to ``stop`` as RGB bytes (n, 3, 32, 32)."""
        parts = []
        begin = 0
        for records, end in zip(self._records, self._ends, strict=True):
            part = records[max(start - begin, 0) : max(stop - begin, 0), 1:]
            if len(part):
                parts.append(part)
            begin = int(end)
        return np.concatenate(parts).reshape(-1, 3, PIXELS, PIXELS)

    @staticmethod
    def _open(file: Path) -> npt.NDArray[np.uint8]:
        if not file.is_file():
            raise FeatureError(file, "does not exist; CIFAR-10's binary version has this file")
        size = file.stat().st_size
        if size == 0:
            raise FeatureError(file, "is empty")
        if size % RECORD_BYTES:
            raise FeatureError(
                file,
                f"is truncated or not CIFAR-10's binary version: {size} bytes are not a whole"
                f" number of records of {RECORD_BYTES} bytes",
            )
        records = np.memmap(file, np.uint8, "r").reshape(-1, RECORD_BYTES)
        largest = int(records[:, 0].argmax())
        if records[largest, 0] >= len(CLASSES):
            raise FeatureError(
                file,
                f"record {largest} has label {records[largest, 0]}, above 9: this is not"
                " CIFAR-10's binary version",
            )
        return records
