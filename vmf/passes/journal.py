"""What was found for each row so far, in a file that another run can go on from.

After a line of JSON, the plan, come blocks: how many rows, a number that goes with them, bytes of a
text, a checksum, then the text (why a file was left out from here on, mostly empty) and a record a row.
A block that a killed run or a power failure left incomplete fails its checksum: it and what follows
are dropped and done again.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from vmf.errors import Argument, EmbeddingError, Note, PathLike
from vmf.passes.checkpoint import differences

_LONGEST_PLAN = 1 << 26
_HEAD = struct.Struct("<qqqI")
_MOST_ROWS = 1 << 24


class Entry(NamedTuple):
    """Records of some rows, and a number that goes with them, such as how many were off unit length."""

    records: npt.NDArray[Any]
    number: int


class RowJournal:
    """The file, open for appending.

    Parameters
    ----------
    path : path-like
    kind : str
        What is kept, as the first line of the file says it: "vmf-scores-journal".
    command : str
        Of which it is the checkpoint, for messages.
    record : numpy.dtype
        Of a row.
    plan : mapping
        All that decides about the records, as JSON; a journal with another one is refused.
    resume : bool
        Whether a journal that is there may be gone on with.

    Attributes
    ----------
    rows : int
        How many it holds.
    damaged : dict of int to Note
        Positions of files that were left out, and why.
    record : numpy.dtype

    Raises
    ------
    EmbeddingError
        When there is one and it must not or cannot be gone on with.
    """

    def __init__(
        self,
        path: PathLike,
        kind: str,
        command: str,
        record: np.dtype[Any],
        plan: Mapping[str, Any],
        *,
        resume: bool,
    ) -> None:
        self.path = Path(path)
        self.rows = 0
        self.damaged: dict[int, Note] = {}
        self._kind = kind
        self._command = command
        self.record = record
        self._end = 0
        going_on = self.path.exists() and self.path.stat().st_size > 0
        if going_on:
            self._check(plan, resume)
            for entry, news, end in self._blocks():
                self.rows += len(entry.records)
                self.damaged.update(news)
                self._end = end
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        os.ftruncate(self._descriptor, self._end)
        os.lseek(self._descriptor, self._end, os.SEEK_SET)
        if not going_on:
            self._write(json.dumps({"format": kind, "plan": plan}).encode() + b"\n")

    def replay(self) -> Iterator[Entry]:
        """Yield every whole block that was there."""
        for entry, _, _ in self._blocks():
            yield entry

    def _blocks(self) -> Iterator[tuple[Entry, dict[int, Note], int]]:
        """Yield each whole block, the files found damaged in it, and the byte after it."""
        with open(self.path, "rb") as stream:
            stream.readline(_LONGEST_PLAN)
            while (block := _read_block(stream, self.record)) is not None:
                yield *block, stream.tell()

    def append(self, entry: Entry, damaged: Mapping[int, Note]) -> None:
        """Write the records of the next rows; files that are newly `damaged` are noted with them."""
        news = {p: line for p, line in damaged.items() if p not in self.damaged}
        self.damaged.update(news)
        text = (
            json.dumps([[p, line.as_json()] for p, line in news.items()]).encode() if news else b""
        )
        body = text + np.ascontiguousarray(entry.records, self.record).tobytes()
        head = _HEAD.pack(len(entry.records), entry.number, len(text), zlib.crc32(body))
        self._write(head + body)
        self.rows += len(entry.records)

    def close(self) -> None:
        """Close the file and leave it there if it holds any scores."""
        with suppress(OSError):
            os.fsync(self._descriptor)
        os.close(self._descriptor)
        if not self.rows:
            self.remove()

    def remove(self) -> None:
        """Remove the file: the table is written."""
        self.path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        try:
            unwritten = memoryview(data)
            while unwritten:
                unwritten = unwritten[os.write(self._descriptor, unwritten) :]
        except OSError as error:
            error.filename = str(self.path)
            raise

    def _check(self, plan: Mapping[str, Any], resume: bool) -> None:
        with open(self.path, "rb") as stream:
            line = stream.readline(_LONGEST_PLAN)
        try:
            head = json.loads(line)
            if head["format"] != self._kind:
                raise ValueError(head["format"])
            before = dict(head["plan"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise EmbeddingError(
                self.path, f"is not a checkpoint of {self._command}; name another file"
            ) from error
        self._end = len(line)
        if not resume:
            raise EmbeddingError(
                self.path,
                "holds what a run that was not finished has done; go on with ",
                Argument("resume", True),
                ", or remove it",
            )
        changed = differences(before, json.loads(json.dumps(plan)))
        if changed:
            raise EmbeddingError(
                self.path,
                f"belongs to another run ({'; '.join(changed)}); give the same files and options,"
                " or remove it",
            )


def _read_block(stream: BinaryIO, record: np.dtype[Any]) -> tuple[Entry, dict[int, Note]] | None:
    """The next block; None at the end and for one that is not whole."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    count, number, text_bytes, checksum = _HEAD.unpack(head)
    if not (0 <= count <= _MOST_ROWS and 0 <= number <= count and 0 <= text_bytes <= 1 << 20):
        return None
    size = text_bytes + count * record.itemsize
    body = stream.read(size)
    if len(body) < size or zlib.crc32(body) != checksum:
        return None
    news = json.loads(body[:text_bytes]) if text_bytes else []
    records = np.frombuffer(body, record, offset=text_bytes)
    return Entry(records, number), {int(p): Note.from_json(line) for p, line in news}
