"""PyTorch's ``.pt`` and ``.pth``: tensors only, by the unpickler that builds nothing else."""

from __future__ import annotations

import pickle
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.arrays import (
    ArrayHeader,
    check_label_array,
    choose_array,
    label_choice,
    scale_beside,
)
from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows, check_two_dimensional
from vmf.embeddings.places import Place, RemoteFile, open_binary
from vmf.errors import EmbeddingError

_TYPES = {
    "float64": "f8", "float32": "f4", "float16": "f2", "bfloat16": "f4", "int64": "i8",
    "int32": "i4", "int16": "i2", "int8": "i1", "uint8": "u1",
}  # fmt: skip
_DEEPEST = 4
_MAPPED_BYTES = 32 << 20


class PytorchFile(EmbeddingFile):
    """One 2-D tensor that ``torch.save`` wrote, alone or in dictionaries.

    Parameters
    ----------
    path : Path or RemoteFile
    column : str, optional
        The tensor's key; keys of nested dictionaries are joined with points. Without it there must
        be exactly one 2-D tensor.

    Notes
    -----
    Loaded with ``weights_only=True``, which refuses everything but tensors and plain containers, and
    mapped, so that only the rows that are read come into memory. Integers are multiplied by the
    tensor ``NAME_scale``, ``NAME.scale`` or ``scale``, if there is one.
    """

    format = "pytorch"

    def __init__(self, path: Place, column: str | None = None) -> None:
        with open_tensors(path) as tensors:
            headers = {name: _header(tensor) for name, tensor in tensors.items()}
            self._name = name = choose_array(path, headers, column, "tensor")
            tensor = tensors[name]
            self._kind = kind = headers[name].type_name
            if kind not in _TYPES or tensor.layout != _strided():
                raise EmbeddingError(
                    path, f"tensor {name!r} is {kind}, {tensor.layout}; expected plain real numbers"
                )
            check_two_dimensional(tuple(tensor.shape), path, f"tensor {name!r}")
            super().__init__(path, (tensor.shape[0], tensor.shape[1]), np.dtype(_TYPES[kind]))
            beside = scale_beside(tensors, name)
            if beside is not None and self.dtype.kind in "iu":
                self.set_scale(_to_numpy(tensors[beside]))

    @property
    def stored_as(self) -> str:
        return "bfloat16" if self._kind == "bfloat16" else super().stored_as

    @property
    def unit_bytes(self) -> int:
        return _MAPPED_BYTES

    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        end = self.rows if stop is None else stop
        # Pages once touched stay in memory as long as the file is mapped, so it is not for long.
        span = max(rows, _MAPPED_BYTES // (self.dimension * self.dtype.itemsize))
        with _on_disk(self.path) as local:
            for begin in range(start, end, span):
                with open_tensors(self.path, local) as tensors:
                    tensor = tensors[self._name]
                    for first in range(begin, min(begin + span, end), rows):
                        self.check_unchanged()  # before mapped pages are touched that may be gone
                        block = _to_numpy(tensor[first : min(first + rows, begin + span, end)])
                        # A copy: what is mapped must not outlive the file.
                        yield np.array(block, self.native_dtype, order="C")


@contextmanager
def open_tensors(path: Place, local: str | None = None) -> Iterator[dict[str, Any]]:
    """Every tensor of the file by its key; ``local`` is where it lies on this machine, if known."""
    try:
        import torch
    except ImportError as error:
        raise EmbeddingError(
            path, "reading .pt files needs torch: pip install 'vmf-toolkit[torch]'"
        ) from error
    try:
        with nullcontext(local) if local else _on_disk(path) as found:
            yield _load(torch, path, found)
    except (RuntimeError, OSError) as error:  # reading what the tensors map
        raise _damaged(path, error) from error


def _load(torch: Any, path: Place, local: Any) -> dict[str, Any]:
    try:
        # A broken archive makes torch fall back to the unpickler of old files; not here.
        with zipfile.ZipFile(local):
            pass
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's opinion of the pickle's version
            found = torch.load(local, map_location="cpu", weights_only=True, mmap=True)
        return dict(_tensors(torch, found, "", 0))
    except (EmbeddingError, MemoryError):
        raise
    except pickle.UnpicklingError as error:
        raise EmbeddingError(
            path,
            "holds Python objects beside tensors, which are never loaded; save the tensor alone:"
            " torch.save(features, file)",
        ) from error
    except Exception as error:  # whatever torch's own unpickler stumbles over
        raise _damaged(path, error) from error


def _damaged(path: Place, error: Exception) -> EmbeddingError:
    reason = str(error).partition("\n")[0]
    return EmbeddingError(path, f"is a damaged or truncated .pt file ({reason})")


def is_checkpoint(place: Place, head: bytes) -> bool:
    """Whether a file is a zip archive as ``torch.save`` writes it."""
    if not head.startswith(b"PK\x03\x04") or place.suffix.lower() == ".npz":
        return False
    try:
        with open_binary(place) as file, zipfile.ZipFile(file) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
        return place.suffix.lower() in (".pt", ".pth")


def read_label_column(path: Place, column: str | None) -> Iterator[npt.NDArray[Any]]:
    """The values of one tensor; see :mod:`vmf.embeddings.labels`."""
    with open_tensors(path) as tensors:
        headers = {name: _header(tensor) for name, tensor in tensors.items()}
        name = choose_array(path, headers, column, "tensor", label_choice(path))
        kind = headers[name].type_name
        dtype = np.dtype("?") if kind == "bool" else np.dtype(_TYPES.get(kind, "f4"))
        check_label_array(path, tuple(tensors[name].shape), dtype)
        yield np.array(_to_numpy(tensors[name]).reshape(-1))


@contextmanager
def _on_disk(path: Place) -> Iterator[str]:
    """A local name of the file; one behind a URL is copied, for only files can be mapped."""
    if not isinstance(path, RemoteFile):
        yield str(path)
        return
    with tempfile.NamedTemporaryFile(suffix=".pt") as copy:
        with open_binary(path) as source:
            shutil.copyfileobj(source, copy, 1 << 20)
        copy.flush()
        yield copy.name


def _tensors(torch: Any, found: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(found, torch.Tensor):
        yield name or "tensor", found.detach()
    elif isinstance(found, (dict, list, tuple)) and depth < _DEEPEST:
        for key, value in found.items() if isinstance(found, dict) else enumerate(found):
            yield from _tensors(torch, value, f"{name}.{key}" if name else str(key), depth + 1)


def _header(tensor: Any) -> ArrayHeader:
    return ArrayHeader(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def _strided() -> Any:
    import torch

    return torch.strided


def _to_numpy(tensor: Any) -> npt.NDArray[Any]:
    import torch

    wide = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    return np.asarray(wide.numpy())
