"""A progress bar on stderr, for work that takes longer than a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

_DELAY_SECONDS = 0.5


@contextmanager
def progress_bar(
    verb: str, *, wanted: bool, unit: str = "rows"
) -> Iterator[Callable[[int, int], None] | None]:
    """Give a function of (done, in all), counted in `unit`, or None without a terminal to draw on."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    begin = time.monotonic()
    with ExitStack() as stack:
        draw: Callable[[int, int], None] | None = None

        def report(done: int, total: int) -> None:
            nonlocal draw
            if draw is None and time.monotonic() - begin > _DELAY_SECONDS:
                draw = _open_bar(stack, verb, unit)
            if draw is not None:
                draw(done, total)

        yield report


def _open_bar(stack: ExitStack, verb: str, unit: str) -> Callable[[int, int], None]:
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
            return Text(f"{task.speed:,.0f} {unit}/s" if task.speed else "")

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
