"""Draws from a model, written to a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vmf.distribution.model import Model
from vmf.distribution.sampling import sample
from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES
from vmf.embeddings.opening import Progress
from vmf.embeddings.table_output import writable_extensions, writing_format
from vmf.embeddings.writing import create_embeddings
from vmf.errors import EmbeddingError, PathLike, listed
from vmf.output import check_output, claimed_output


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
    dtype: Literal["float32", "float64"] = "float64",
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
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
        See :func:`vmf.embeddings.writing.create_embeddings` for the formats. Those that have a
        place for text get a column ``class`` when the model has classes.
    seed : int, optional
        The same seed gives the same rows; None takes one from the system.
    label : str, optional
        Draw from this class only.
    dtype : {"float64", "float32"}
        Of the numbers written.
    chunk_bytes : int
        Bytes of the rows that are drawn at a time, in float64.
    progress : callable, optional
        See :data:`vmf.embeddings.opening.Progress`.

    Raises
    ------
    EmbeddingError
        For an unknown class, fewer than 1 row, or an output that cannot be written.
    """
    check_output(output, extensions=writable_extensions())
    if rows < 1:
        raise EmbeddingError(output, f"{rows} rows were asked for; draw at least 1")
    proportions = model.proportions
    if label is not None:
        if label not in model.classes:
            known = listed(model.classes)
            raise EmbeddingError(None, f"the model has no class {label!r}; it has {known}")
        proportions = np.array([float(name == label) for name in model.classes])
    if seed is None:
        seed = int.from_bytes(os.urandom(4), "little")
    sequences = np.random.SeedSequence(seed).spawn(1 + len(model.classes))
    choice, *streams = map(np.random.default_rng, sequences)
    number = np.dtype(dtype)
    labels = np.array([name or "" for name in model.classes])
    form, writing = writing_format(output)
    with_class = model.classes != (None,) and writing.text and form.name != "npy"
    beside = {"class": labels.dtype} if with_class else {}
    step = max(1, chunk_bytes // (8 * model.dimension))
    shape = rows, model.dimension
    with (
        claimed_output(output),
        create_embeddings(output, shape, dtype, beside=beside) as writer,
    ):
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
            writer.append(block, **({"class": labels[of_class]} if with_class else {}))
            if progress:
                progress(start + count, rows)
    return SampleSummary(rows, model.dimension, seed)
