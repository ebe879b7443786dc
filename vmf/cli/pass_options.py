"""The options of every pass over files: a command takes them all at once, as one argument.

A new one is added here, to `vmf.passes.engine.Reading`, and where the engine does what it says.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from vmf.cli.options import (
    BadFiles,
    BadFilesPolicy,
    BadRows,
    Cluster,
    Column,
    Json,
    Memory,
    Quiet,
    Resume,
    Scale,
    Workers,
    bytes_of,
)


@dataclass(frozen=True)
class PassOptions:
    """What the user gave."""

    column: Column = None
    scale: Scale = None
    on_bad_rows: Enum = BadRows.error
    on_bad_files: BadFiles = BadFilesPolicy.error
    checkpoint: Path | None = None
    resume: Resume = False
    memory: Memory = None
    cluster: Cluster = None
    workers: Workers = None
    json: Json = False
    quiet: Quiet = False

    @contextmanager
    def running(
        self, verb: str, files: Sequence[str], unit: str = "rows"
    ) -> Iterator[dict[str, Any]]:
        """Give what a job takes: `reading`, `runner`, `checkpoint`, `resume` and `progress`.

        Parameters
        ----------
        verb : str
            What is being done, for the progress bar: "fitting".
        files : sequence of str
            That are read, whose bytes a second are told; none to leave these out.
        unit : str
            What is counted.
        """
        from vmf.cli.progress import progress_bar, stored_bytes
        from vmf.cluster import open_runner
        from vmf.embeddings.scale import read_scale
        from vmf.passes.engine import Reading

        reading = Reading(
            column=self.column,
            scale=None if self.scale is None else read_scale(self.scale),
            on_bad_rows=self.on_bad_rows.value,
            on_bad_files=self.on_bad_files.value,
            memory=bytes_of(self.memory),
        )
        with (
            open_runner(self.cluster, self.workers) as runner,
            progress_bar(
                verb, wanted=not self.quiet, unit=unit, size=stored_bytes(files) if files else None
            ) as progress,
        ):
            yield {
                "reading": reading,
                "runner": runner,
                "checkpoint": self.checkpoint,
                "resume": self.resume,
                "progress": progress,
            }


def with_pass_options(
    *, bad_rows: str, checkpoint: str, policies: type[Enum] = BadRows
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these options, in place of its last argument, `given: PassOptions`.

    Parameters
    ----------
    bad_rows, checkpoint : str
        What --on-bad-rows and --checkpoint do here, for --help.
    policies : Enum
        What --on-bad-rows may be; the first is the default.
    """
    default = next(iter(policies))
    special: dict[str, tuple[Any, Any]] = {
        "on_bad_rows": (Annotated[policies, typer.Option(help=bad_rows)], default),
        "checkpoint": (
            Annotated[Path | None, typer.Option(metavar="FILE", help=checkpoint)],
            None,
        ),
    }
    hints = inspect.get_annotations(PassOptions, eval_str=True)
    of_passes = {
        f.name: special.get(f.name, (hints[f.name], f.default)) for f in fields(PassOptions)
    }

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [one for one in signature.parameters.values() if one.name != "given"]

        @wraps(command)
        def taken(**arguments: Any) -> None:
            given = PassOptions(**{name: arguments.pop(name) for name in of_passes})
            command(**arguments, given=given)

        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=hint)
            for name, (hint, value) in of_passes.items()
        ]
        keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
        taken.__signature__ = signature.replace(parameters=[*keyword, *shared])  # type: ignore[attr-defined]
        taken.__annotations__ = {
            **{one.name: one.annotation for one in own},
            **{name: hint for name, (hint, _) in of_passes.items()},
            "return": None,
        }
        return taken

    return decorate
