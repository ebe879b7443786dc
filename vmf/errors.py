"""Every exception of the toolkit: one line that says where, what is wrong and what to do.

Messages name the arguments of the calls, as `Argument`; the command line tells the same message with
its options in their place.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Argument:
    """An argument of a call, and the value that it should have, in a message.

    Attributes
    ----------
    name : str
        As in the signature of the call: ``on_bad_rows``.
    value : str, optional
        Such as ``skip``; a name in capitals stands for what the user fills in.
    """

    name: str
    value: str | None = None

    def __str__(self) -> str:
        if self.value is None:
            return self.name
        return f"{self.name}={self.value if self.value.isupper() else repr(self.value)}"


Part = str | Argument


class Told(BaseException):
    """Something to be told in one line.

    Parameters
    ----------
    *parts : str or Argument
        The message, in pieces.
    """

    def __init__(self, *parts: Part) -> None:
        self.parts = parts
        super().__init__(self.told(str))

    def told(self, spell: Callable[[Argument], str]) -> str:
        """Return the message with its arguments spelt by `spell`."""
        return one_line("".join(p if isinstance(p, str) else spell(p) for p in self.parts))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.parts


class VMFError(Told, Exception):
    """What the toolkit cannot do."""


class EmbeddingError(VMFError, ValueError):
    """A file cannot be used as it is; ``str(error)`` is one line that names the file and the cure.

    Rows and columns in the message are counted from 0, as in ``X[row, column]``; lines of a text
    file are counted from 1, as an editor does.

    Parameters
    ----------
    path : path-like or None
        The file; None where none is to blame.
    *problem : str or Argument
    """

    def __init__(self, path: PathLike | None, *problem: Part) -> None:
        self.path = None if path is None else os.fspath(path)
        self.problem = problem
        super().__init__(*(() if path is None else (f"{self.path}: ",)), *problem)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, *self.problem)


class MemoryBudgetError(EmbeddingError):
    """The memory that was allowed is not enough."""


class FeatureError(EmbeddingError):
    """Images, weights or a network cannot be used; ``str(error)`` is one line with the cure."""


class ModelFileError(EmbeddingError):
    """A file is no model, or a damaged one; ``str(error)`` is one line that names it."""


class ExperimentError(VMFError, ValueError):
    """An experiment cannot run as it was asked for; ``str(error)`` is one line with the cure."""


class DegenerateFitError(VMFError, ValueError):
    """The data determine no distribution: all rows equal, or R = 0."""


class BadRowError(VMFError, ValueError):
    """A row that has no direction: it holds NaN or infinity, or is all zeros.

    Attributes
    ----------
    row : int
        Index of the row, counted from 0 over the whole input (not the chunk).
    column : int or None
        Index of the first offending column, None when the whole row is zero.
    reason : str
        What is wrong with it, without the place.
    """

    cure: tuple[Part, ...] = (
        "correct or remove the row, or leave such rows out with ",
        Argument("on_bad_rows", "skip"),
    )
    _what = ""

    def __init__(self, row: int, column: int | None, reason: str) -> None:
        self.row = row
        self.column = column
        self.reason = reason
        place = f"row {row}" if column is None else f"row {row}, column {column}"
        super().__init__(f"{self._what}{place} (counted from 0): {reason}; ", *self.cure)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.row, self.column, self.reason)


class BadDirectionError(BadRowError):
    """A row of X without a direction; models take no option to leave it out."""

    cure = ("correct or remove the row",)
    _what = "X, "


class ClusterError(VMFError, ConnectionError):
    """The scheduler or its workers cannot be used, or are lost; ``str(error)`` is one line."""

    filename = ""  # No file is to blame.


class GPUUnavailableError(VMFError, RuntimeError):
    """What was asked for needs an NVIDIA GPU, or the CuPy that drives it, and it is not there."""


class PassStopped(Told):
    """A pass was ended by a signal after its checkpoint was written; ``str()`` says how to go on.

    Its ``__cause__`` is the KeyboardInterrupt or SystemExit that ended it. Not an Exception, as
    these are not, so that no handler of errors goes on as if nothing had happened.
    """


def one_line(text: str) -> str:
    """Collapse all white space and replace what a terminal would not print."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
