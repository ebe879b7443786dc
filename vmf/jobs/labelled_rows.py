"""Embeddings with their labels, from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import OnBadRows, unit_rows
from vmf.embeddings.labels import Labels, read_labels
from vmf.embeddings.opening import Progress, bad_row
from vmf.embeddings.registry import open_embeddings
from vmf.errors import BadRowError, EmbeddingError, PathLike
from vmf.evaluation.row_store import RowStore


@dataclass(frozen=True)
class Rows:
    """Rows of an embedding file.

    Attributes
    ----------
    X : (rows, dim) float32, or float64 where the file holds that
        As the network gave them, not normalised.
    numbers : (rows,) intp
        The number of each row in its file: bad rows may have been left out.
    in_file : int
        Rows in the file.
    """

    X: npt.NDArray[Any]
    numbers: npt.NDArray[np.intp]
    in_file: int

    @property
    def skipped(self) -> int:
        """Rows of the file that were left out."""
        return self.in_file - len(self.X)


def read_rows(
    path: PathLike,
    *,
    column: str | None = None,
    scale: npt.ArrayLike | None = None,
    on_bad_rows: OnBadRows = "error",
    dimension: int | None = None,
    store: RowStore | None = None,
    progress: Progress | None = None,
) -> Rows:
    """Read a whole file of embeddings.

    Parameters
    ----------
    path : path-like
    column, scale
        See :func:`vmf.embeddings.open_embeddings`.
    on_bad_rows : {"error", "skip"}
        For rows with NaN or infinity and zero rows.
    dimension : int, optional
        That it must have.
    store : RowStore, optional
        Where the rows are kept.
    progress : callable, optional

    Raises
    ------
    EmbeddingError
        When the file cannot be read, has another dimension or a bad row, or holds no usable row.
    """
    file = open_embeddings(path, column, scale=scale)
    if dimension is not None and file.dimension != dimension:
        raise EmbeddingError(
            path,
            f"has dimension {file.dimension}, the evaluated embeddings {dimension}; all files must"
            " come from one network",
        )
    wide = np.float64 if file.native_dtype == np.float64 else np.float32
    store = store or RowStore()
    X = store.empty(file.shape, wide)
    usable = np.ones(file.rows, bool)
    for start, rows in file.chunks():
        try:
            directions, _ = unit_rows(rows, on_bad_rows, start)
        except BadRowError as error:
            raise bad_row(file, error) from error
        stop = start + len(rows)
        X[start:stop] = rows
        usable[start:stop] = ~np.isnan(directions[:, 0])
        if progress:
            progress(stop, file.rows)
    numbers = np.flatnonzero(usable)
    if not numbers.size:
        raise EmbeddingError(path, "holds no usable rows")
    return Rows(X if usable.all() else store.taken(X, numbers), numbers, len(usable))


def read_row_labels(source: str, path: PathLike, rows: Rows) -> npt.NDArray[np.str_]:
    """The label of each usable row; EmbeddingError unless there is one for each row of the file."""
    labels: Labels = read_labels(source)
    if len(labels) != rows.in_file:
        raise EmbeddingError(
            source,
            f"has {len(labels)} labels, but {path} has {rows.in_file} rows; there must be one label"
            " a row",
        )
    return np.asarray(labels.classes)[labels.codes[rows.numbers]]


def check_held_out(source: str, labels: npt.NDArray[np.str_], held_out: Sequence[str]) -> None:
    """Refuse labels to hold out that no row has; EmbeddingError."""
    present = np.unique(labels)
    for label in held_out:
        if label not in present:
            listed = ", ".join(present[:12]) + (", ..." if len(present) > 12 else "")
            raise EmbeddingError(source, f"no row has the label {label!r}; there are {listed}")
