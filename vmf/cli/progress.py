"""A progress bar on stderr, for work that takes longer than a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

_DELAY_SECONDS = 0.5


@contextmanager
def progress_bar(
    verb: str, *, wanted: bool, unit: str = "rows", size: int | None = None
) -> Iterator[Callable[[int, int], None] | None]:
    """Give a function of (done, in all), counted in `unit`, or None without a terminal to draw on.

    `size`, the bytes of all units as stored, adds bytes a second to the bar.
    """
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    begin = time.monotonic()
    with ExitStack() as stack:
        draw: Callable[[int, int], None] | None = None

        def report(done: int, total: int) -> None:
            nonlocal draw
            if draw is None and time.monotonic() - begin > _DELAY_SECONDS:
                draw = _open_bar(stack, verb, unit, size)
            if draw is not None:
                draw(done, total)

        yield report


def stored_bytes(paths: Iterable[str]) -> int | None:
    """Bytes of some files, folders, patterns and URLs; None where they would not be shown."""
    if not sys.stderr.isatty():
        return None
    from vmf.embeddings.places import size_of
    from vmf.embeddings.registry import find_all
    from vmf.errors import EmbeddingError

    try:
        return sum(size_of(place) for path in paths for place in find_all(path))
    except (EmbeddingError, OSError):
        return None  # what is wrong is said where the files are opened


def _open_bar(
    stack: ExitStack, verb: str, unit: str, size: int | None
) -> Callable[[int, int], None]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            if not task.speed:
                return Text("")
            text = f"{task.speed:,.0f} {unit}/s"
            if size is not None and task.total:
                text += f" {task.speed * size / task.total / 1e6:,.1f} MB/s"
            return Text(text)

    bar = stack.enter_context(
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            Rate(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
    )
    task = bar.add_task(verb, total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)
