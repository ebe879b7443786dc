"""Small pictures of rows, for the report."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from vmf.errors import EmbeddingError

if TYPE_CHECKING:
    from vmf.features.images import Images

_LARGEST_SIDE = 128


def open_thumbnails(source: str, split: str, rows: int) -> Images:
    """The images that the rows of an embedding file were made from; see `vmf extract`.

    Raises
    ------
    EmbeddingError
        When there are fewer images than rows, or Pillow or torch is not installed.
    vmf.features.FeatureError
        When they cannot be opened.
    """
    try:
        import PIL.Image  # noqa: F401

        from vmf.features.open_images import open_images
    except ImportError as error:
        raise EmbeddingError(
            source, f"showing images needs {error.name}: pip install 'vmf-toolkit[features]'"
        ) from error
    images = open_images(source, split=split)  # type: ignore[arg-type]
    if len(images) < rows:
        raise EmbeddingError(
            source, f"holds {len(images)} images, the embeddings {rows} rows; these are others"
        )
    return images


def thumbnails(images: Images, rows: Iterable[int]) -> dict[int, str]:
    """A data URI (PNG) for each of the rows whose image can be read."""
    from PIL import Image

    found: dict[int, str] = {}
    for row in sorted(set(rows)):
        pixels = images.read(row, row + 1)[0]
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            continue
        picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
        picture.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
        stream = io.BytesIO()
        picture.save(stream, "PNG", optimize=True)
        found[row] = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    return found
