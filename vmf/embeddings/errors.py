"""The one exception that bad embedding, label and output files raise."""

from __future__ import annotations

import os


class EmbeddingError(ValueError):
    """A file cannot be used as it is; ``str(error)`` is one line that names the file and the cure.

    Rows and columns in the message are counted from 0, as in ``X[row, column]``; lines of a text
    file are counted from 1, as an editor does.
    """

    def __init__(self, path: str | os.PathLike[str] | None, problem: str) -> None:
        where = "" if path is None else f"{os.fspath(path)}: "
        super().__init__(one_line(where + problem))

    def __reduce__(self) -> tuple[type[EmbeddingError], tuple[None, str]]:
        return type(self), (None, str(self))  # from another process it comes as its line


def one_line(text: str) -> str:
    """Collapse all white space and replace what a terminal would not print."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
