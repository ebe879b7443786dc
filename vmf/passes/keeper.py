"""The checkpoint of a pass: written from time to time and when the pass ends early, gone on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from vmf.embeddings.atomic_output import PathLike
from vmf.embeddings.errors import EmbeddingError
from vmf.passes.checkpoint import differences
from vmf.passes.stopped import PassStopped

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
                f"holds {self._before.progress} of a fit that was not finished; go on with"
                " --resume, or remove it",
            )

    def begin(self, plan: Mapping[str, Any]) -> State | None:
        """The state to go on from; EmbeddingError when it belongs to another fit."""
        if self._before is None:
            return None
        changed = differences(self._before.plan, plan)
        if changed:
            raise EmbeddingError(
                self.path,
                f"belongs to another fit ({'; '.join(changed)}); give the same files and options,"
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
        if isinstance(error, ConnectionError):
            raise type(error)(
                f"{error}; {state.progress} are kept in {self.path}, and the same command with"
                " --resume goes on from there"
            ) from error
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise PassStopped(
                f"stopped after {state.progress}, which are kept in {self.path}; the same command"
                " with --resume goes on from there"
            ) from error
