"""Where files are: on this machine, or behind an fsspec URL.

A reader asks for a binary stream, a size and an identity; it need not know which of the two a
place is. A URL names the protocol (``s3://``, ``gs://``, ``https://``, ``memory://``, ``zip://``)
and may be chained as fsspec does it: ``zip://part.npy::s3://bucket/all.zip``. Nothing is unpacked
to the disk, so no name in an archive can lead out of it; one that tries is refused all the same.
"""

from __future__ import annotations

import glob
import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, cast

from vmf.errors import EmbeddingError

Found = TypeVar("Found")

_QUESTIONS_AT_ONCE = 16

Identity = tuple[str, int, str]
"""What tells whether a file is still the same one: which, how many bytes, when changed."""


@dataclass(frozen=True)
class RemoteFile(os.PathLike[str]):
    """A file, or a folder, of an fsspec file system."""

    url: str
    path: str
    filesystem: Any = field(repr=False, compare=False)

    def __fspath__(self) -> str:
        return self.url

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return PurePosixPath(self.path).suffix

    @property
    def is_networked(self) -> bool:
        """Whether it is one of the file systems that wait for a network and take many calls at once."""
        return bool(getattr(self.filesystem, "async_impl", False))

    def beside(self, path: str) -> RemoteFile:
        """Another file of the same file system, named after this one's URL."""
        first, chain, rest = self.url.partition("::")
        protocol, _, _ = first.partition("://")
        return RemoteFile(f"{protocol}://{path.lstrip('/')}{chain}{rest}", path, self.filesystem)


Place = Path | RemoteFile

_WILD = re.compile(r"[*?\[]")


def is_url(source: str | os.PathLike[str]) -> bool:
    """Whether a source is an fsspec URL, not a path."""
    return isinstance(source, RemoteFile) or bool(
        re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", str(source))
    )


def find_place(source: str | os.PathLike[str]) -> Place:
    """The place that a path or URL names; it need not exist.

    Raises
    ------
    EmbeddingError
        When a URL cannot be understood, fsspec or what it needs is not installed, or a name in an
        archive leads out of it.
    """
    if isinstance(source, RemoteFile):
        return source
    text = os.fspath(source)
    if not is_url(text):
        return Path(text)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    try:
        import fsspec
    except ImportError as error:
        raise EmbeddingError(
            text, "reading a URL needs fsspec: pip install 'vmf-toolkit[io]'"
        ) from error
    for link in text.split("::"):
        if ".." in re.split(r"[/\\]", link):
            raise EmbeddingError(text, "has '..' in its path; name the file itself")
    with remote_errors(text):
        filesystem, path = fsspec.core.url_to_fs(text)
        return RemoteFile(text, path, filesystem)


def open_binary(place: Place) -> FileIO:
    """Open for reading; the stream can seek."""
    if isinstance(place, RemoteFile):
        return cast(FileIO, _RemoteStream(place))
    return open(place, "rb", buffering=0)


class _RemoteStream(io.RawIOBase):
    """A file behind a URL, whose errors name it."""

    def __init__(self, place: RemoteFile) -> None:
        self._url = place.url
        with remote_errors(place.url):
            self._stream = _open_remote(place)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        with remote_errors(self._url):
            return cast(bytes, self._stream.read(size))

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        with remote_errors(self._url):
            return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())

    def close(self) -> None:
        if not self.closed and hasattr(self, "_stream"):
            self._stream.close()
        super().close()


def _open_remote(place: RemoteFile) -> Any:
    protocol = place.url.partition("://")[0]
    if protocol in ("http", "https") and not place.filesystem.info(place.path).get("partial"):
        # A server that only sends whole files: a copy, for readers jump about.
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - the stream that is given back
        with place.filesystem.open(place.path, "rb", block_size=0) as whole:
            shutil.copyfileobj(whole, copy, 1 << 20)
        copy.seek(0)
        return copy
    return place.filesystem.open(place.path, "rb")


