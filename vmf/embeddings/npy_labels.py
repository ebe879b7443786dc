"""Labels and identifiers in ``.npy`` and ``.npz``: an array of one integer or string a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.arrays import check_label_array
from vmf.embeddings.npy import MAGIC, Stream, read_npy_header
from vmf.embeddings.npz import open_member, read_members
from vmf.embeddings.places import Place, open_binary
from vmf.errors import EmbeddingError

_PIECE = 1 << 20


def read_label_column(path: Place, column: str | None) -> Iterator[npt.NDArray[Any]]:
    """The values of the array, or of one member; see :mod:`vmf.embeddings.labels`."""
    with open_binary(path) as stream:
        if stream.read(len(MAGIC)) == MAGIC or path.suffix.lower() == ".npy":
            if column is not None:
                raise EmbeddingError(path, f"holds one value a row; leave out :{column}")
            stream.seek(0)
            yield from _pieces(stream, path)
            return
    headers = read_members(path)
    if column is None and len(headers) > 1:
        listing = ", ".join(f"{name} ({header.summary()})" for name, header in headers.items())
        raise EmbeddingError(path, f"holds {listing}; choose one: {path.name}:NAME")
    member = next(iter(headers)) if column is None else column
    if member not in headers:
        raise EmbeddingError(path, f"has no member {member!r}; it holds {', '.join(headers)}")
    with open_member(path, member) as stream:
        yield from _pieces(stream, path)


def _pieces(stream: Stream, path: Place) -> Iterator[npt.NDArray[Any]]:
    """The array in parts, so that a false promise of many bytes asks for no more memory."""
    header = read_npy_header(stream, path)
    check_label_array(path, header.shape, header.dtype)
    size = header.dtype.itemsize
    left = header.data_bytes
    while left:
        wanted = min(left, max(1, _PIECE // size) * size)
        data = bytearray()
        while len(data) < wanted and (part := stream.read(min(_PIECE, wanted - len(data)))):
            data += part
        if len(data) != wanted:
            found = header.data_bytes - left + len(data)
            raise EmbeddingError(
                path, f"is truncated: {header.data_bytes} bytes of labels promised, {found} found"
            )
        left -= wanted
        if header.dtype.kind == "U":
            # One code point every four bytes, of which NumPy makes text without a look.
            codes = np.frombuffer(data, np.dtype(np.uint32).newbyteorder(header.dtype.byteorder))
            if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
                raise EmbeddingError(path, "is damaged: its text holds what are no characters")
        yield np.frombuffer(data, header.dtype)
