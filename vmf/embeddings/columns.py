"""Which columns of a table are the coordinates of an embedding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from vmf.embeddings.places import Place
from vmf.errors import Argument, EmbeddingError, listed

_NOT_COORDINATES = {
    "", "id", "ids", "idx", "index", "row", "label", "labels", "class", "classes", "target",
    "category", "cluster", "split", "fold", "weight", "weights", "unnamed: 0",
    "__index_level_0__",
}  # fmt: skip


def choose_columns(
    path: Place, names: Sequence[str], selection: str | None, text: dict[int, str]
) -> list[int]:
    """Positions of the coordinate columns.

    Parameters
    ----------
    path : Path or RemoteFile
        For messages.
    names : sequence of str
        The names of all columns; their positions as strings where the file has none.
    selection : str, optional
        What the user asked for: names, patterns (``x*``), positions (``3``) or half-open ranges of
        positions (``1:129``), separated by commas. None means all columns.
    text : dict
        Position to a sample value, for every column that is not numeric.

    Raises
    ------
    EmbeddingError
        When nothing fits, when a chosen column holds text, or when no choice was made and a column
        looks like a label or an identifier: it would be taken for a coordinate.
    """
    if not names:
        raise EmbeddingError(path, "has no columns")
    if selection is None:
        suspects = sorted(
            set(text) | {i for i, name in enumerate(names) if name.lower() in _NOT_COORDINATES}
        )
        if not suspects:
            return list(range(len(names)))
        first = suspects[0]
        if len(text) == len(names):
            raise EmbeddingError(
                path, f"holds no numbers: column {_shown(names, first)} begins with {text[first]!r}"
            )
        reason = f"holds text ({text[first]!r})" if first in text else "looks like a label or id"
        raise EmbeddingError(
            path,
            f"column {_shown(names, first)} {reason}, not a coordinate; name the coordinates, for"
            " example with ",
            Argument("column", _proposal(names, set(suspects))),
        )
    chosen: list[int] = []
    for item in selection.split(","):
        for position in _matching(path, names, item.strip()):
            if position in text:
                raise EmbeddingError(
                    path,
                    f"column {_shown(names, position)} holds text ({text[position]!r});"
                    " choose numeric columns only",
                )
            if position not in chosen:
                chosen.append(position)
    return chosen


def find_column(path: Place, names: Sequence[str], wanted: str) -> int:
    """Position of one column by its name or, failing that, its position."""
    found = _matching(path, names, wanted)
    if len(found) != 1:
        raise EmbeddingError(path, f"column {wanted!r} stands for {len(found)} columns, expected 1")
    return found[0]


def _matching(path: Place, names: Sequence[str], item: str) -> list[int]:
    exact = [i for i, name in enumerate(names) if name == item]
    if len(exact) > 1:
        raise EmbeddingError(path, f"has {len(exact)} columns named {item!r}; choose by position")
    if exact:
        return exact
    if item.isascii() and item.isdigit() and len(item) < 10 and int(item) < len(names):
        return [int(item)]
    span = re.fullmatch(r"(\d{0,9}):(\d{0,9})", item, re.ASCII)
    if span:
        start, stop = span.groups()
        found = list(range(len(names)))[int(start or 0) : int(stop) if stop else None]
    else:
        found = [i for i, name in enumerate(names) if fnmatchcase(name, item)]
    if not found:
        known = listed([repr(name) for name in names], 8)
        raise EmbeddingError(path, f"has no column {item!r}; its {len(names)} columns are {known}")
    return found


def _shown(names: Sequence[str], position: int) -> str:
    name = names[position]
    return name if name == str(position) else f"{position} ({name!r})"


def _proposal(names: Sequence[str], suspects: set[int]) -> str:
    """A selection that leaves the suspects out: the longest run of columns between them."""
    best = start = 0
    stop = 0
    for position in range(len(names) + 1):
        if position == len(names) or position in suspects:
            if position - start > stop - best:
                best, stop = start, position
            start = position + 1
    return f"{best}:{stop}"
