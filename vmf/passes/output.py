"""An output that one process at a time writes, and whose name stands in every error.

Beside ``scores.csv`` a hidden ``.scores.csv.lock`` says who writes it. The lock itself belongs to the
process (flock) and ends with it, however it ends; a file that a killed process has left behind locks
nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from vmf.embeddings.atomic_output import PathLike
from vmf.embeddings.errors import EmbeddingError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no flock; outputs are still atomic there
    fcntl = None  # type: ignore[assignment]


@contextmanager
def claimed_outputs(*paths: PathLike | None) -> Iterator[None]:
    """:func:`claimed_output` of each of ``paths`` that is one, the last of them innermost."""
    with ExitStack() as claimed:
        for path in paths:
            if path is not None:
                claimed.enter_context(claimed_output(path))
        yield


@contextmanager
def claimed_output(path: PathLike) -> Iterator[None]:
    """Keep other processes off ``path`` while the block writes it.

    Half-written temporary files that a killed process left beside it are removed first.

    Raises
    ------
    EmbeddingError
        When another process writes it; the line names that process.
    OSError
        A write error; its ``filename`` is ``path`` where the system named no file.
    """
    target = Path(os.path.realpath(path))
    lock = target.with_name(f".{target.name}.lock")
    descriptor = _acquire(lock, path)
    try:
        _remove_leftovers(target)
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise
    finally:
        with suppress(OSError):
            lock.unlink()
        os.close(descriptor)


def _acquire(lock: Path, path: PathLike) -> int:
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A process that has just ended may have removed the file between the two calls.
            if os.fstat(descriptor).st_ino == os.stat(lock).st_ino:
                break
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise EmbeddingError(
                path, f"is being written by {holder}; wait until it has ended, or end it"
            ) from None
        except FileNotFoundError:
            pass
        os.close(descriptor)
    entry = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().isoformat(" ", "seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(entry).encode(), 0)
    return descriptor


def _holder(descriptor: int) -> str:
    try:
        entry = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {entry['process']} on {entry['host']} since {entry['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _remove_leftovers(target: Path) -> None:
    """The temporary files of `atomic_output`; nobody else writes them while we have the lock."""
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.part")
    for entry in target.parent.iterdir():
        if name.fullmatch(entry.name):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
                continue
            with suppress(OSError):
                entry.unlink()
