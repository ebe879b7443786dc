"""The one place where an error becomes a message and an exit code.

0    done
1    the work failed: the disk is full, a file could not be read or written, an internal error
2    the input or the command line is wrong; the message says what to do
130  interrupted (SIGINT)
143  terminated (SIGTERM)

With every code but 0 no output file has been written; a checkpoint, where one was asked for, keeps
what was done.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from vmf.cli.options import as_option
from vmf.errors import PassStopped, VMFError

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130
TERMINATED = 143


class CommandGroup(TyperGroup):
    """Runs a command; whatever it raises ends in one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        with _terminate_cleanly():
            try:
                done = super().invoke(ctx)
                # Here, where an error ends in a line, and not when Python exits.
                sys.stdout.flush()
                return done
            except VMFError as error:
                if isinstance(error, OSError):
                    _stop(FAILED, f"{error.told(as_option)}; no output was written")
                _stop(BAD_INPUT, error.told(as_option))
            except PassStopped as error:
                interrupted = isinstance(error.__cause__, KeyboardInterrupt)
                _stop(INTERRUPTED if interrupted else TERMINATED, error.told(as_option))
            except KeyboardInterrupt:
                _stop(INTERRUPTED, "interrupted; no output was written")
            except BrokenPipeError:
                _drop_output()  # nobody reads it any more
                raise typer.Exit(FAILED) from None
            except OSError as error:
                try:
                    sys.stdout.flush()
                except OSError:
                    _drop_output()
                place = f"{error.filename}: " if error.filename else ""
                _stop(FAILED, f"{place}{error.strerror or error}; no output was written")
            except MemoryError:
                _stop(FAILED, "out of memory; no output was written")


def _drop_output() -> None:
    """Point stdout, which takes nothing any more, elsewhere, or its flush at exit complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(code: int, message: str) -> None:
    typer.echo(f"vmf: error: {message}", err=True)
    raise typer.Exit(code)


@contextmanager
def _terminate_cleanly() -> Iterator[None]:
    """Make SIGTERM unwind the stack, so that temporary files are removed."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
