"""The checkpoint of a pass: written from time to time and when the pass ends early, gone on from."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from vmf.errors import Argument, ClusterError, EmbeddingError, Part, PassStopped, PathLike
from vmf.output import check_output
from vmf.passes.checkpoint import differences

SECONDS_BETWEEN_CHECKPOINTS = 30.0


class Resumable(Protocol):
    """What a checkpoint holds: all that decides about the result, and how far the pass is."""

    @property
    def plan(self) -> Mapping[str, Any]: ...

    @property
    def progress(self) -> str:
        """Such as "1600 rows"."""
        ...


State = TypeVar("State", bound=Resumable)


class Keeper(Generic[State]):
    """Keeps the state of one pass in a file.

    Parameters
    ----------
    path : path-like
    resume : bool
        Whether a checkpoint that is there may be gone on from.
    load, save : callable
        Read a state from a path, and write one.
    seconds : float
        Between two writes.

    Raises
    ------
    EmbeddingError
        When there is a checkpoint and it must not or cannot be gone on from.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        resume: bool,
        load: Callable[[PathLike], State],
        save: Callable[[State, PathLike], None],
        seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
    ) -> None:
        self.path = Path(path)
        self._save = save
        self._seconds = seconds
        self._written = time.monotonic()
        self._before = load(self.path) if self.path.exists() else None
        if self._before is not None and not resume:
            raise EmbeddingError(
                path,
                f"holds {self._before.progress} of a run that was not finished; go on with ",
                Argument("resume", True),
                ", or remove it",
            )

    def begin(self, plan: Mapping[str, Any]) -> State | None:
        """The state to go on from; EmbeddingError when it belongs to another run."""
        if self._before is None:
            return None
        changed = differences(self._before.plan, plan)
        if changed:
            raise EmbeddingError(
                self.path,
                f"belongs to another run ({'; '.join(changed)}); give the same files and options,"
                " or remove it",
            )
        return self._before

    def offer(self, state: Callable[[], State]) -> None:
        """Write the state, which is then asked for, if it is time."""
        if time.monotonic() - self._written >= self._seconds:
            self.write(state())

    def write(self, state: State) -> None:
        """Write the state; OSError with the name of the checkpoint."""
        try:
            self._save(state, self.path)
        except OSError as error:
            error.filename = str(self.path)
            raise
        self._written = time.monotonic()

    def keep(self, state: State, error: BaseException) -> None:
        """Write the state because of `error`; raise one that says how to go on, where that helps."""
        self.write(state)
        say_how_to_go_on(state.progress, self.path, error)


def say_how_to_go_on(progress: str, path: Path, error: BaseException) -> None:
    """Raise an error that says that `progress` is kept and how to go on, where that helps."""
    how: tuple[Part, ...] = (Argument("resume", True), " goes on from there")
    if isinstance(error, ClusterError):
        raise ClusterError(
            *error.parts, f"; {progress} are kept in {path}, and the same command with ", *how
        ) from error
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        raise PassStopped(
            f"stopped after {progress}, which are kept in {path}; the same command with ", *how
        ) from error


def check_checkpoint(checkpoint: PathLike | None, resume: bool, others: Iterable[PathLike]) -> None:
    """Refuse a checkpoint that cannot be written, is one of the other files, or is missing."""
    if checkpoint is not None:
        others = list(others)
        check_output(checkpoint, others)
        if any(os.path.realpath(checkpoint) == os.path.realpath(other) for other in others):
            raise EmbeddingError(
                checkpoint, "is the checkpoint and something else too; give it a name of its own"
            )
    elif resume:
        raise EmbeddingError(
            None,
            Argument("resume", True),
            " needs the file to go on from: ",
            Argument("checkpoint", "FILE"),
        )
