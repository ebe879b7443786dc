"""``.pt``: what ``torch.save`` writes, but row by row.

The file is a zip archive, not compressed: ``data.pkl`` describes the tensors, ``data/0``, ``data/1``,
... hold their numbers, each at a multiple of 64 bytes so that ``torch.load(mmap=True)`` can map it.
The description names nothing but torch's own tensor types, which ``weights_only=True`` accepts.
"""

from __future__ import annotations

import io
import math
import pickle
import shutil
import struct
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmf.embeddings.table_output import Chunk, Column, TableLayout, TableWriter
from vmf.errors import EmbeddingError, PathLike

_STORAGES = {
    "f8": "DoubleStorage", "f4": "FloatStorage", "f2": "HalfStorage", "i8": "LongStorage",
    "i4": "IntStorage", "i2": "ShortStorage", "i1": "CharStorage", "u1": "ByteStorage",
    "b1": "BoolStorage",
}  # fmt: skip
_EPOCH = (1980, 1, 1, 0, 0, 0)
_ALIGNMENT = 64
_PADDING_FIELD = 0x4246  # as torch marks it
_ZIP64_FIELD_BYTES = 20
_LOCAL_HEADER_BYTES = 30


@dataclass(frozen=True)
class _Storage:
    key: str
    kind: Any
    numbers: int


class _Tensor:
    """Pickled as torch pickles a tensor in C order."""

    def __init__(self, storage: _Storage, shape: tuple[int, ...]) -> None:
        self._storage = storage
        self._shape = shape

    def __reduce__(self) -> tuple[Any, ...]:
        from torch._utils import _rebuild_tensor_v2

        strides = tuple(math.prod(self._shape[i + 1 :]) for i in range(len(self._shape)))
        arguments: tuple[Any, ...] = (self._storage, 0, self._shape, strides, False, OrderedDict())
        return _rebuild_tensor_v2, arguments


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        """Storages are named, not pickled."""
        if isinstance(obj, _Storage):
            return "storage", obj.kind, obj.key, "cpu", obj.numbers
        return None


class _PytorchWriter:
    """The vectors go to the archive at once, the other columns wait in temporary files."""

    def __init__(self, streams: dict[str, tuple[Column, Any]]) -> None:
        self._streams = streams

    def write(self, chunk: Chunk) -> None:
        for name, (column, stream) in self._streams.items():
            stream.write(column.stored(chunk[name]).reshape(-1).view("u1").data)


@contextmanager
def open_writer(temporary: Path, path: PathLike, layout: TableLayout) -> Iterator[TableWriter]:
    """See :mod:`vmf.embeddings.writers`."""
    try:
        import torch
    except ImportError as error:
        raise EmbeddingError(
            path, "writing .pt files needs torch: pip install 'vmf-toolkit[torch]'"
        ) from error

    def described(key: int, kind: str, shape: tuple[int, ...]) -> _Tensor:
        return _Tensor(_Storage(str(key), getattr(torch, kind), math.prod(shape)), shape)

    columns = sorted(layout.columns, key=lambda column: column.width is None)
    tensors: dict[str, Any] = {
        column.name: described(key, _storage(path, column), column.shape(layout.rows))
        for key, column in enumerate(columns)
    }
    if layout.scale is not None:
        name = f"{layout.vectors}_scale"
        tensors[name] = described(len(columns), "FloatStorage", layout.scale.shape)
    description = io.BytesIO()
    _Pickler(description, 2).dump(next(iter(tensors.values())) if len(tensors) == 1 else tensors)
    with ExitStack() as stack:
        archive = stack.enter_context(zipfile.ZipFile(temporary, "w", allowZip64=True))
        for name, content in (("data.pkl", description.getvalue()), ("byteorder", b"little")):
            with _member(archive, name) as stream:
                stream.write(content)
        waiting = [
            (column, stack.enter_context(tempfile.TemporaryFile())) for column in columns[1:]
        ]
        with _member(archive, "data/0") as stream:
            every = [(columns[0], stream), *waiting]
            yield _PytorchWriter({column.name: (column, place) for column, place in every})
        for key, (_, copy) in enumerate(waiting, 1):
            copy.seek(0)
            with _member(archive, f"data/{key}") as stream:
                shutil.copyfileobj(copy, stream, 1 << 20)
        if layout.scale is not None:
            with _member(archive, f"data/{len(columns)}") as stream:
                stream.write(layout.scale.astype("<f4").tobytes())
        with _member(archive, "version") as stream:
            stream.write(b"3\n")


def _storage(path: PathLike, column: Column) -> str:
    if column.bfloat16:
        return "BFloat16Storage"
    kind = _STORAGES.get(f"{column.dtype.kind}{column.dtype.itemsize}")
    if kind is None:
        raise EmbeddingError(path, f"has no type for {column.dtype} (the column {column.name!r})")
    return kind


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    """A member whose content begins at a multiple of 64 bytes."""
    member = zipfile.ZipInfo(f"archive/{name}", _EPOCH)
    begin = archive.start_dir + _LOCAL_HEADER_BYTES + len(member.filename) + _ZIP64_FIELD_BYTES
    padding = -(begin + 4) % _ALIGNMENT
    member.extra = struct.pack("<HH", _PADDING_FIELD, padding) + b"\0" * padding
    return archive.open(member, "w", force_zip64=True)
