"""HDF5: one 2-D dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
from vmf.embeddings.places import Place, RemoteFile, open_binary
from vmf.errors import EmbeddingError

SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Hdf5File(EmbeddingFile):
    """One 2-D dataset of an ``.h5`` file.

    Parameters
    ----------
    path : Path or RemoteFile
    column : str, optional
        The dataset's name, with its groups: ``features/pool``. Without it the file must hold
        exactly one 2-D dataset.

    Notes
    -----
    Integers are multiplied by the dataset's attribute ``scale``, or by the dataset ``NAME_scale``
    or ``scale`` beside it. Datasets whose numbers lie in other files (external and virtual ones, and
    links) are not followed.
    """

    format = "hdf5"

    def __init__(self, path: Place, column: str | None = None) -> None:
        with open_hdf5(path) as file:
            datasets = _datasets(file)
            headers = {name: _header(one) for name, one in datasets.items()}
            wanted = None if column is None else column.strip("/")
            self._name = name = choose_array(path, headers, wanted, "dataset")
            dataset = datasets[name]
            check_dtype(dataset.dtype, path, f"dataset {name!r}")
            check_two_dimensional(dataset.shape, path, f"dataset {name!r}")
            _check_inside(path, name, dataset)
            self._chunk_rows = 1
            if dataset.chunks:
                check_band(path, dataset.chunks, dataset.shape, dataset.dtype.itemsize)
                self._chunk_rows = dataset.chunks[0]
            super().__init__(path, (dataset.shape[0], dataset.shape[1]), dataset.dtype)
            beside = scale_beside(datasets, name)
            if self.dtype.kind in "iu":
                if "scale" in dataset.attrs:
                    self.set_scale(np.asarray(dataset.attrs["scale"]))
                elif beside is not None:
                    _check_inside(path, beside, datasets[beside])
                    if datasets[beside].size > max(self.shape):
                        raise EmbeddingError(path, f"dataset {beside!r} is no scale")
                    self.set_scale(datasets[beside][()])

    @property
    def unit_bytes(self) -> int:
        return band_bytes(self.dimension, self.dtype, self._chunk_rows)

    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        with open_hdf5(self.path) as file:
            dataset = file[self._name]
            yield from read_bands(
                lambda first, last: dataset[first:last],
                self.shape,
                self.dtype,
                rows,
                start,
                self.rows if stop is None else stop,
                self._chunk_rows,
            )


@contextmanager
def open_hdf5(path: Place) -> Iterator[Any]:
    """Open for reading; whatever the library finds wrong becomes one line."""
    try:
        import h5py
    except ImportError as error:
        raise EmbeddingError(
            path, "reading HDF5 needs h5py: pip install 'vmf-toolkit[io]'"
        ) from error
    try:
        source: Any = open_binary(path) if isinstance(path, RemoteFile) else str(path)
        with h5py.File(source, "r") as file:
            yield file
    except EmbeddingError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise EmbeddingError(path, f"is a damaged or truncated HDF5 file ({error})") from error


def read_label_column(path: Place, column: str | None) -> Iterator[npt.NDArray[Any]]:
    """The values of one dataset; see :mod:`vmf.embeddings.labels`."""
    import h5py

    with open_hdf5(path) as file:
        datasets = _datasets(file)
        headers = {name: _header(one) for name, one in datasets.items()}
        wanted = None if column is None else column.strip("/")
        name = choose_array(path, headers, wanted, "dataset", label_choice(path))
        dataset = datasets[name]
        _check_inside(path, name, dataset)
        is_text = h5py.check_string_dtype(dataset.dtype) is not None
        check_label_array(path, dataset.shape, np.dtype("U1") if is_text else dataset.dtype)
        for start in range(0, len(dataset), 1 << 16):
            found = np.asarray(dataset[start : start + (1 << 16)]).reshape(-1)
            yield np.array([v.decode("utf-8", "replace") for v in found]) if is_text else found


def _datasets(file: Any) -> dict[str, Any]:
    """Every dataset by its full name. Links that lead elsewhere are passed over."""
    import h5py

    found: dict[str, Any] = {}
    file.visititems(lambda n, o: found.update({n: o}) if isinstance(o, h5py.Dataset) else None)
    return found


def _header(dataset: Any) -> ArrayHeader:
    return ArrayHeader(tuple(dataset.shape or ()), str(dataset.dtype))


def _check_inside(path: Place, name: str, dataset: Any) -> None:
    if dataset.external or dataset.is_virtual:
        raise EmbeddingError(
            path, f"dataset {name!r} lies in other files, which are not followed; copy it into one"
        )
