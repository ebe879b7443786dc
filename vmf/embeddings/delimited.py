"""The layout of a text table: its separator, its header and its lines.

Separators are the comma, the tab, the semicolon or white space; fields may be quoted and a quoted
field may contain line breaks. Leading lines that begin with ``#`` are comments.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TextIO

from vmf.embeddings.compressed import open_text
from vmf.embeddings.places import Place
from vmf.errors import EmbeddingError

_LONGEST_LINE = 1 << 26
_SAMPLE_LINES = 20
_MISSING = {"", "na", "n/a", "null", "none", "nan"}


@dataclass(frozen=True)
class Layout:
    """How the lines of a table are to be taken apart."""

    delimiter: str | None
    """The separator; None for any white space."""
    names: list[str]
    """One name a column; its position where the table has no header."""
    has_header: bool
    first_line: int
    """Number, from 1, of the first line of data."""
    sample: list[list[str]]
    """The fields of the first few lines of data."""

    def text_columns(self) -> dict[int, str]:
        """Position and a sample of every column that is not numeric."""
        found: dict[int, str] = {}
        for fields in self.sample:
            for position, field in enumerate(fields[: len(self.names)]):
                if position not in found and to_number(field) is None:
                    found[position] = field.strip()
        return found


def read_layout(path: Place) -> Layout:
    """Find separator and header from the first lines.

    Raises
    ------
    EmbeddingError
        When the file is no text, holds no line, or its first lines differ in length.
    """
    numbered = list(islice(data_lines(path), _SAMPLE_LINES + 1))
    if not numbered:
        raise EmbeddingError(path, "holds no rows: every line is empty")
    delimiter = _find_delimiter([line for _, line in numbered])
    sample = [split(line, delimiter) for _, line in numbered]
    has_header = _is_header(sample)
    if has_header:
        names = [field.strip() for field in sample.pop(0)]
        numbered.pop(0)
        if not numbered:
            raise EmbeddingError(path, "holds a header but no rows")
    else:
        names = [str(position) for position in range(len(sample[0]))]
    return Layout(delimiter, names, has_header, numbered[0][0], sample)


def data_lines(path: Place, first_line: int = 1) -> Iterator[tuple[int, str]]:
    """Yield (line number, text without its line break) from ``first_line`` on.

    Blank lines and leading comments are left out; a line that ends inside quotes is joined with
    those that follow.
    """
    number = 0
    leading = first_line == 1
    try:
        with open_text(path) as stream:
            while line := stream.readline(_LONGEST_LINE):
                number += 1
                begins = number
                if '"' in line:
                    line, more_lines = _close_quotes(path, begins, line, stream)
                    number += more_lines
                if len(line) >= _LONGEST_LINE:
                    raise EmbeddingError(
                        path, f"line {begins} is longer than {_LONGEST_LINE >> 20} MB: no table"
                    )
                if begins < first_line or not line.strip():
                    continue
                if leading and line.startswith("#"):
                    continue
                leading = False
                if "\0" in line:
                    raise EmbeddingError(path, f"line {begins} holds binary data, not text")
                yield begins, line.rstrip("\n")
    except UnicodeDecodeError as error:
        raise EmbeddingError(
            path, f"is not UTF-8 text (after line {number}); save it as UTF-8"
        ) from error


def _close_quotes(path: Place, number: int, line: str, stream: TextIO) -> tuple[str, int]:
    """Join ``line`` with those after it until its quotes are closed; also how many were taken."""
    parts = [line]
    length = len(line)
    inside = line.count('"') % 2
    while inside and length < _LONGEST_LINE:
        more = stream.readline(_LONGEST_LINE)
        if not more:
            raise EmbeddingError(path, f"line {number}: a quote is never closed")
        parts.append(more)
        length += len(more)
        inside ^= more.count('"') % 2
    return "".join(parts), len(parts) - 1


def split(line: str, delimiter: str | None) -> list[str]:
    """The fields of a line, quotes removed."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(
            csv.reader([line], delimiter=delimiter or " ", skipinitialspace=delimiter is None)
        )
    except csv.Error:  # a field above the module's limit: no number and no label
        return line.split(delimiter)


def check_width(path: Place, number: int, line: str, layout: Layout) -> None:
    """Refuse a line with more or fewer fields than the table has columns."""
    if layout.delimiter is not None and '"' not in line:
        found = line.count(layout.delimiter) + 1
    else:
        found = len(split(line, layout.delimiter))
    if found != len(layout.names):
        raise EmbeddingError(
            path,
            f"line {number} has {found} fields where {len(layout.names)} are expected; every row"
            " needs the same number of columns",
        )


def to_number(field: str) -> float | None:
    """The field as a number, NaN for a missing value, None for text."""
    stripped = field.strip()
    if stripped.lower() in _MISSING:
        return float("nan")
    if "_" in stripped:  # float() takes 1_000
        return None
    try:
        return float(stripped)
    except ValueError:
        return None


def _find_delimiter(lines: Sequence[str]) -> str | None:
    widths = {d: [len(split(line, d)) for line in lines] for d in ("\t", ";", ",", None)}
    for delimiter, found in widths.items():
        if found[0] > 1 and len(set(found)) == 1:
            return delimiter
    return max(widths, key=lambda d: sum(widths[d]))


def _is_header(sample: Sequence[Sequence[str]]) -> bool:
    """Whether the first of the ``sample`` lines names the columns.

    It does when none of its fields is a number, or when its numbers merely count the columns (0, 1,
    2, ...) above numbers that are no integers: so pandas names columns that have no name.
    """
    first = [field.strip() for field in sample[0]]
    numeric = [i for i, field in enumerate(first) if field and to_number(field) is not None]
    if not numeric:
        return True
    if [first[i] for i in numeric] != [str(n) for n in range(len(numeric))]:
        return False
    below = [row[i].strip() for row in sample[1:] for i in numeric if i < len(row)]
    return any(to_number(field) is not None and not field.lstrip("+-").isdigit() for field in below)
