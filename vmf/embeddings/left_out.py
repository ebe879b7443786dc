"""Files that cannot be read, left out and counted where the user asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from vmf.errors import EmbeddingError, Note

OnBadFiles = Literal["error", "skip"]

Source = TypeVar("Source")
Opened = TypeVar("Opened")


@dataclass
class LeftOut:
    """What is wrong with the files that a pass does without.

    Attributes
    ----------
    unopened : list of Note
        One line for each file that could not be opened.
    damaged : dict of int to Note
        The same for files that were opened and then turned out truncated, damaged or changed, by
        their position among those that were opened.
    """

    unopened: list[Note] = field(default_factory=list)
    damaged: dict[int, Note] = field(default_factory=dict)

    @property
    def lines(self) -> tuple[Note, ...]:
        """All of them, each beginning with the name of the file."""
        return (*self.unopened, *self.damaged.values())

    def opened(
        self, sources: Sequence[Source], opener: Callable[[Source], Opened]
    ) -> Iterator[Opened]:
        """What ``opener`` gives for those sources that it can open."""
        for source in sources:
            try:
                yield opener(source)
            except EmbeddingError as error:
                self.unopened.append(Note(*error.parts))

    def check(self, usable: int) -> None:
        """EmbeddingError when nothing usable is left."""
        if self.lines and not usable:
            more = f" and {len(self.lines) - 1} more are damaged too" if len(self.lines) > 1 else ""
            raise EmbeddingError(None, "every file was left out; ", *self.lines[0].parts, more)


@contextmanager
def mentioned(left_out: LeftOut | None) -> Iterator[None]:
    """Add to an EmbeddingError of the block, where something does not fit to the rows, of which file
    none is counted."""
    try:
        yield
    except EmbeddingError as error:
        if left_out is None or not left_out.unopened:
            raise
        first, others = left_out.unopened[0], len(left_out.unopened) - 1
        raise EmbeddingError(
            None,
            *error.parts,
            "; no row is counted of a file that cannot be opened: ",
            *first.parts,
            f"; and of {others} more" if others else "",
        ) from error
