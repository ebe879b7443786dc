"""Embeddings from any files to one, in any format that has a writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vmf.embeddings.atomic_output import PathLike, check_output
from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.fitting import Progress, open_files
from vmf.embeddings.table_output import writable_extensions
from vmf.embeddings.writing import NumberType, create_embeddings, int8_scale
from vmf.passes.output import claimed_output
from vmf.passes.row_values import RowValues


@dataclass(frozen=True)
class ConversionSummary:
    """What :func:`convert_to_file` wrote."""

    rows: int
    dimension: int
    dtype: str
    largest_error: float


def convert_to_file(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    dtype: NumberType | None = None,
    ids: PathLike | None = None,
    labels: PathLike | None = None,
    column: str | None = None,
    scale: npt.ArrayLike | None = None,
    progress: Progress | None = None,
) -> ConversionSummary:
    """Write the rows of files to one file, in their order, a chunk in memory at a time.

    Parameters
    ----------
    paths : sequence of path-like
        Embeddings of one dimension; their rows are taken one file after the other.
    output : path-like
        See :func:`vmf.embeddings.writing.create_embeddings`. One process at a time writes it.
    dtype : str, optional
        Of the stored numbers; by default the one that holds those of the files without loss.
        "int8" reads the files twice: the scale of a dimension follows from its largest absolute
        value, and no coordinate is off by more than 1/254 of that.
    ids, labels : path-like, optional
        ``FILE`` or ``FILE:COLUMN``, see :class:`vmf.passes.row_values.RowValues`: the columns ``id``
        and ``label`` of the output.
    column, scale
        See :func:`vmf.embeddings.open_embeddings`.
    progress : callable, optional
        See :data:`vmf.embeddings.fitting.Progress`.

    Raises
    ------
    EmbeddingError
        When something cannot be read or written. No output appears then.
    """
    check_output(output, paths, writable_extensions())
    files = open_files(paths, column, scale)
    check_output(output, [file.path for file in files])
    columns = [
        RowValues(source, name, with_width=True)
        for name, source in (("id", ids), ("label", labels))
        if source is not None
    ]
    for one in columns:
        check_output(output, [one.path])
    rows, dimension = sum(file.rows for file in files), files[0].dimension
    kind: NumberType = dtype or _lossless(files)
    passes = 2 if kind == "int8" else 1
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, passes * rows)

    steps = None
    if kind == "int8":
        largest = np.zeros(dimension)
        for file in files:
            for start, block in file.chunks():
                _check_finite(file, start, block)
                np.maximum(largest, np.abs(block).max(axis=0), out=largest)
                tell(len(block))
        steps = int8_scale(largest)
    beside = {one.name: one.dtype for one in columns}
    with (
        claimed_output(output),
        create_embeddings(output, (rows, dimension), kind, scale=steps, beside=beside) as writer,
    ):
        for file in files:
            for _, block in file.chunks():
                writer.append(block, **{one.name: one.take(len(block)) for one in columns})
                tell(len(block))
        for one in columns:
            one.end()
    error = 0.0 if steps is None else float(steps.max()) / 2
    return ConversionSummary(rows, dimension, kind, error)


def _lossless(files: Sequence[EmbeddingFile]) -> NumberType:
    names: dict[str, NumberType] = {
        "float16": "float16", "float32": "float32", "float64": "float64",
    }  # fmt: skip
    return names[np.result_type(*{file.native_dtype for file in files}).name]


def _check_finite(file: EmbeddingFile, start: int, block: npt.NDArray[np.floating]) -> None:
    finite = np.isfinite(block)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise EmbeddingError(
            file.path,
            f"{file.locate(start + int(row), int(column))}: the value is {block[row, column]}, which"
            " no integer stands for; correct the row, or write a floating-point --dtype",
        )
