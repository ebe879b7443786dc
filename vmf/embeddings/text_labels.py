"""Labels and identifiers in text: one a line, or a column of a table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from vmf.embeddings.columns import find_column
from vmf.embeddings.delimited import Layout, check_width, data_lines, read_layout, split
from vmf.embeddings.places import Place
from vmf.errors import EmbeddingError, listed

_AT_ONCE = 1 << 16
_HEADERS = {"label", "labels", "class", "classes", "target", "category", "cluster", "y", "id"}


def read_label_column(path: Place, column: str | None) -> Iterator[list[str]]:
    """The values of one column; see :mod:`vmf.embeddings.labels`."""
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    return _from_lines(path, column) if name.endswith(".txt") else _from_table(path, column)


def _from_lines(path: Place, column: str | None) -> Iterator[list[str]]:
    if column is not None:
        raise EmbeddingError(path, f"holds one value a row; leave out :{column}")
    yield from _batches(line.strip() for _, line in data_lines(path))


def _from_table(path: Place, column: str | None) -> Iterator[list[str]]:
    layout = read_layout(path)
    if layout.delimiter is None or len(layout.names) == 1:
        lines = (line.strip().strip('"') for _, line in data_lines(path))
        if column is not None or _is_label_header(layout):
            name = next(lines)
            if column not in (None, name, "0"):
                raise EmbeddingError(path, f"has no column {column!r}; its only one is {name!r}")
        yield from _batches(lines)
        return
    if column is None:
        raise EmbeddingError(
            path,
            f"has {len(layout.names)} columns ({listed(layout.names)}); say which one is"
            f" meant: {path.name}:NAME",
        )
    position = find_column(path, layout.names, column)

    def fields() -> Iterator[str]:
        for number, line in data_lines(path, layout.first_line):
            check_width(path, number, line, layout)
            yield split(line, layout.delimiter)[position]

    yield from _batches(fields())


def _is_label_header(layout: Layout) -> bool:
    """Whether a single column begins with its name: a usual one, or a word above numbers."""
    return layout.has_header and (
        layout.names[0].strip('"').lower() in _HEADERS or not layout.text_columns()
    )


def _batches(labels: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(labels, _AT_ONCE)):
        yield batch
