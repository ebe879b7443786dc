"""What a long pass has done so far, in a file that another run can go on from.

A checkpoint is a safetensors file like a model: the sufficient statistics of the rows read so far,
and as JSON the plan (which files, labels and settings; a run with another plan is refused) and the
number of rows. It is replaced in one rename, so it is always complete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import OnBadRows
from vmf.distribution.tensor_file import tensor_bytes
from vmf.embeddings.embedding_file import EmbeddingFile
from vmf.errors import EmbeddingError, Note, PathLike
from vmf.estimation.statistics import SufficientStatistics
from vmf.output import atomic_output
from vmf.passes.engine import Reading

_FORMAT = "vmf-checkpoint"
_NUMBERS = ("count", "weight", "weight2", "normalised", "skipped", "dispersion")
_VECTORS = ("resultant", "resultant_lo")

Tensor = npt.NDArray[Any]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a pass between two chunks.

    Attributes
    ----------
    plan : mapping
        All that decides about the result, as JSON.
    rows : int
        Rows read so far, over all files in their order.
    statistics : tuple of SufficientStatistics
        Of these rows, one a class in the order of the plan.
    damaged : mapping of int to Note
        Positions of files that were left out, and why.
    """

    plan: Mapping[str, Any]
    rows: int
    statistics: tuple[SufficientStatistics, ...]
    damaged: Mapping[int, Note] = field(default_factory=dict)

    @property
    def progress(self) -> str:
        """How far the pass is, in words."""
        return f"{self.rows} rows"


def save_checkpoint(checkpoint: Checkpoint, path: PathLike) -> None:
    """Write to ``path``, all of it or nothing; OSError when the disk is full."""
    tensors = statistics_tensors(checkpoint.statistics)
    state = {
        "plan": checkpoint.plan,
        "rows": checkpoint.rows,
        "damaged": [[position, line.as_json()] for position, line in checkpoint.damaged.items()],
    }
    write_checkpoint(path, _FORMAT, tensors, state)


def load_checkpoint(path: PathLike) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    EmbeddingError
        When it is not one, or damaged.
    """
    with open_checkpoint(path, _FORMAT, "vmf fit") as (state, tensors):
        statistics = read_statistics(tensors.__getitem__)
        plan, rows = state["plan"], state["rows"]
        if type(rows) is not int or rows < 0 or not all("name" in one for one in plan["files"]):
            raise ValueError("its plan or its number of rows is none")
        damaged = {int(position): Note.from_json(line) for position, line in state["damaged"]}
        return Checkpoint(plan, rows, statistics, damaged)


def write_checkpoint(
    path: PathLike, kind: str, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> None:
    """Write arrays and what JSON says of them, all of it or nothing; OSError when the disk is full."""
    text = json.dumps(state)
    contents = tensor_bytes(
        tensors, {"format": kind, "state": text, "checksum": _checksum(tensors, text)}
    )
    with atomic_output(path) as temporary:
        temporary.write_bytes(contents)


@contextmanager
def open_checkpoint(
    path: PathLike, kind: str, command: str
) -> Iterator[tuple[dict[str, Any], dict[str, Tensor]]]:
    """Give what `write_checkpoint` wrote: the state and the arrays.

    Raises
    ------
    EmbeddingError
        When it is not one of `command`, and in place of whatever the block raises because it holds
        something else than was written.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(Path(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != kind:
                raise EmbeddingError(path, f"is not a checkpoint of {command}; name another file")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        # Those of before had none.
        if metadata.get("checksum") not in (None, _checksum(tensors, metadata["state"])):
            raise ValueError("its checksum is not that of what it holds")
        yield json.loads(metadata["state"]), tensors
    except EmbeddingError:
        raise
    except OSError as error:
        raise EmbeddingError(path, f"cannot be read ({error.strerror or error})") from error
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError, RecursionError,
            AttributeError, OverflowError) as error:  # fmt: skip
        raise EmbeddingError(
            path, f"is a damaged checkpoint ({error}); remove it and begin anew"
        ) from error


def _checksum(tensors: Mapping[str, Tensor], state: str) -> str:
    found = hashlib.sha256(state.encode())
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name])
        found.update(f"{name} {values.dtype.str} {values.shape}".encode())
        found.update(values.tobytes())
    return found.hexdigest()


def statistics_tensors(statistics: Sequence[SufficientStatistics]) -> dict[str, Tensor]:
    """Each number of the statistics as an array, one entry a class."""
    return {
        name: np.array([getattr(one, name) for one in statistics], np.float64)
        for name in (*_VECTORS, *_NUMBERS)
    }


def read_statistics(tensor: Callable[[str], Tensor]) -> tuple[SufficientStatistics, ...]:
    """The statistics whose arrays `tensor` gives by name; ValueError for what are none."""
    tensors = {name: tensor(name) for name in (*_VECTORS, *_NUMBERS)}
    if len({len(one) for one in tensors.values()}) != 1 or not all(
        one.dtype == np.float64 and np.isfinite(one).all() for one in tensors.values()
    ):
        raise ValueError("its statistics are no finite numbers, one a class")
    return tuple(
        SufficientStatistics(
            count=float(tensors["count"][k]),
            weight=float(tensors["weight"][k]),
            weight2=float(tensors["weight2"][k]),
            dispersion=float(tensors["dispersion"][k]),
            resultant=tensors["resultant"][k],
            resultant_lo=tensors["resultant_lo"][k],
            normalised=int(tensors["normalised"][k]),
            skipped=int(tensors["skipped"][k]),
        )
        for k in range(len(tensors["count"]))
    )


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What two plans have not in common, in words."""
    found = []
    for key in {**now, **before}:
        if before.get(key) == now.get(key):
            continue
        if key == "files":
            old = {one["name"]: one for one in before.get("files", [])}
            new = {one["name"]: one for one in now["files"]}
            changed = [name for name in new if name in old and old[name] != new[name]]
            found.append(
                f"{changed[0]} has changed" if changed else "other files, or another order of them"
            )
        elif key == "model":
            found.append("another model")
        elif key == "labels":
            found.append("other labels")
        else:
            found.append(f"{key} {before.get(key)}, now {now.get(key)}")
    return found


def file_entry(file: EmbeddingFile) -> dict[str, Any]:
    """What tells whether a file is still the one that was read."""
    _, size, changed = file.identity
    return {"name": file.path.name, "bytes": size, "changed": changed}


def reading_settings(reading: Reading, usual: OnBadRows = "error") -> dict[str, Any]:
    """What decides how rows are read, as JSON."""
    given = None
    if reading.scale is not None:
        values = np.asarray(reading.scale, np.float64)
        given = values.item() if not values.ndim else hashlib.sha256(values.tobytes()).hexdigest()
    return {
        "bad rows": reading.on_bad_rows or usual,
        "column": reading.column,
        "scale": given,
        "bad files": reading.on_bad_files,
    }
