"""Output files that appear complete or not at all, and that one process at a time writes.

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
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from vmf.errors import EmbeddingError, PathLike

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no flock; outputs are still atomic there
    fcntl = None  # type: ignore[assignment]

ZARR_MARKS = ("zarr.json", ".zarray", ".zgroup")
"""Files by which a folder is known as a Zarr store."""


def check_output(
    path: PathLike, inputs: Iterable[PathLike] = (), extensions: Iterable[str] = ()
) -> None:
    """Refuse an output that cannot work, before hours are spent on it.

    Parameters
    ----------
    path : path-like
        Where the result is to go. An existing file is replaced when the new one is complete.
    inputs : iterable of path-like
        Files that must not be overwritten.
    extensions : iterable of str
        Allowed endings, in lower case; empty for any.

    Raises
    ------
    EmbeddingError
        When the folder is missing or not writable, when the path is a folder, a device or one of
        the inputs, or when its ending is not known.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir() and not _is_replaceable_folder(target):
        raise EmbeddingError(path, "is a folder; give the name of a file in it")
    if target.exists() and not target.is_file() and not target.is_dir():
        raise EmbeddingError(path, "is not a regular file, so it cannot be replaced by one")
    if not target.parent.is_dir():
        raise EmbeddingError(path, f"the folder {target.parent} does not exist; create it first")
    if not os.access(target.parent, os.W_OK):
        raise EmbeddingError(path, f"the folder {target.parent} is not writable")
    for source in inputs:
        if target.exists() and os.path.exists(source) and os.path.samefile(target, source):
            raise EmbeddingError(path, "is also an input; write to another file")
    allowed = tuple(extensions)
    if allowed and not target.name.lower().endswith(allowed):
        ending = repr(target.suffix) if target.suffix else "no ending"
        raise EmbeddingError(path, f"has {ending}; the output is one of {', '.join(allowed)}")


def part_path(path: Path) -> Path:
    """Where an output is, under a hidden name, that is made in several runs."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def atomic_output(path: PathLike, *, temporary: Path | None = None) -> Iterator[Path]:
    """Give a temporary name in the same folder and rename it to ``path`` at the end.

    The data are flushed to the disk before the rename. When the block raises (an interrupt too),
    the temporary file is removed and whatever stood at ``path`` stays as it was.

    Parameters
    ----------
    temporary : Path, optional
        The name, by default one that nothing has. A file that is there is overwritten: what a kill
        left, in a run that keeps others off by a lock of its own.

    Raises
    ------
    OSError
        When the disk is full or the folder vanishes.
    """
    target = Path(os.path.realpath(path))
    own = temporary is None
    if temporary is None:
        temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    try:
        # O_EXCL: never a file, or a link, that somebody else put there.
        exclusive = os.O_EXCL if own else os.O_TRUNC
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | exclusive, 0o666))
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        _keep_mode(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


@contextmanager
def atomic_folder(path: PathLike) -> Iterator[Path]:
    """As :func:`atomic_output`, for an output that is a folder.

    A folder that stood at ``path`` is moved aside, replaced, and then removed: between two renames
    there is none, and a process killed just then leaves both under hidden names.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    aside = temporary.with_suffix(".old")
    try:
        temporary.mkdir()
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                with open(os.path.join(folder, name), "rb+") as stream:
                    os.fsync(stream.fileno())
            _sync_folder(Path(folder))
        _keep_mode(target, temporary)
        if target.exists():
            os.replace(target, aside)
        os.replace(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if aside.exists() and not target.exists():
            os.replace(aside, target)
        raise
    _sync_folder(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _keep_mode(target: Path, temporary: Path) -> None:
    """Give an output the permissions of what it replaces."""
    with suppress(OSError):
        shutil.copymode(target, temporary)


@contextmanager
def atomic_files(folder: PathLike) -> Iterator[Path]:
    """Give a temporary folder, and move the files in it to ``folder`` at the end, all or none.

    ``folder`` is made if it is not there; other files in it stay. When the block raises, nothing in it
    changes. Files of the same names are replaced one after the other.

    Raises
    ------
    OSError
        When the disk is full or the folder vanishes.
    """
    target = Path(os.path.realpath(folder))
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    try:
        temporary.mkdir()
        yield temporary
        files = sorted(temporary.iterdir())
        for file in files:
            with open(file, "rb+") as stream:
                os.fsync(stream.fileno())
        target.mkdir(exist_ok=True)
        for file in files:
            os.replace(file, target / file.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _sync_folder(target)


def check_output_folder(path: PathLike) -> None:
    """Refuse a folder for files that cannot be made or written to; EmbeddingError."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise EmbeddingError(path, "is a file; give a folder")
    if not target.parent.is_dir():
        raise EmbeddingError(path, f"the folder {target.parent} does not exist; create it first")
    for folder in (target, target.parent) if target.exists() else (target.parent,):
        if not os.access(folder, os.W_OK):
            raise EmbeddingError(path, f"the folder {folder} is not writable")


def _is_replaceable_folder(target: Path) -> bool:
    """Whether a folder is one Zarr store, which stands for a file."""
    is_store = any((target / mark).exists() for mark in ZARR_MARKS)
    return target.suffix.lower() == ".zarr" and is_store


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the platform lets a folder be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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


def try_lock(descriptor: int) -> bool:
    """Whether this process has the lock of an open file now; it ends with the descriptor."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _acquire(lock: Path, path: PathLike) -> int:
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if not try_lock(descriptor):
            holder = _holder(descriptor)
            os.close(descriptor)
            raise EmbeddingError(
                path, f"is being written by {holder}; wait until it has ended, or end it"
            )
        with suppress(FileNotFoundError):
            # A process that has just ended may have removed the file between the two calls.
            if os.fstat(descriptor).st_ino == os.stat(lock).st_ino:
                break
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
