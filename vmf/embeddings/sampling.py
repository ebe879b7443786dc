"""Draws from a model, written to a file."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vmf.embeddings.atomic_output import PathLike, check_output
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.fitting import Progress
from vmf.embeddings.table_output import TABLE_EXTENSIONS, Column, open_table
from vmf.model_file import Model
from vmf.sampling import sample

_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True)
class SampleSummary:
    """What :func:`sample_to_file` did: rows and dimension written, and the seed that repeats it."""

    rows: int
    dimension: int
    seed: int


def sample_to_file(
    model: Model,
    rows: int,
    output: PathLike,
    *,
    seed: int | None = None,
    label: str | None = None,
    dtype: npt.DTypeLike = np.float64,
    progress: Progress | None = None,
) -> SampleSummary:
    """Draw directions from a model and write them, one a row.

    Parameters
    ----------
    model : Model
        With several classes, each row's class is drawn first, in the proportions of the fit.
    rows : int
        How many, at least 1.
    output : path-like
        ``.npy``: an array (rows, dimension). ``.parquet``: a list column ``embedding``. ``.csv``
        and ``.tsv``: columns ``x0``, ``x1``, ... The last three have a column ``class`` too when
        the model has classes.
    seed : int, optional
        The same seed gives the same rows; None takes one from the system.
    label : str, optional
        Draw from this class only.
    dtype : float64 or float32
        Of the numbers written.
    progress : callable, optional
        See :data:`vmf.embeddings.fitting.Progress`.

    Raises
    ------
    EmbeddingError
        For an unknown class, fewer than 1 row, or an output that cannot be written.
    """
    check_output(output, extensions=TABLE_EXTENSIONS)
    if rows < 1:
        raise EmbeddingError(output, f"{rows} rows were asked for; draw at least 1")
    proportions = model.proportions
    if label is not None:
        if label not in model.classes:
            known = ", ".join(str(name) for name in model.classes[:8])
            raise EmbeddingError(None, f"the model has no class {label!r}; it has {known}")
        proportions = np.array([float(name == label) for name in model.classes])
    if seed is None:
        seed = int.from_bytes(os.urandom(4), "little")
    sequences = np.random.SeedSequence(seed).spawn(1 + len(model.classes))
    choice, *streams = map(np.random.default_rng, sequences)
    number = np.dtype(dtype)
    is_npy = str(output).lower().endswith(".npy")
    is_parquet = str(output).lower().endswith(".parquet")
    vectors = Column("embedding" if is_parquet else "x", number, model.dimension)
    columns = [vectors]
    labels = np.array([name or "" for name in model.classes])
    with_class = model.classes != (None,) and not is_npy
    if with_class:
        columns.insert(0, Column("class", labels.dtype))
    step = max(1, _CHUNK_BYTES // (8 * model.dimension))
    with open_table(output, columns, rows) as table:
        for start in range(0, rows, step):
            count = min(step, rows - start)
            block = np.empty((count, model.dimension), number)
            of_class = choice.choice(len(labels), size=count, p=proportions)
            for k in np.unique(of_class):
                members = np.flatnonzero(of_class == k)
                block[members] = sample(
                    model.mean_direction[k],
                    float(model.concentration[k]),
                    len(members),
                    streams[k],
                    dtype=number,
                )
            chunk: dict[str, npt.NDArray[np.generic]] = {vectors.name: block}
            if with_class:
                chunk["class"] = labels[of_class]
            table.write(chunk)
            if progress:
                progress(start + count, rows)
    return SampleSummary(rows, model.dimension, seed)
