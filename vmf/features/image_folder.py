"""A folder of image files; the first folder below it names the class of an image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.errors import FeatureError
from vmf.features.images import Pixels, digest

ENDINGS = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip

_EIGHT_BITS = (
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "CMYK",
    "YCbCr",
    "HSV",
)


class ImageFolder:
    """Images in the order of their paths; see `vmf.features.images.Images`.

    The files are read by Pillow. Grey, palette and CMYK images become RGB, transparency is dropped,
    of several frames the first is taken, and the orientation in a camera's EXIF tags is not applied
    (torchvision does the same). Images with more than 8 bits a channel are refused.

    Parameters
    ----------
    folder : Path
        Searched with all folders below it, hidden ones left out.

    Raises
    ------
    FeatureError
        When there is no image, or when images lie both in the folder and in folders below it.
    """

    pixels: int | None = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.names: list[str] | None = _find_images(folder)
        classes = [name.partition("/")[0] if "/" in name else None for name in self.names]
        if None in classes and any(classes):
            flat, nested = classes.index(None), next(k for k, c in enumerate(classes) if c)
            raise FeatureError(
                folder,
                f"has images in it ({self.names[flat]}) and in folders below ({self.names[nested]});"
                " give each class a folder, or put all images in one",
            )
        self._labels = np.array(classes) if any(classes) else None
        sizes = [(folder / name).stat().st_size for name in self.names]
        lines = (f"{name}\0{size}\n" for name, size in zip(self.names, sizes, strict=True))
        self.identity = {
            "kind": "folder",
            "count": len(self.names),
            "sha256_of_names_and_sizes": digest("".join(lines).encode()),
        }
        self._decoders = ThreadPoolExecutor(os.cpu_count() or 1)

    def __len__(self) -> int:
        return len(self.names or ())

    def read(self, start: int, stop: int) -> Sequence[Pixels | FeatureError]:
        """Images ``start`` to ``stop`` as RGB bytes (3, height, width) each."""
        assert self.names is not None
        return list(self._decoders.map(self._decode, self.names[start:stop]))

    def labels(self, count: int) -> npt.NDArray[Any] | None:
        """Names of the folders of the first ``count`` images."""
        return None if self._labels is None else self._labels[:count]

    def first_unreadable(self, count: int) -> FeatureError | None:
        """The first file that is empty or does not begin like an image of a known format."""
        assert self.names is not None
        names = self.names[:count]
        problems = self._decoders.map(lambda name: check_header(self._folder / name), names)
        return next((problem for problem in problems if problem is not None), None)

    def _decode(self, name: str) -> Pixels | FeatureError:
        return decode_image(self._folder / name)


def decode_image(path: Path) -> Pixels | FeatureError:
    """RGB bytes (3, height, width) of an image file, or why there are none."""
    found = _open_image(path, decode=True)
    return (
        np.ascontiguousarray(found.transpose(2, 0, 1)) if isinstance(found, np.ndarray) else found
    )


def check_header(path: Path) -> FeatureError | None:
    """Why an image cannot be read, as far as its beginning tells."""
    found = _open_image(path, decode=False)
    return found if isinstance(found, FeatureError) else None


def _open_image(path: Path, *, decode: bool) -> npt.NDArray[np.uint8] | FeatureError:
    """The pixels (height, width, 3), none of them when they were not asked for."""
    from PIL import Image, UnidentifiedImageError

    try:
        if path.stat().st_size == 0:
            return FeatureError(path, "is empty")
        with Image.open(path) as image:
            if image.mode not in _EIGHT_BITS:
                return FeatureError(
                    path, f"has pixels of mode {image.mode}; convert it to 8 bits a channel"
                )
            return np.asarray(image.convert("RGB")) if decode else np.empty((0, 0, 3), np.uint8)
    except UnidentifiedImageError:
        return FeatureError(path, "is not an image, or damaged")
    except Image.DecompressionBombError:
        return FeatureError(path, "has too many pixels; make it smaller")
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        return FeatureError(path, f"is damaged ({error})")


def _find_images(folder: Path) -> list[str]:
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        base = Path(place).relative_to(folder)
        found += [
            (base / name).as_posix()
            for name in files
            if name.lower().endswith(ENDINGS) and not name.startswith(".")
        ]
    if not found:
        raise FeatureError(
            folder, f"has no image in it or below; images end in {', '.join(ENDINGS)}"
        )
    return sorted(found)
