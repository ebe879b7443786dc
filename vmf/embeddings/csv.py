"""Text tables (``.csv``, ``.tsv``, ``.txt``): one row a line, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from vmf.embeddings.columns import choose_columns
from vmf.embeddings.compressed import compression_of, unpacked_head
from vmf.embeddings.delimited import check_width, data_lines, read_layout, split, to_number
from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.places import Place


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
                    f" not a number{hint}; correct it or leave the column out with --column",
                )
            values.append(value)
        return values


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
