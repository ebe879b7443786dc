"""The files of an extraction from the first batch to the last."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.errors import Argument, FeatureError
from vmf.features.feature_file import FeatureFile
from vmf.features.journal import (
    Done,
    Journal,
    further_journals,
    journal_path,
    read_plan,
    rows_kept,
)
from vmf.output import atomic_output, part_path

Plan = Mapping[str, Any]


def labels_path(output: Path) -> Path:
    """``features.npy`` -> ``features.labels.npy``."""
    return output.with_suffix(".labels.npy")


def names_path(output: Path) -> Path:
    """``features.npy`` -> ``features.names.txt``."""
    return output.with_suffix(".names.txt")


def sidecar_path(output: Path) -> Path:
    """``features.npy`` -> ``features.json``."""
    return output.with_suffix(".json")


def earlier_plan(output: Path) -> dict[str, Any] | None:
    """The plan of an unfinished extraction to this file, or of the one that made it."""
    return read_plan(output) or read_sidecar(output)


def refuse_existing(output: Path) -> None:
    """Raise FeatureError when a result, or a part of one, is in the way.

    The caller wants neither to resume nor to overwrite.
    """
    kept = rows_kept(output)
    if kept:
        raise FeatureError(
            output,
            f"an unfinished extraction to it has {kept} rows; go on with ",
            Argument("resume", True),
            ", or begin anew with ",
            Argument("overwrite", True),
        )
    for path in (output, sidecar_path(output), labels_path(output), names_path(output)):
        if path.exists():
            raise FeatureError(
                path,
                "exists; write to another file or replace it with ",
                Argument("overwrite", True),
            )


class Unfinished:
    """An extraction in progress, seen by the first process or by another one.

    Parameters
    ----------
    output : Path
        The ``.npy`` to make.
    rank : int
        Of the process; 0 is the first.
    """

    def __init__(self, output: Path, rank: int = 0) -> None:
        self.output = output
        self._rank = rank
        self._journal: Journal | None = None
        self._file: FeatureFile | None = None
        self._plan: dict[str, Any] = {}
        self.done: dict[int, Done] = {}

    def claim(self, plan: Plan, *, resume: bool, overwrite: bool) -> bool:
        """Take the files for the first process.

        Returns
        -------
        bool
            False when the result is there already, made with the same plan.

        Raises
        ------
        FeatureError
            When another run has them, or when they belong to another plan.
        """
        self._plan = json.loads(json.dumps(plan))
        self._journal = journal = Journal(journal_path(self.output), lock=True)
        part = part_path(self.output)
        # The part is renamed before the journal is removed: a kill in between leaves a result.
        if journal.plan is not None and not part.exists():
            journal.clear()
        if resume and rows_kept(self.output):
            self._take_up(journal, part)
            return True
        if resume and self.output.exists():
            self._compare(read_sidecar(self.output), "was made")
            return False
        if not overwrite:
            refuse_existing(self.output)
        journal.clear()
        self._remove_further()
        self._file = FeatureFile.create(part, *self._shape())
        journal.begin(self._plan)
        return True

    def attach(self) -> bool:
        """Open the files that the first process has claimed, for another one; False as there."""
        plan = read_plan(self.output)
        if plan is None:
            return False
        self._plan = plan
        first = Journal(journal_path(self.output), lock=False)
        self.done = dict(first.done)
        first.close()
        self._journal = Journal(journal_path(self.output, self._rank), lock=False)
        self._journal.begin(plan)
        self._file = FeatureFile(part_path(self.output), *self._shape())
        return True

    def remaining(self) -> list[int]:
        """The batches that are not in the file, in order."""
        count = -(-self._plan["rows"] // self._plan["batches"]["size"])
        return [batch for batch in range(count) if batch not in self.done]

    def add(
        self, batch: int, rows: npt.NDArray[Any], piece: int, bad: tuple[int, ...] = ()
    ) -> None:
        """Write the rows of a batch and note it."""
        assert self._file is not None
        assert self._journal is not None
        start, _ = self.rows_of(batch)
        done = Done(batch, piece, self._file.write(start, rows), bad)
        self._journal.add(done)
        self.done[batch] = done

    def rows_of(self, batch: int) -> tuple[int, int]:
        """First and last-but-one row of a batch."""
        size = self._plan["batches"]["size"]
        return batch * size, min((batch + 1) * size, self._plan["rows"])

    def finish(
        self,
        facts: Mapping[str, Any],
        labels: npt.NDArray[Any] | None,
        names: list[str] | None,
    ) -> None:
        """Make the result appear: labels, names and sidecar, then the features.

        The sidecar gets ``facts`` and what has happened: how many images went through the network
        at a time, from which batch on, and which could not be read.
        """
        assert self._file is not None
        assert self._journal is not None
        for path in further_journals(self.output):
            other = Journal(path, lock=False)
            self.done |= other.done
            other.close()
        if missing := self.remaining():
            raise FeatureError(self.output, f"batch {missing[0]} has not been computed")
        self._file.sync()
        for path, wanted in (
            (labels_path(self.output), labels is not None),
            (names_path(self.output), names is not None),
        ):
            if not wanted:
                path.unlink(missing_ok=True)
        if labels is not None:
            stream = BytesIO()
            np.save(stream, labels, allow_pickle=False)
            _replace(labels_path(self.output), stream.getvalue())
        if names is not None:
            _replace(names_path(self.output), "".join(f"{name}\n" for name in names).encode())
        text = json.dumps({**facts, **self._outcome()}, indent=1)
        # A list of numbers on one line.
        text = re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text)
        text = text.replace("[ ", "[").replace(" ]", "]")
        _replace(sidecar_path(self.output), f"{text}\n".encode())
        os.replace(part_path(self.output), self.output)
        self._journal.clear()
        self._remove_further()
        self._journal.remove()

    def close(self) -> None:
        """Give the files up; remove them if not a single batch has been done."""
        if self._file is not None:
            self._file.close()
        if self._journal is None:
            return
        if self._rank == 0 and not rows_kept(self.output):
            self._journal.clear()
            part_path(self.output).unlink(missing_ok=True)
            self._remove_further()
            self._journal.remove()
        self._journal.close()

    def _outcome(self) -> dict[str, Any]:
        in_order = [self.done[batch] for batch in sorted(self.done)]
        pieces = [
            [done.batch, done.piece]
            for before, done in zip([None, *in_order], in_order, strict=False)
            if before is None or before.piece != done.piece
        ]
        bad = [row for done in in_order for row in done.bad]
        return {"batch_pieces": pieces, "rows_without_features": bad}

    def _shape(self) -> tuple[int, int, str]:
        return self._plan["rows"], self._plan["dimension"], self._plan["dtype"]

    def _take_up(self, journal: Journal, part: Path) -> None:
        """Check what an earlier run has left and go on from it."""
        self._compare(journal.plan, "was begun")
        self.done = dict(journal.done)
        for path in further_journals(self.output):
            other = Journal(path, lock=False)
            for done in other.done.values():
                if done.batch not in self.done:
                    journal.add(done)
            self.done |= other.done
            other.close()
        self._remove_further()
        self._file = FeatureFile(part, *self._shape())
        if not self._file.is_intact():
            raise FeatureError(
                part, "is not what the journal beside it says; use ", Argument("overwrite", True)
            )
        for batch, done in list(self.done.items()):
            if self._file.crc(*self.rows_of(batch)) != done.crc:
                journal.drop(batch)
                del self.done[batch]

    def _compare(self, other: Plan | None, verb: str) -> None:
        if other is None:
            raise FeatureError(
                self.output,
                "exists, but not its sidecar; replace both with ",
                Argument("overwrite", True),
            )
        changed = [
            f"{key} {_short(before)}, now {_short(now)}"
            for key, before, now in differences(other, self._plan)
        ]
        if changed:
            raise FeatureError(
                self.output,
                f"{verb} with {'; '.join(changed[:3])}{'; ...' if len(changed) > 3 else ''}."
                " Give the same settings, or begin anew with ",
                Argument("overwrite", True),
            )

    def _remove_further(self) -> None:
        for path in further_journals(self.output):
            path.unlink(missing_ok=True)


def _replace(path: Path, content: bytes) -> None:
    """Write a file that appears complete or not at all.

    Under one name until then: what a kill leaves is overwritten when the extraction is resumed.
    """
    with atomic_output(path, temporary=part_path(path)) as temporary:
        temporary.write_bytes(content)


def differences(before: Plan, now: Plan, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The settings of ``now`` that differ, as dotted names with both values."""
    for key, value in now.items():
        other = before.get(key)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            yield from differences(other, value, f"{prefix}{key}.")
            for gone in other.keys() - value.keys():
                yield f"{prefix}{key}.{gone}", other[gone], None
        elif value != other:
            yield f"{prefix}{key}", other, value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def read_sidecar(output: Path) -> dict[str, Any] | None:
    """The facts about a finished extraction; None when they are not there."""
    try:
        found = json.loads(sidecar_path(output).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
