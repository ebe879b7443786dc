"""Text tables (``.csv``, ``.tsv``, ``.txt``): one row a line, streamed."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import islice

import numpy as np

from vmf.embeddings.columns import choose_columns
from vmf.embeddings.compressed import compression_of, unpacked_head
from vmf.embeddings.delimited import check_width, data_lines, read_layout, split, to_number
from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows
from vmf.embeddings.places import Place
from vmf.errors import Argument, EmbeddingError

_WORTH_AN_IMPORT = 1 << 16
"""Fields of a block for which loading pyarrow is worth its third of a second."""

_FIELDS_AT_ONCE = 1 << 15
"""That pyarrow is given: what it takes does not grow with the chunk then."""
_PYARROW_BYTES = 64 << 20  # once it is loaded


class CsvFile(EmbeddingFile):
    """The numeric columns of a text table.

    Parameters
    ----------
    path : Path or RemoteFile
        The table, UTF-8, with or without a header line.
    column : str, optional
        Which columns are the coordinates; see :func:`vmf.embeddings.columns.choose_columns`.

    Notes
    -----
    Empty fields, ``NA`` and ``null`` are read as NaN, which makes theirs a bad row: refused or
    skipped where the rows are used, like any other NaN.
    """

    format = "csv"

    def __init__(self, path: Place, column: str | None = None) -> None:
        self._layout = layout = read_layout(path)
        self._columns = choose_columns(path, layout.names, column, layout.text_columns())
        super().__init__(path, (None, len(self._columns)), np.dtype(np.float64))

    @property
    def unit_bytes(self) -> int:
        return 0 if "pyarrow" in sys.modules or find_spec("pyarrow") is None else _PYARROW_BYTES

    @property
    def copies_while_read(self) -> int:
        # The lines of a block, and of the next one what has been read of it.
        fields = sum(map(len, self._layout.sample))
        letters = sum(len(field) + 1 for row in self._layout.sample for field in row)
        return math.ceil(2 * letters / (8 * fields))

    def count_rows(self) -> int:
        return sum(1 for _ in data_lines(self.path, self._layout.first_line))

    def entries(self) -> Sequence[int]:
        return (0,)

    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        lines = islice(data_lines(self.path, self._layout.first_line), start, stop)
        while block := list(islice(lines, rows)):
            for number, line in block:
                check_width(self.path, number, line, self._layout)
            yield self._parse(block)

    def locate(self, row: int, column: int | None = None) -> str:
        number, _ = next(islice(data_lines(self.path, self._layout.first_line), row, None))
        place = f"row {row} (line {number})"
        return place if column is None else f"{place}, column {self._name(column)}"

    def _name(self, column: int) -> str:
        name = self._layout.names[self._columns[column]]
        return repr(name) if self._layout.has_header else name

    def _parse(self, block: list[tuple[int, str]]) -> FloatRows:
        found = self._parse_by_arrow(block)
        if found is not None:
            return found
        every = len(self._columns) == len(self._layout.names)
        try:
            return np.loadtxt(
                [line for _, line in block],
                delimiter=self._layout.delimiter,
                usecols=None if every else self._columns,
                comments=None,
                quotechar='"',
                ndmin=2,
            )
        except ValueError:  # a missing value or a word: slower, field by field
            return np.array([self._parse_line(number, line) for number, line in block])

    def _parse_by_arrow(self, block: list[tuple[int, str]]) -> FloatRows | None:
        """The same numbers, 3 times as fast; None where pyarrow is absent or does not take them."""
        width, columns = len(self._columns), self._columns
        fits = self._layout.delimiter is not None and columns[-1] - columns[0] == width - 1
        if not fits or len(block) * width < _WORTH_AN_IMPORT or find_spec("pyarrow") is None:
            return None
        rows = max(1, _FIELDS_AT_ONCE // width)
        found = np.empty((len(block), width))
        for first in range(0, len(block), rows):
            part = found[first : first + rows]
            values = _numbers_by_arrow(self._fields(block[first : first + rows]))
            if values is None or values.size != part.size:
                return None
            part[:] = values.reshape(part.shape)
        return found

    def _fields(self, block: list[tuple[int, str]]) -> str:
        """The fields of neighbouring columns, each on a line of its own."""
        delimiter, leading = self._layout.delimiter, self._columns[0]
        assert delimiter is not None
        trailing = len(self._layout.names) - self._columns[-1] - 1
        lines = (line for _, line in block)
        if leading:
            lines = (line.split(delimiter, leading)[leading] for line in lines)
        if trailing:
            lines = (line.rsplit(delimiter, trailing)[0] for line in lines)
        return "\n".join(lines).replace(delimiter, "\n")

    def _parse_line(self, number: int, line: str) -> list[float]:
        fields = split(line, self._layout.delimiter)
        values = []
        for column, position in enumerate(self._columns):
            value = to_number(fields[position])
            if value is None:
                hint = " (decimal comma? write decimal points)" if "," in fields[position] else ""
                raise EmbeddingError(
                    self.path,
                    f"line {number}, column {self._name(column)}: {fields[position].strip()!r} is"
                    f" not a number{hint}; correct it or leave the column out with ",
                    Argument("column"),
                )
            values.append(value)
        return values


def _numbers_by_arrow(fields: str) -> FloatRows | None:
    """The numbers on the lines of a text; None for anything that is none, or written in another way.

    As one column: each costs pyarrow 8 us, as much as a hundred numbers.
    """
    import pyarrow as pa
    from pyarrow import csv

    if '"' in fields or "\r" in fields:
        return None
    content = fields.encode()
    try:
        table = csv.read_csv(
            pa.BufferReader(content),
            csv.ReadOptions(column_names=["x"], use_threads=False, block_size=len(content) + 1),
            csv.ParseOptions(delimiter="\1", quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types={"x": pa.float64()}, null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    numbers: FloatRows = table.column(0).to_numpy()
    return numbers


def is_compressed_text(path: Place, head: bytes) -> bool:
    """Whether a file is text behind gzip or zstd, whatever its name."""
    if compression_of(head) is None:
        return False
    inside = unpacked_head(path, len(head))
    if b"\0" in inside:
        raise EmbeddingError(
            path,
            f"is a {compression_of(head)}-compressed file with binary data in it, beginning with"
            f" {inside[:8]!r}; unpack it first",
        )
    return True
