"""What an extraction has done so far, so that it can go on after it was killed.

Next to ``features.npy`` two hidden files appear while it is made: ``.features.npy.part``, the
features, and ``.features.npy.journal``, lines of JSON. The first line of the journal is the plan:
everything that decides about the bytes of the result. Each further line says that one batch is in
the file, with the checksum of its rows; it is appended after they were written. A line cut off by a
kill is dropped, a batch whose rows do not have their checksum (after a power failure) is computed
again. Batches begin at fixed images, and a resumed run computes the remaining ones as the first
would have: in the same batches, of the same size where memory ran out.

A lock on the journal, which ends with the process that holds it, keeps two runs off the same file.
Each further process of torchrun has a journal of its own, ``.features.npy.journal.1``, ...
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from vmf.errors import FeatureError
from vmf.output import part_path, try_lock


@dataclass(frozen=True)
class Done:
    """One batch that is in the file.

    Attributes
    ----------
    batch : int
        Its number.
    piece : int
        How many images went through the network at a time; less than the batch where memory ran
        out.
    crc : int
        CRC-32 of its rows as stored.
    bad : tuple of int
        Images in it that could not be read, whose rows are NaN.
    """

    batch: int
    piece: int
    crc: int
    bad: tuple[int, ...] = ()


class Journal:
    """The journal of one process, open for appending.

    Parameters
    ----------
    path : Path
        The file; created when it is not there.
    lock : bool
        Take the lock.

    Raises
    ------
    FeatureError
        When another run holds the lock.
    """

    def __init__(self, path: Path, *, lock: bool) -> None:
        self.path = path
        while True:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            if not lock:
                break
            self._lock()
            # A run that has just ended may have removed the file between the two calls.
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_ino == os.fstat(self._descriptor).st_ino:
                    break
            self.close()
        self.plan: dict[str, Any] | None
        self.done: dict[int, Done]
        self._read()

    def clear(self) -> None:
        """Forget everything."""
        os.ftruncate(self._descriptor, 0)
        self.plan, self.done = None, {}

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Forget everything and write the plan."""
        self.clear()
        self.plan = dict(plan)
        self._append({"plan": self.plan})
        os.fsync(self._descriptor)

    def add(self, done: Done) -> None:
        """Note that a batch is in the file."""
        entry: dict[str, Any] = {"batch": done.batch, "piece": done.piece, "crc": done.crc}
        if done.bad:
            entry["bad"] = list(done.bad)
        self._append(entry)
        self.done[done.batch] = done

    def drop(self, batch: int) -> None:
        """Note that a batch is not in the file after all."""
        self._append({"dropped": batch})
        del self.done[batch]

    def remove(self) -> None:
        """Remove the file, and with it the lock."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def close(self) -> None:
        """Close the file, and give up the lock."""
        os.close(self._descriptor)

    def _lock(self) -> None:
        if not try_lock(self._descriptor):
            self.close()
            raise FeatureError(
                _output_of(self.path), "is being written by another run; wait for it or end it"
            )

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        view = memoryview(line)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def _read(self) -> None:
        """Take in the complete lines, and cut off what a kill has left behind them."""
        data = b""
        while piece := os.pread(self._descriptor, 1 << 20, len(data)):
            data += piece
        self.plan, self.done, good = _understand(data)
        if good < len(data):
            os.ftruncate(self._descriptor, good)


def journal_path(output: Path, rank: int = 0) -> Path:
    """Where its journal is."""
    return output.with_name(f".{output.name}.journal" + (f".{rank}" if rank else ""))


def further_journals(output: Path) -> Iterator[Path]:
    """The journals of processes other than the first that are there."""
    name = journal_path(output).name + "."
    for path in sorted(output.parent.glob(f"{escape(name)}*")):
        if path.name.removeprefix(name).isdigit():
            yield path


def read_plan(output: Path) -> dict[str, Any] | None:
    """The plan of an unfinished extraction, without its lock."""
    plan, _ = _look_at(journal_path(output))
    return plan


def rows_kept(output: Path) -> int:
    """How many rows an unfinished extraction has; 0 without one."""
    if not part_path(output).exists():
        return 0
    rows = 0
    for path in (journal_path(output), *further_journals(output)):
        plan, done = _look_at(path)
        if plan is not None:
            size = plan["batches"]["size"]
            rows += sum(min(size, plan["rows"] - batch * size) for batch in done)
    return rows


def _look_at(path: Path) -> tuple[dict[str, Any] | None, dict[int, Done]]:
    try:
        return _understand(path.read_bytes())[:2]
    except OSError:
        return None, {}


def _understand(data: bytes) -> tuple[dict[str, Any] | None, dict[int, Done], int]:
    """Plan and batches of the complete lines, and how many bytes they take."""
    plan: dict[str, Any] | None = None
    done: dict[int, Done] = {}
    good = 0
    for line in data.splitlines(keepends=True):
        try:
            entry: Any = json.loads(line) if line.endswith(b"\n") else None
            if "plan" in entry:
                told = entry["plan"]
                if not (told["rows"] >= 0 and told["batches"]["size"] >= 1):
                    raise ValueError("a plan of another kind")
                plan, done = told, {}
            elif "dropped" in entry:
                done.pop(entry["dropped"], None)
            else:
                one = Done(
                    entry["batch"], entry["piece"], entry["crc"], tuple(entry.get("bad", ()))
                )
                done[one.batch] = one
        except (ValueError, TypeError, KeyError):
            break
        good += len(line)
    return plan, done, good


def _output_of(journal: Path) -> Path:
    return journal.with_name(journal.name.removeprefix(".").removesuffix(".journal"))
