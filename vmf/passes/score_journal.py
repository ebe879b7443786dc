"""Scores that are done, in a file that another run can go on from.

After a line of JSON, the plan, come blocks: how many rows, how many of them off unit length, bytes of
a text, a checksum, then the text (why a file was left out from here on, mostly empty) and the scores
of the rows. A block that a killed run or a power failure left incomplete fails its checksum: it and
what follows are dropped and done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vmf.embeddings.atomic_output import PathLike
from vmf.embeddings.errors import EmbeddingError
from vmf.embeddings.left_out import LeftOut
from vmf.embeddings.scoring import Scores
from vmf.model_file import Model
from vmf.passes.checkpoint import differences

_FORMAT = "vmf-scores-journal"
_LONGEST_PLAN = 1 << 26
_HEAD = struct.Struct("<qqqI")
_ROW = np.dtype(
    [("log_density", "<f8"), ("cosine", "<f8"), ("probability", "<f8"), ("likeliest", "<i4")]
)
_MOST_ROWS = 1 << 24


class ScoreJournal:
    """The file, open for appending.

    Parameters
    ----------
    path : path-like
    plan : mapping
        All that decides about the scores, as JSON; a journal with another one is refused.
    resume : bool
        Whether a journal that is there may be gone on with.

    Raises
    ------
    EmbeddingError
        When there is one and it must not or cannot be gone on with.
    """

    def __init__(self, path: PathLike, plan: Mapping[str, Any], *, resume: bool) -> None:
        self.path = Path(path)
        self.rows = 0
        self._end = 0
        self._damaged: dict[int, str] = {}
        going_on = self.path.exists() and self.path.stat().st_size > 0
        if going_on:
            self._check(plan, resume)
            for _ in self._blocks():
                pass
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        os.ftruncate(self._descriptor, self._end)
        os.lseek(self._descriptor, self._end, os.SEEK_SET)
        if not going_on:
            self._write(json.dumps({"format": _FORMAT, "plan": plan}).encode() + b"\n")

    def replay(self) -> Iterator[tuple[Scores, int]]:
        """The scores that are there, a block at a time, and how many rows were off unit length."""
        yield from self._blocks()

    def damaged(self) -> dict[int, str]:
        """Positions of files that were left out, and why."""
        return dict(self._damaged)

    def record(
        self, chunks: Iterator[tuple[Scores, int]], left_out: LeftOut | None
    ) -> Iterator[tuple[Scores, int]]:
        """Pass the scores on, each chunk after it was written."""
        for scores, off_unit in chunks:
            found = {} if left_out is None else left_out.damaged
            news = {p: line for p, line in found.items() if p not in self._damaged}
            self._damaged.update(news)
            self._append(scores, off_unit, news)
            yield scores, off_unit

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

    def _append(self, scores: Scores, off_unit: int, news: Mapping[int, str]) -> None:
        rows = np.empty(len(scores.likeliest), _ROW)
        for name in _ROW.names or ():
            rows[name] = getattr(scores, name)
        text = (
            json.dumps([[position, line] for position, line in news.items()]).encode()
            if news
            else b""
        )
        body = text + rows.tobytes()
        self._write(_HEAD.pack(len(rows), off_unit, len(text), zlib.crc32(body)) + body)
        self.rows += len(rows)

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
            if head["format"] != _FORMAT:
                raise ValueError(head["format"])
            before = dict(head["plan"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise EmbeddingError(
                self.path, "is not a checkpoint of vmf score; name another file"
            ) from error
        self._end = len(line)
        if not resume:
            raise EmbeddingError(
                self.path,
                "holds scores of a run that was not finished; go on with --resume, or remove it",
            )
        changed = differences(before, json.loads(json.dumps(plan)))
        if changed:
            raise EmbeddingError(
                self.path,
                f"belongs to another run ({'; '.join(changed)}); give the same model, files and"
                " options, or remove it",
            )

    def _blocks(self) -> Iterator[tuple[Scores, int]]:
        """Every whole block; afterwards `rows` and the end of the last one are known."""
        self.rows = 0
        with open(self.path, "rb") as stream:
            self._end = len(stream.readline(_LONGEST_PLAN))
            while (block := _read_block(stream)) is not None:
                rows, off_unit, news = block
                self._damaged.update(news)
                self.rows += len(rows)
                self._end = stream.tell()
                columns = {name: np.ascontiguousarray(rows[name]) for name in _ROW.names or ()}
                columns["likeliest"] = columns["likeliest"].astype(np.intp)
                yield Scores(**columns), off_unit


def _read_block(stream: BinaryIO) -> tuple[Any, int, dict[int, str]] | None:
    """The next block; None at the end and for one that is not whole."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    count, off_unit, text_bytes, checksum = _HEAD.unpack(head)
    if not (0 <= count <= _MOST_ROWS and 0 <= off_unit <= count and 0 <= text_bytes <= 1 << 20):
        return None
    body = stream.read(text_bytes + count * _ROW.itemsize)
    if len(body) < text_bytes + count * _ROW.itemsize or zlib.crc32(body) != checksum:
        return None
    news = json.loads(body[:text_bytes]) if text_bytes else []
    return np.frombuffer(body, _ROW, offset=text_bytes), off_unit, {int(p): str(t) for p, t in news}


def model_digest(model: Model) -> str:
    """What tells whether a model is the one that gave the scores."""
    found = hashlib.sha256(json.dumps(model.classes).encode())
    for values in (model.mean_direction, model.concentration, model.proportions):
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()
