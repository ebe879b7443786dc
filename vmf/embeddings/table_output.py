"""Tables written chunk by chunk, in every format that has a writer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vmf.embeddings.registry import Format, Writing, extensions, format_by_name
from vmf.errors import EmbeddingError, PathLike
from vmf.output import atomic_folder, atomic_output

TABLE_EXTENSIONS = (
    ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst", ".parquet", ".arrow", ".feather",
    ".npy",
)  # fmt: skip
"""Those for tables of several columns, scores for example."""

Chunk = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Column:
    """One column of a table: a value a row, or ``width`` values a row.

    With ``bfloat16`` the values are float32 and are stored as the upper halves of their bits.
    """

    name: str
    dtype: np.dtype[Any]
    width: int | None = None
    bfloat16: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the values are strings."""
        return self.dtype.kind == "U"

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """The type of the numbers as stored, little-endian; bfloat16 as its 16 bits."""
        return np.dtype("<u2") if self.bfloat16 else self.dtype.newbyteorder("<")

    def stored(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The numbers as stored, in C order."""
        if self.bfloat16:
            values = to_bfloat16(values)
        return np.ascontiguousarray(values, self.stored_dtype)

    def shape(self, rows: int) -> tuple[int, ...]:
        """Of the whole column."""
        return (rows,) if self.width is None else (rows, self.width)


@dataclass(frozen=True)
class TableLayout:
    """All that a writer has to know before the first row.

    Attributes
    ----------
    columns : sequence of Column
    rows : int
        In all.
    scale : (width,) float32 array, optional
        What the integers of the column with a width are to be multiplied by.
    """

    columns: Sequence[Column]
    rows: int
    scale: npt.NDArray[np.float32] | None = None

    @property
    def vectors(self) -> str:
        """The name of the column with a width."""
        return next(column.name for column in self.columns if column.width is not None)


class TableWriter(Protocol):
    """Takes the rows of a table in order; each chunk maps the column names to arrays."""

    def write(self, chunk: Chunk) -> None: ...


@contextmanager
def open_table(
    path: PathLike,
    columns: Sequence[Column],
    rows: int,
    scale: npt.NDArray[np.float32] | None = None,
) -> Iterator[TableWriter]:
    """Write a table of ``rows`` rows; it appears at ``path`` when the block ends without error.

    A ``.npy`` of a single column is a plain array, of shape (rows,) or (rows, width), and otherwise
    a structured one, read as ``np.load(path)["name"]``. In text a column with a width becomes
    ``name0``, ``name1``, ...; numbers are written so that they read back exactly. In Parquet and
    Arrow it is a fixed-size list. The other formats hold one array a column.

    Parameters
    ----------
    scale : array, optional
        See :class:`TableLayout`.

    Raises
    ------
    EmbeddingError
        For another ending, for a column that the format has no type for, and for a library that is
        not installed.
    ValueError
        When other than ``rows`` rows were written.
    OSError
        When the disk is full.
    """
    layout = TableLayout(columns, rows, scale)
    known, writing = writing_format(path)
    _check_types(path, known, writing, layout)
    output = atomic_folder if writing.folder else atomic_output
    with output(path) as temporary, writing.open(temporary, path, layout) as writer:
        counted = _Counted(writer)
        yield counted
        if counted.rows != rows:
            raise ValueError(f"{counted.rows} rows were written to {path}, not {rows}")


def writing_format(path: PathLike) -> tuple[Format, Writing]:
    """The format that a name stands for, if it is written; EmbeddingError if not."""
    known = format_by_name(Path(path))
    if known is None or known.writing is None:
        ending = repr(Path(path).suffix) if Path(path).suffix else "no ending"
        raise EmbeddingError(
            path, f"has {ending}; the output is one of {', '.join(writable_extensions())}"
        )
    return known, known.writing


def writable_extensions() -> list[str]:
    """The endings of all files that can be written."""
    return extensions(lambda known: known.writing is not None)


class _Counted:
    def __init__(self, writer: TableWriter) -> None:
        self._writer = writer
        self.rows = 0

    def write(self, chunk: Chunk) -> None:
        self._writer.write(chunk)
        self.rows += len(next(iter(chunk.values())))


def _check_types(path: PathLike, known: Format, writing: Writing, layout: TableLayout) -> None:
    for column in layout.columns:
        if column.is_text and not writing.text:
            raise EmbeddingError(
                path,
                f"has no place for text (the column {column.name!r}): .{known.name} holds numbers;"
                " write .parquet, .arrow, .h5 or .npz",
            )
        if column.bfloat16 and not writing.bfloat16:
            raise EmbeddingError(
                path, f"cannot hold bfloat16: .{known.name} has no such type; write .safetensors"
            )
    if layout.scale is not None and not writing.scale:
        raise EmbeddingError(
            path,
            f"has no place for the scale of integers: .{known.name} holds one table; write"
            " .safetensors, .npz, .h5, .zarr, .parquet or .arrow",
        )


def to_bfloat16(values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """The upper halves of float32 numbers, rounded to the nearest, ties to even; NaN stays NaN."""
    single = np.ascontiguousarray(values, np.float32)
    bits = single.view(np.uint32)
    with np.errstate(over="ignore"):
        rounded = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) >> 16
    rounded[np.isnan(single)] = 0x7FC0
    narrow: npt.NDArray[np.uint16] = rounded.astype(np.uint16)
    return narrow
