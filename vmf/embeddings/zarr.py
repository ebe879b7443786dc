"""Zarr, versions 2 and 3 of the format: a folder of compressed chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.arrays import (
    ArrayHeader,
    band_bytes,
    check_band,
    check_label_array,
    choose_array,
    label_choice,
    read_bands,
    scale_beside,
)
from vmf.embeddings.embedding_file import (
    EmbeddingFile,
    FloatRows,
    check_dtype,
    check_two_dimensional,
)
from vmf.embeddings.places import Place, RemoteFile, entries, exists, is_folder, open_binary
from vmf.errors import EmbeddingError
from vmf.output import ZARR_MARKS

"""One of these makes a folder a Zarr store."""

_LARGEST_METADATA = 16 << 20
_DEEPEST = 8

# Numbers and their compression. What a store may name besides includes "pickle", which runs code.
_CODECS = {
    "bytes", "endian", "transpose", "gzip", "zstd", "blosc", "crc32c", "sharding_indexed", "zlib",
    "bz2", "lzma", "lz4", "delta", "fixedscaleoffset", "shuffle", "vlen-utf8", "adler32", "crc32",
}  # fmt: skip


class ZarrFile(EmbeddingFile):
    """One 2-D array of a Zarr folder.

    Parameters
    ----------
    path : Path or RemoteFile
        The folder of an array, or of a group of arrays.
    column : str, optional
        The array's name in the group, ``features/pool``. Without it the group must hold exactly one
        2-D array.

    Notes
    -----
    Integers are multiplied by the array's attribute ``scale``, or by the array ``NAME_scale`` or
    ``scale`` beside it. Only codecs that compress numbers are run.
    """

    format = "zarr"

    def __init__(self, path: Place, column: str | None = None) -> None:
        arrays = find_arrays(path)
        wanted = None if column is None else column.strip("/")
        name = "" if "" in arrays else choose_array(path, arrays, wanted, "array")
        if "" in arrays and column:
            raise EmbeddingError(path, f"has no array {column!r}; it is a single array")
        with _zarr_errors(path):
            self._array = array = _open_array(path, name)
            what = f"array {name!r}" if name else "the array"
            check_dtype(array.dtype, path, what)
            check_two_dimensional(array.shape, path, what)
            chunk = getattr(array, "shards", None) or array.chunks
            check_band(path, chunk, array.shape, array.dtype.itemsize)
            self._chunk_rows = chunk[0]
            super().__init__(path, (array.shape[0], array.shape[1]), np.dtype(array.dtype))
            beside = scale_beside(arrays, name)
            if self.dtype.kind in "iu":
                if "scale" in array.attrs:
                    self.set_scale(np.asarray(array.attrs["scale"]))
                elif beside is not None:
                    scale = _open_array(path, beside)
                    if scale.size > max(self.shape):
                        raise EmbeddingError(path, f"array {beside!r} is no scale")
                    self.set_scale(scale[...])

    @property
    def unit_bytes(self) -> int:
        return band_bytes(self.dimension, self.dtype, self._chunk_rows)

    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        with _zarr_errors(self.path):
            yield from read_bands(
                lambda first, last: np.asarray(self._array[first:last]),
                self.shape,
                self.dtype,
                rows,
                start,
                self.rows if stop is None else stop,
                self._chunk_rows,
            )


def is_zarr(place: Place) -> bool:
    """Whether a folder is a Zarr store."""
    return any(exists(_child(place, mark)) for mark in ZARR_MARKS)


def find_arrays(path: Place) -> dict[str, ArrayHeader]:
    """Every array of a store by its name, "" for the store itself.

    Raises
    ------
    EmbeddingError
        When its metadata are damaged or name a codec that is not for numbers.
    """
    found: dict[str, ArrayHeader] = {}

    def visit(place: Place, name: str, depth: int) -> None:
        metadata = _metadata(path, place)
        if metadata is None or depth > _DEEPEST:
            return
        if "shape" in metadata:
            shape = metadata["shape"]
            if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
                raise EmbeddingError(path, f"array {name!r} has damaged metadata: shape {shape!r}")
            kind = metadata.get("dtype", metadata.get("data_type", "?"))
            found[name] = ArrayHeader(tuple(shape), str(kind))
            _check_codecs(path, name, metadata)
            return
        for child, folder in entries(place):
            if folder:
                visit(child, f"{name}/{child.name}" if name else child.name, depth + 1)

    visit(path, "", 0)
    return found


def read_label_column(path: Place, column: str | None) -> Iterator[npt.NDArray[Any]]:
    """The values of one array; see :mod:`vmf.embeddings.labels`."""
    arrays = find_arrays(path)
    wanted = None if column is None else column.strip("/")
    name = choose_array(path, arrays, wanted, "array", label_choice(path))
    with _zarr_errors(path):
        array = _open_array(path, name)
        is_text = array.dtype.kind in "TO"
        check_label_array(path, array.shape, np.dtype("U1") if is_text else array.dtype)
        for start in range(0, array.shape[0], 1 << 16):
            found = np.asarray(array[start : start + (1 << 16)]).reshape(-1)
            yield np.array([str(value) for value in found]) if is_text else found


def _metadata(path: Place, place: Place) -> dict[str, Any] | None:
    for mark in ZARR_MARKS:
        file = _child(place, mark)
        if not exists(file):
            continue
        with open_binary(file) as stream:
            text = stream.read(_LARGEST_METADATA)
        try:
            metadata = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise EmbeddingError(path, f"has damaged metadata: {mark} is not JSON") from error
        if not isinstance(metadata, dict):
            raise EmbeddingError(path, f"has damaged metadata: {mark} is not a JSON object")
        return metadata
    return None


def _check_codecs(path: Place, name: str, metadata: Any) -> None:
    """Refuse any codec outside the list, at any depth: shards have codecs of their own."""
    for key in ("compressor", "filters", "codecs", "index_codecs"):
        listed = metadata.get(key) or []
        for codec in listed if isinstance(listed, list) else [listed]:
            kind = codec.get("id", codec.get("name")) if isinstance(codec, dict) else codec
            if str(kind).removeprefix("numcodecs.") not in _CODECS:
                raise EmbeddingError(
                    path,
                    f"array {name!r} is stored with the codec {kind!r}, which is never run; store"
                    " plain numbers, compressed with zstd, blosc or gzip",
                )
            if isinstance(codec, dict) and isinstance(codec.get("configuration"), dict):
                _check_codecs(path, name, codec["configuration"])


def _open_array(path: Place, name: str) -> Any:
    try:
        import zarr
    except ImportError as error:
        raise EmbeddingError(
            path, "reading Zarr needs zarr: pip install 'vmf-toolkit[io]'"
        ) from error
    store: Any
    if isinstance(path, RemoteFile):
        from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

        filesystem = path.filesystem
        if not filesystem.async_impl:
            filesystem = AsyncFileSystemWrapper(filesystem, asynchronous=True)
        elif not filesystem.asynchronous:
            options = dict(filesystem.storage_options, asynchronous=True)
            filesystem = type(filesystem)(*filesystem.storage_args, **options)
        store = zarr.storage.FsspecStore(filesystem, read_only=True, path=path.path)
    else:
        store = str(path)
    return zarr.open_array(store, path=name, mode="r")


def _child(place: Place, name: str) -> Place:
    if isinstance(place, Path):
        return place / name
    return place.beside(f"{place.path.rstrip('/')}/{name}")


@contextmanager
def _zarr_errors(path: Place) -> Iterator[None]:
    """Whatever the library and its codecs find wrong becomes one line."""
    try:
        yield
    except EmbeddingError:
        raise
    except (ValueError, TypeError, KeyError, RuntimeError, OSError, IndexError) as error:
        raise EmbeddingError(path, f"is a damaged or truncated Zarr store ({error})") from error


def is_zarr_folder(place: Place, head: bytes) -> bool:
    """Whether what was opened is a folder, for the registry."""
    return not head and is_folder(place) and is_zarr(place)
