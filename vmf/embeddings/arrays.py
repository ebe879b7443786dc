"""What the formats that hold several named arrays have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vmf.embeddings.embedding_file import FloatRows, native_float
from vmf.embeddings.places import Place
from vmf.errors import Argument, EmbeddingError, Part, listed

LARGEST_BAND = 1 << 30
"""Bytes of the rows that a chunked store unpacks together; more than this is refused."""


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and type of one named array, without its numbers."""

    shape: tuple[int, ...]
    type_name: str

    def summary(self) -> str:
        """Shape and type, for messages."""
        return f"{' x '.join(map(str, self.shape)) or 'scalar'} {self.type_name}"


class Described(Protocol):
    """What is known of an array before it is read."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def summary(self) -> str: ...


def choose_array(
    path: Place,
    headers: Mapping[str, Described],
    name: str | None,
    kind: str,
    choice: Sequence[Part] = ("choose one with ", Argument("column", "NAME")),
) -> str:
    """The name of the array that was asked for, or of the only 2-D one.

    Parameters
    ----------
    path : Path or RemoteFile
        For messages.
    headers : mapping
        Every array that the file holds.
    name : str, optional
        The user's choice.
    kind : str
        What such an array is called in this format: "member", "dataset", "tensor", "array".
    choice : sequence of str or Argument
        How the choice is made, for messages.
    """
    listing = listed([f"{one} ({header.summary()})" for one, header in headers.items()], 8)
    if name is not None:
        if name in headers:
            return name
        raise EmbeddingError(path, f"has no {kind} {name!r}; it holds {listing or 'none'}")
    if not headers:
        raise EmbeddingError(path, f"holds no {kind}")
    if len(headers) == 1:
        return next(iter(headers))
    candidates = [
        one
        for one, header in headers.items()
        if len(header.shape) == 2 and not (_is_scale(one) and 1 in header.shape)
    ]
    if len(candidates) == 1:
        return candidates[0]
    raise EmbeddingError(path, f"holds {listing}; ", *choice)


def label_choice(path: Place) -> Sequence[Part]:
    """How one of several arrays is chosen where labels, ids, or what else goes with rows is named."""
    return (f"choose one: {path.name}:NAME",)


def scale_beside(names: Mapping[str, Any], array: str) -> str | None:
    """The name of the array that holds the scale of ``array``, if there is one."""
    folder, slash, _ = array.rpartition("/")
    usual = (f"{array}_scale", f"{array}.scale", f"{folder}{slash}scale")
    return next((name for name in usual if name in names), None)


def _is_scale(name: str) -> bool:
    return name.rpartition("/")[2] == "scale" or name.endswith(("_scale", ".scale"))


def check_label_array(path: Place, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse what cannot be labels: anything but (rows,) integers, truth values or strings."""
    if len(shape) != 1 and not (len(shape) == 2 and shape[1] == 1):
        raise EmbeddingError(
            path, f"holds an array of shape {shape}; labels and ids have shape (rows,)"
        )
    if dtype.kind not in "iuSUb" or not dtype.itemsize:
        kind = "Python objects (a pickle)" if dtype.hasobject else f"dtype {dtype}"
        raise EmbeddingError(path, f"holds {kind}; labels and ids are integers or strings")


def check_band(path: Place, chunk: tuple[int, ...], shape: tuple[int, ...], itemsize: int) -> None:
    """Refuse chunks that would have to be unpacked whole and are too large for that."""
    wide = math.prod(chunk[1:]) * max(1, math.ceil(shape[1] / max(chunk[1], 1)))
    band = chunk[0] * wide * itemsize
    if band > LARGEST_BAND:
        raise EmbeddingError(
            path,
            f"has chunks of {chunk[0]} rows = {band} bytes, which must be unpacked whole; the limit"
            f" is {LARGEST_BAND} (a decompression bomb?). Store it in chunks of fewer rows",
        )


def band_bytes(dimension: int, dtype: np.dtype[Any], chunk_rows: int) -> int:
    """Bytes of the rows of one chunk, packed and unpacked."""
    return 2 * chunk_rows * dimension * dtype.itemsize


def read_bands(
    read: Callable[[int, int], npt.NDArray[Any]],
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    rows: int,
    start: int,
    stop: int,
    chunk_rows: int,
) -> Iterator[FloatRows]:
    """Yield rows ``start`` to ``stop``, ``rows`` at a time, of an array in chunks of ``chunk_rows``.

    Each chunk is unpacked once: what is read reaches from one chunk's edge to another's.
    """
    band = max(chunk_rows, rows // max(chunk_rows, 1) * chunk_rows, 1)
    native = native_float(dtype)
    for edge in range(start // band * band, stop, band):
        block = read(max(edge, start), min(edge + band, shape[0], stop))
        for first in range(0, len(block), rows):
            yield np.ascontiguousarray(block[first : first + rows], native)
