"""Scores that somebody else computed, one number a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from vmf.embeddings.columns import find_column
from vmf.embeddings.delimited import check_width, data_lines, read_layout, split
from vmf.embeddings.labels import label_file
from vmf.embeddings.npy import fill, read_npy_header
from vmf.errors import EmbeddingError

_NOT_SCORES = {"row", "class", "label", "index", "id"}


def read_scores(source: str) -> dict[str, npt.NDArray[np.float64]]:
    """Read the columns of numbers of ``FILE``, or the one of ``FILE:COLUMN``.

    Parameters
    ----------
    source : str
        A ``.npy`` (numbers, or a structured array as `vmf score` writes it), a ``.csv`` or ``.tsv``
        with a header line, or a ``.parquet``. Columns named row, class, label, index or id are no
        scores, nor are columns of text.

    Returns
    -------
    dict of (rows,) float64
        By the name of the column, or of the file.

    Raises
    ------
    EmbeddingError
        When it cannot be read, when there is no such column, for text and for NaN.
    """
    path = label_file(source)
    if not isinstance(path, Path):
        raise EmbeddingError(path, "scores are read from files on this machine; copy it first")
    column = None if Path(source).exists() else source.rpartition(":")[2]
    readers = {
        ".npy": _from_npy, ".csv": _from_table, ".tsv": _from_table, ".parquet": _from_parquet
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise EmbeddingError(path, f"scores are read from {', '.join(readers)}")
    try:
        columns = reader(path, column)
    except OSError as error:
        raise EmbeddingError(path, f"cannot be read ({error.strerror or error})") from error
    if not columns:
        raise EmbeddingError(path, "has no column of numbers that could be a score")
    for name, values in columns.items():
        undefined = np.isnan(values)
        if undefined.any():
            raise EmbeddingError(
                path, f"the {name} of row {int(np.argmax(undefined))} is nan; score every row"
            )
    return columns


def _from_npy(path: Path, column: str | None) -> dict[str, npt.NDArray[np.float64]]:
    with open(path, "rb") as stream:
        header = read_npy_header(stream, path)
        kinds = header.dtype.names
        if column is not None and kinds is None:
            raise EmbeddingError(path, f"holds one array; leave out :{column}")
        plain = header.dtype.kind in "fiu" or (kinds is not None and not header.dtype.hasobject)
        if len(header.shape) != 1 or not plain:
            raise EmbeddingError(
                path, f"holds {header.summary()}; scores are numbers, of shape (rows,)"
            )
        found = path.stat().st_size - header.offset
        if found != header.data_bytes:
            raise EmbeddingError(
                path, f"is damaged: {header.data_bytes} bytes of scores promised, {found} found"
            )
        table = np.empty(header.shape, header.dtype)
        fill(table, stream, path)
    if kinds is None:
        return {path.stem: np.asarray(table, np.float64)}
    names = [name for name in kinds if header.dtype[name].kind in "fiu" and table[name].ndim == 1]
    chosen = _chosen(path, names, column)
    return {name: np.asarray(table[name], np.float64) for name in chosen}


def _from_table(path: Path, column: str | None) -> dict[str, npt.NDArray[np.float64]]:
    layout = read_layout(path)
    text = layout.text_columns()
    numeric = [name for i, name in enumerate(layout.names) if i not in text]
    chosen = _chosen(path, numeric, column)
    position = {name: list(layout.names).index(name) for name in chosen}
    values: dict[str, list[float]] = {name: [] for name in chosen}
    for number, line in data_lines(path, layout.first_line):
        check_width(path, number, line, layout)
        fields = [line] if len(layout.names) == 1 else split(line, layout.delimiter)
        for name, at in position.items():
            try:
                values[name].append(float(fields[at]))
            except ValueError:
                raise EmbeddingError(
                    path, f"line {number}: the {name} is {fields[at]!r}, not a number"
                ) from None
    return {name: np.array(column_values) for name, column_values in values.items()}


def _from_parquet(path: Path, column: str | None) -> dict[str, npt.NDArray[np.float64]]:
    import pyarrow as pa

    from vmf.embeddings.parquet import open_parquet

    with open_parquet(path) as file:
        schema = file.schema_arrow
        numeric = [
            field.name
            for field in schema
            if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
        ]
        chosen = _chosen(path, numeric, column)
        table = file.read(columns=chosen)
    return {name: np.asarray(table.column(name).to_numpy(), np.float64) for name in chosen}


def _chosen(path: Path, numeric: list[str], column: str | None) -> list[str]:
    if column is not None:
        return [numeric[find_column(path, numeric, column)]]
    return [name for name in numeric if name.lower() not in _NOT_SCORES]
