"""What stored integers are multiplied by, as it is given in words."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.delimited import data_lines
from vmf.embeddings.npy import MAGIC, read_npy_header, read_small_array
from vmf.embeddings.places import exists, find_place, open_binary
from vmf.errors import Argument, EmbeddingError

_LARGEST = 1 << 26
"""Numbers; a scale has one for all, one a dimension or one a row."""


def read_scale(source: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """The scale that a number, a ``.npy`` or a text of one number a line stands for.

    Raises
    ------
    EmbeddingError
        When it is neither a number nor such a file.
    """
    text = os.fspath(source)
    try:
        return np.asarray(float(text))
    except ValueError:
        pass
    place = find_place(text)
    if not exists(place):
        raise EmbeddingError(
            text,
            "is neither a number nor a file; give ",
            Argument("scale", "NUMBER"),
            " or ",
            Argument("scale", "FILE"),
        )
    try:
        with open_binary(place) as stream:
            if stream.read(len(MAGIC)) == MAGIC:
                stream.seek(0)
                header = read_npy_header(stream, place)
                stream.seek(0)
                return read_small_array(stream, place, _LARGEST, min(header.shape, default=1))
        return np.array([float(line) for _, line in data_lines(place)])
    except ValueError as error:
        if isinstance(error, EmbeddingError):
            raise
        raise EmbeddingError(place, f"is no scale ({error}); write one number a line") from error
    except OSError as error:
        raise EmbeddingError(place, f"cannot be read ({error.strerror or error})") from error
