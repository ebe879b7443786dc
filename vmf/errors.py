"""Every exception of the toolkit: one line that says where, what is wrong and what to do.

Messages name the arguments of the calls, as `Argument`; the command line tells the same message with
its options in their place. A `Note` does the same for what is no error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Argument:
    """An argument of a call, and the value that it should have, in a message.

    Attributes
    ----------
    name : str
        As in the signature of the call: ``on_bad_rows``.
    value : str or bool, optional
        Such as ``skip``; a name in capitals stands for what the user fills in.
    """

    name: str
    value: str | bool | None = None

    def __str__(self) -> str:
        if self.value is None:
            return self.name
        filled_in = isinstance(self.value, str) and self.value.isupper()
        return f"{self.name}={self.value if filled_in else repr(self.value)}"


Part = str | Argument
Spelling = Callable[[Argument], str]


def told(parts: Iterable[Part], spell: Spelling) -> str:
    """Return a message as one line, its arguments spelt by `spell`."""
    return one_line("".join(part if isinstance(part, str) else spell(part) for part in parts))


def renamed(parts: Iterable[Part], names: Mapping[str, str]) -> tuple[Part, ...]:
    """Return a message for the caller of a function whose arguments have other `names`."""
    return tuple(
        replace(part, name=names.get(part.name, part.name)) if isinstance(part, Argument) else part
        for part in parts
    )


class Note(str):
    """A line to be told that is no error: text for Python, with the pieces for who spells it anew.

    Parameters
    ----------
    *parts : str or Argument
        The line, in pieces.
    """

    parts: tuple[Part, ...]

    def __new__(cls, *parts: Part) -> Note:
        note = super().__new__(cls, told(parts, str))
        note.parts = parts
        return note

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.parts

    def told(self, spell: Spelling) -> str:
        """Return the line with its arguments spelt by `spell`."""
        return told(self.parts, spell)

    @classmethod
    def of(cls, text: str) -> Note:
        """Return `text` itself where it is one, else a note without arguments."""
        return text if isinstance(text, cls) else cls(text)

    def as_json(self) -> str | list[Any]:
        """Return what `from_json` reads, for files: a text, or pieces where there are arguments."""
        if all(isinstance(part, str) for part in self.parts):
            return str(self)
        return [
            str(part) if isinstance(part, str) else {"argument": part.name, "value": part.value}
            for part in self.parts
        ]

    @classmethod
    def from_json(cls, found: Any) -> Note:
        """Return the note that was written; ValueError for what is none."""
        parts = [found] if isinstance(found, str) else found
        if not isinstance(parts, list) or not parts:
            raise ValueError(f"{type(found).__name__} is no note")
        return cls(*map(_part_from_json, parts))


def _part_from_json(found: Any) -> Part:
    if isinstance(found, str):
        return found
    if not (isinstance(found, dict) and found.keys() == {"argument", "value"}):
        raise ValueError("a piece of a note is neither text nor an argument")
    name, value = found["argument"], found["value"]
    if not (isinstance(name, str) and isinstance(value, (str, bool, type(None)))):
        raise ValueError("an argument in a note is none")
    return Argument(name, value)


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

    def told(self, spell: Spelling) -> str:
        """Return the message with its arguments spelt by `spell`."""
        return told(self.parts, spell)

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


class OtherProcessFailed(FeatureError):
    """Another process of an extraction has failed and tells why."""


class ModelFileError(EmbeddingError):
    """A file is no model, or a damaged one; ``str(error)`` is one line that names it."""


class ExperimentError(VMFError, ValueError):
    """An experiment cannot run as it was asked for; ``str(error)`` is one line with the cure."""


class LibraryMissingError(ExperimentError):
    """The library that is compared is not installed here."""


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


class UnstorableError(BadRowError):
    """A row with a value that no integer stands for."""

    cure = (
        "no integer stands for it; correct the row, leave such rows out with ",
        Argument("on_bad_rows", "skip"),
        ", or write a floating-point ",
        Argument("dtype"),
    )


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


def parts_of(error: BaseException) -> tuple[Part, ...]:
    """Return the message of any error for that of another one, with its arguments if it has some."""
    return error.parts if isinstance(error, Told) else (str(error),)


def listed(names: Sequence[Any], most: int = 12) -> str:
    """The first names of a list, which ends in "..." where there are more."""
    return ", ".join(map(str, names[:most])) + (", ..." if len(names) > most else "")


def one_line(text: str) -> str:
    """Collapse all white space and replace what a terminal would not print."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
