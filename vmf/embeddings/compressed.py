"""Text behind gzip or zstd, unpacked piece by piece and never without bounds."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO

from vmf.embeddings.places import Place, open_binary
from vmf.errors import EmbeddingError

SIGNATURES = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}

LARGEST_EXPANSION = 200
"""Tables of numbers shrink two- to tenfold. Beyond this a file is taken for a decompression bomb."""

_UNCHECKED = 64 << 20
"""Bytes that may come out before the expansion is judged: little files of equal rows are harmless."""

_GZIP_PIECE = 1 << 16
_ZSTD_PIECE = 1 << 12  # of input: at most 1024 blocks of 128 KB come out at once
_ZSTD_WINDOW = 1 << 27


def compression_of(head: bytes) -> str | None:
    """The compression that a file with these first bytes is in."""
    return next((name for magic, name in SIGNATURES.items() if head.startswith(magic)), None)


@contextmanager
def open_text(path: Place) -> Iterator[TextIO]:
    """Open UTF-8 text, compressed or not; whatever is wrong with the compression is one line.

    Raises
    ------
    EmbeddingError
        When the file is damaged, expands more than :data:`LARGEST_EXPANSION`-fold, or needs a
        library that is not installed.
    """
    with open_binary(path) as raw:
        kind = compression_of(raw.read(4))
        raw.seek(0)
        with _damage(path, kind):
            binary: Any = raw if kind is None else _Unpacked(raw, kind, path)
            with io.TextIOWrapper(io.BufferedReader(binary, 1 << 16), encoding="utf-8-sig") as text:
                yield text


def unpacked_head(path: Place, size: int) -> bytes:
    """The first ``size`` bytes of what is in a compressed file."""
    with open_binary(path) as raw:
        kind = compression_of(raw.read(4))
        raw.seek(0)
        if kind is None:
            return raw.read(size)
        with _damage(path, kind):
            return io.BufferedReader(_Unpacked(raw, kind, path)).read(size)


class _Unpacked(io.RawIOBase):
    """The unpacked bytes, with an eye on how many come out for how many that went in."""

    def __init__(self, raw: BinaryIO, kind: str, path: Place) -> None:
        self._raw = raw
        self._path = path
        self._pieces = _gzip(raw) if kind == "gzip" else _zstd(raw, path)
        self._piece = memoryview(b"")
        self._out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = memoryview(piece)
            self._out += len(piece)
            read = max(self._raw.tell(), 1)
            if self._out > _UNCHECKED and self._out > LARGEST_EXPANSION * read:
                raise EmbeddingError(
                    self._path,
                    f"expands more than {LARGEST_EXPANSION}-fold ({self._out} bytes from {read}),"
                    " a decompression bomb; if the rows are wanted, unpack the file first",
                )
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count


def _gzip(raw: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=raw, mode="rb") as stream:
        while piece := stream.read1(_GZIP_PIECE):
            yield piece


def _zstd(raw: BinaryIO, path: Place) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError as error:
        raise EmbeddingError(
            path, "reading zstd needs zstandard: pip install 'vmf-toolkit[io]'"
        ) from error
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    frame = None
    packed = b""
    try:
        while packed or (packed := raw.read(_ZSTD_PIECE)):
            frame = frame or unpacker.decompressobj()
            piece = frame.decompress(packed)
            packed = b""
            if frame.eof:  # another frame may follow
                packed, frame = frame.unused_data, None
            if piece:
                yield piece
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from error
    if frame is not None:
        raise EOFError("it ends in the middle")


@contextmanager
def _damage(path: Place, kind: str | None) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise EmbeddingError(
            path, f"is a damaged or truncated {kind}-compressed file ({error})"
        ) from error
