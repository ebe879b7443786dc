"""Safetensors: a JSON header, then plain numbers.

The header is read here and not by the library, which maps the whole file and has no bfloat16 for
NumPy: its length is judged before anything is allocated, and rows are fetched with positional reads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.arrays import check_label_array, choose_array, label_choice, scale_beside
from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows, check_two_dimensional
from vmf.embeddings.npy import fill, widen_bfloat16
from vmf.embeddings.places import Place, open_binary, size_of
from vmf.errors import EmbeddingError

LARGEST_HEADER = 64 << 20
"""Bytes; the header of a network of 100 000 tensors has 10 MB."""

_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """One entry of the header."""

    shape: tuple[int, ...]
    type_name: str
    offset: int
    """Bytes from the beginning of the file to the first number."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """As stored; bfloat16 as the 16 bits that it is."""
        return np.dtype(_TYPES[self.type_name])

    def summary(self) -> str:
        """Shape and type, for messages."""
        return f"{' x '.join(map(str, self.shape)) or 'scalar'} {self.type_name}"


class SafetensorsFile(EmbeddingFile):
    """One 2-D tensor of a ``.safetensors`` file.

    Parameters
    ----------
    path : Path or RemoteFile
    column : str, optional
        The tensor's name. Without it the file must hold exactly one 2-D tensor.

    Notes
    -----
    Integers are multiplied by the tensor ``NAME_scale``, ``NAME.scale`` or ``scale``, if there is
    one.
    """

    format = "safetensors"

    def __init__(self, path: Place, column: str | None = None) -> None:
        tensors, metadata = read_header(path)
        if metadata.get("format") in ("vmf-model", "vmf-checkpoint") and column is None:
            kind = "a model?" if metadata["format"] == "vmf-model" else "a checkpoint?"
            raise EmbeddingError(path, f"looks like a safetensors file ({kind}), not embeddings")
        name = choose_array(path, tensors, column, "tensor")
        self._tensor = tensor = tensors[name]
        if tensor.type_name not in _TYPES or tensor.type_name == "BOOL":
            raise EmbeddingError(
                path,
                f"tensor {name!r} has type {tensor.type_name}; expected F16, BF16, F32, F64 or"
                " integers with a scale",
            )
        check_two_dimensional(tensor.shape, path, f"tensor {name!r}")
        self._is_bfloat16 = tensor.type_name == "BF16"
        shape = tensor.shape[0], tensor.shape[1]
        super().__init__(path, shape, np.dtype("=f4") if self._is_bfloat16 else tensor.dtype)
        beside = scale_beside(tensors, name)
        if beside is not None and self.dtype.kind in "iu":
            self.set_scale(_read_whole(path, tensors[beside], f"tensor {beside!r}"))

    @property
    def stored_as(self) -> str:
        return "bfloat16" if self._is_bfloat16 else super().stored_as

    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        end = self.rows if stop is None else stop
        dtype = self._tensor.dtype
        with open_binary(self.path) as stream:
            stream.seek(self._tensor.offset + start * self.dimension * dtype.itemsize)
            for first in range(start, end, rows):
                block = np.empty((min(rows, end - first), self.dimension), dtype)
                fill(block, stream, self.path)
                if self._is_bfloat16:
                    yield widen_bfloat16(block)
                else:
                    yield block.astype(self.native_dtype, copy=False)


def read_header(path: Place) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, and the free metadata.

    Raises
    ------
    EmbeddingError
        When the header is longer than :data:`LARGEST_HEADER` or than the file, is not JSON, or
        promises what the file does not hold.
    """
    size = size_of(path)
    with open_binary(path) as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > LARGEST_HEADER:
            raise EmbeddingError(
                path,
                f"promises a safetensors header of {length} bytes; the limit is {LARGEST_HEADER}."
                " It is damaged, or no safetensors file",
            )
        if 8 + length > size:
            raise EmbeddingError(
                path, f"is truncated: its header takes {8 + length} bytes, the file has {size}"
            )
        text = stream.read(length)
    try:
        entries = json.loads(text)
        metadata = entries.pop("__metadata__", None) or {}
        tensors = {
            str(name): _tensor(path, str(name), entry, 8 + length, size)
            for name, entry in entries.items()
        }
        if not isinstance(metadata, dict):
            raise TypeError("metadata")
    except EmbeddingError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise EmbeddingError(path, "has a damaged safetensors header; write it again") from error
    return tensors, metadata


def _tensor(path: Place, name: str, entry: dict[str, Any], base: int, size: int) -> Tensor:
    shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
    kind = str(entry["dtype"])
    if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)):
        raise ValueError("not a shape")
    if kind in _TYPES and end - begin != math.prod(shape) * np.dtype(_TYPES[kind]).itemsize:
        raise EmbeddingError(
            path, f"tensor {name!r} is damaged: {shape} {kind} does not fill {end - begin} bytes"
        )
    if base + end > size:
        raise EmbeddingError(
            path,
            f"is truncated: tensor {name!r} ends at byte {base + end}, the file at byte {size}",
        )
    return Tensor(shape, kind, base + begin)


def _read_whole(path: Place, tensor: Tensor, what: str) -> npt.NDArray[Any]:
    if tensor.type_name not in _TYPES:
        raise EmbeddingError(path, f"{what} has type {tensor.type_name}, which is not read")
    values = np.empty(tensor.shape, tensor.dtype)  # no larger than the file: _tensor has checked
    with open_binary(path) as stream:
        stream.seek(tensor.offset)
        fill(values, stream, path)
    return widen_bfloat16(values) if tensor.type_name == "BF16" else values


def read_label_column(path: Place, column: str | None) -> Iterator[npt.NDArray[Any]]:
    """The values of one tensor; see :mod:`vmf.embeddings.labels`."""
    tensors, _ = read_header(path)
    name = choose_array(path, tensors, column, "tensor", label_choice(path))
    tensor = tensors[name]
    check_label_array(path, tensor.shape, np.dtype(_TYPES.get(tensor.type_name, "f4")))
    yield _read_whole(path, tensor, f"tensor {name!r}").reshape(-1)


def begins_like_safetensors(path: Place, head: bytes) -> bool:
    """Whether a header follows eight bytes of its length, as far as the first bytes tell.

    A length beyond all bounds with the right ending of the name is for :func:`read_header` to name.
    """
    return head[8:9] == b"{" and (head[8:10] == b'{"' or path.suffix.lower() == ".safetensors")