def identify(place: Place) -> Identity:
    """Identity of a file, or of a folder that is one array store: of the newest file in it.

    Raises
    ------
    EmbeddingError
        When it is not there any more.
    """
    if isinstance(place, RemoteFile):
        with remote_errors(place.url):
            place.filesystem.invalidate_cache()
            found = place.filesystem.info(place.path)
        changed = next(
            (found[k] for k in ("etag", "ETag", "mtime", "updated", "created") if found.get(k)), ""
        )
        return place.url, int(found.get("size") or 0), str(changed)
    try:
        if place.is_dir():
            total = newest = 0
            for folder, _, names in os.walk(place):
                for name in names:
                    status = os.stat(os.path.join(folder, name))
                    total += status.st_size
                    newest = max(newest, status.st_mtime_ns)
            return str(os.stat(place).st_ino), total, str(newest)
        status = os.stat(place)
    except OSError as error:
        raise EmbeddingError(place, f"cannot be read ({error.strerror})") from error
    return f"{status.st_dev}:{status.st_ino}", status.st_size, str(status.st_mtime_ns)


def size_of(place: Place) -> int:
    """Bytes of a file."""
    return identify(place)[1]


def is_folder(place: Place) -> bool:
    """Whether a place is a folder."""
    if isinstance(place, RemoteFile):
        with remote_errors(place.url):
            return bool(place.filesystem.isdir(place.path))
    return place.is_dir()


def exists(place: Place) -> bool:
    """Whether there is a file or folder."""
    if isinstance(place, RemoteFile):
        with remote_errors(place.url):
            return bool(place.filesystem.exists(place.path))
    return place.exists()


def is_pattern(place: Place) -> bool:
    """Whether a place is a glob pattern, and not the name of something that is there."""
    text = place.path if isinstance(place, RemoteFile) else str(place)
    return bool(_WILD.search(text)) and not exists(place)


def matching(pattern: Place) -> list[Place]:
    """What a glob pattern (``**`` for any depth) matches, sorted by path."""
    if isinstance(pattern, RemoteFile):
        with remote_errors(pattern.url):
            found = pattern.filesystem.glob(pattern.path)
        return [pattern.beside(path) for path in sorted(found)]
    return [Path(path) for path in sorted(glob.glob(str(pattern), recursive=True))]


def entries(folder: Place) -> list[tuple[Place, bool]]:
    """What is in a folder, sorted by name, and whether it is a folder; hidden ones left out."""
    found: list[tuple[Place, bool]]
    if isinstance(folder, RemoteFile):
        with remote_errors(folder.url):
            listed = folder.filesystem.ls(folder.path, detail=True)
        own = folder.path.rstrip("/")
        found = [
            (folder.beside(one["name"]), one["type"] == "directory")
            for one in listed
            if one["name"].rstrip("/") != own
        ]
    else:
        found = [(path, path.is_dir()) for path in folder.iterdir()]
    # A leading point hides; a leading underscore is how Spark and Hadoop mark what is no data.
    shown = [one for one in found if not one[0].name.startswith((".", "_"))]
    return sorted(shown, key=lambda one: one[0].name)


def in_turn(places: Sequence[Place], look: Callable[[Place], Found]) -> list[Found]:
    """What ``look`` gives for each place; the error is that of the first one in order.

    Over a network several are asked for at a time: opening a file takes some questions, each as long
    as the way there and back, and a bucket may have thousands.
    """
    if not all(isinstance(one, RemoteFile) and one.is_networked for one in places):
        return [look(one) for one in places]
    pool = ThreadPoolExecutor(_QUESTIONS_AT_ONCE, "vmf-open")
    try:
        return list(pool.map(look, places))
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def remote_errors(url: str) -> Iterator[None]:
    """Turn what the many backends of fsspec raise into one line that names the URL."""
    try:
        yield
    except EmbeddingError:
        raise
    except ImportError as error:
        raise EmbeddingError(url, f"needs a library that is not installed ({error})") from error
    except FileNotFoundError as error:
        raise EmbeddingError(url, "does not exist") from error
    except Exception as error:  # each backend has exceptions of its own, without a common base
        reason = str(error) or type(error).__name__
        raise EmbeddingError(url, f"cannot be read ({reason})") from error
