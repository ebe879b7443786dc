"""Output files that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vmf.embeddings.errors import EmbeddingError

PathLike = str | os.PathLike[str]


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


@contextmanager
def atomic_output(path: PathLike) -> Iterator[Path]:
    """Give a temporary name in the same folder and rename it to ``path`` at the end.

    The data are flushed to the disk before the rename. When the block raises (an interrupt too),
    the temporary file is removed and whatever stood at ``path`` stays as it was.

    Raises
    ------
    OSError
        When the disk is full or the folder vanishes.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    try:
        # O_EXCL: never a file, or a link, that somebody else put there.
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
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


def _is_replaceable_folder(target: Path) -> bool:
    """Whether a folder is one Zarr store, which stands for a file."""
    from vmf.embeddings.zarr import is_zarr

    return target.suffix.lower() == ".zarr" and is_zarr(target)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the platform lets a folder be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
