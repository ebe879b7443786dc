"""Command lines: every command and option of `vmf`, with values of every sort, right and wrong."""

from __future__ import annotations

import inspect
import shutil
import socket
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args, get_type_hints
from unittest import mock

import numpy as np
from typer.testing import CliRunner

from vmf.cli import app

from .files import LABELS, SMALL, npy, parquet

EXIT_CODES = (0, 1, 2)

# What would run for hours, fill the disk or start processes with a value that is right. Text stays: it is refused.
_NEVER_LARGE = {
    "rows",
    "replicates",
    "workers",
    "threads",
    "processes",
    "batch_size",
    "components",
    "starts",
}

_TEXTS = [
    "",
    " ",
    "-",
    "x",
    "label",
    "é\n\x1b[31m",
    "a" * 5000,
    "0:2",
    "1,2",
    "*",
    "..",
    "\ud800",
    "%s%n",
    "{0}",
    "[bold]",
]
_NUMBERS = ["0", "1", "2", "3", "-1", "", "x", "1.5", "1e3", "nan", "inf", "0x10", " 4", "1_0"]
_LARGE = ["4294967296", "9223372036854775807", "9223372036854775808", "1" + "0" * 400]
_LIKELY = {  # what a right value begins with, or is
    "model": ("m.safe", "c.safe"), "models": ("m.safe", "c.safe"), "update": ("m.safe",),
    "labels": ("y.",), "train_labels": ("y.",), "ids": ("ids.",), "scores": ("scores.",), "ood_scores": ("scores.",),
    "ood": ("x.npy",), "train": ("x.npy",), "file": ("x.npy",), "path": ("x.", "m.", "c."), "column": ("v", "x,y"),
    "label": ("a", "b"), "held_out": ("a", "1"), "k": ("1", "1,2"), "score": ("cosine", "log_density"),
    "scale": ("0.5", "2"), "cluster": ("tcp://127.0.0.1:9",), "checkpoint": ("new.",), "experiment": ("all", "c.yaml"),
}  # fmt: skip
_WORDS = {"column", "label", "held_out", "k", "score", "scale", "cluster", "experiment"}
_SIZES = ["0", "1", "1MB", "1 GB", "-1", "1e400", "10XB", "", "9" * 30, "0.5GB"]


@dataclass(frozen=True)
class Parameter:
    """An argument (without spellings) or an option of a command, and the type of one value."""

    name: str
    spellings: tuple[str, ...]
    kind: type
    required: bool
    many: bool


@cache
def commands() -> dict[str, list[Parameter]]:
    """The parameters of every command, from the signatures that Typer reads."""
    found = {}
    for command in app.registered_commands:
        function = command.callback
        assert function is not None
        hints = get_type_hints(function, include_extras=True)
        found[command.name or function.__name__.replace("_", "-")] = [
            _parameter(one, hints[one.name])
            for one in inspect.signature(function).parameters.values()
        ]
    return found


def _parameter(one: inspect.Parameter, hint: Any) -> Parameter:
    inner, information = get_args(hint)[:2]
    many = "list" in str(inner)
    while get_args(inner):  # X | None, list[X]
        inner = next(kind for kind in get_args(inner) if kind is not type(None))
    given = tuple(getattr(information, "param_decls", None) or ())
    is_argument = type(information).__name__ == "ArgumentInfo"
    spellings = () if is_argument else given or (f"--{one.name.replace('_', '-')}",)
    return Parameter(one.name, spellings, inner, one.default is inspect.Parameter.empty, many)


def prepare(folder: Path) -> list[str]:
    """Fill an empty folder with files of every kind; returns them and more that are none, to choose from."""
    files = {
        "x.npy": npy(SMALL),
        "bad-row.npy": npy(np.where(np.arange(60).reshape(20, 3) == 30, np.nan, SMALL)),
        "wide.npy": npy(np.ones((4, 7))),
        "y.npy": npy(LABELS),
        "y.csv": b"label\n" + b"a\nb\n" * 10,
        "x.csv": b"x,y,z\n1,2,3\n4,5,6.5\n",
        "ids.txt": "".join(f"r{k}\n" for k in range(20)).encode(),
        "scores.npy": npy(SMALL[:, 0]),
        "cut.npy": npy(SMALL)[:150],
        "empty": b"",
        "text.txt": b"hello world\n",
        "c.yaml": b"experiment: nothing\n",
    }
    if find_spec("pyarrow") is not None:
        files["x.parquet"] = parquet({"id": list(range(20)), "v": SMALL.tolist()})
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    run = CliRunner().invoke
    fit = ["fit", str(folder / "x.npy"), "-q"]
    assert run(app, [*fit, "-o", str(folder / "m.safetensors")]).exit_code == 0
    labels = ["--labels", str(folder / "y.npy"), "-o", str(folder / "c.safetensors")]
    assert run(app, [*fit, *labels]).exit_code == 0
    (folder / "damaged.safetensors").write_bytes((folder / "m.safetensors").read_bytes()[:-9])
    inside = sorted(str(one) for one in folder.iterdir())
    outside = [
        "new.safetensors",
        "new.csv",
        "new.npy",
        "new.parquet",
        "new.html",
        "no/such/new.npy",
        "missing.npy",
    ]
    urls = [
        "memory://x.npy",
        "s3://bucket/x.npy",
        "http://127.0.0.1:9/x.npy",
        "nothing://x",
        "file://x.npy",
    ]
    columns = [
        f"{folder / 'y.csv'}:label",
        f"{folder / 'x.parquet'}:id",
        f"{folder / 'x.csv'}:9",
        "missing.csv:a",
    ]
    return [*inside, *inside, *(str(folder / name) for name in outside), *urls, *columns, *_TEXTS]


def draw_command(rng: np.random.Generator, files: list[str], name: str | None = None) -> list[str]:
    """A command line, right, wrong in one place or wild."""

    def one_of(values: list[str]) -> str:
        return values[int(rng.integers(0, len(values)))]

    wild = float(rng.choice([0.0, 0.1, 0.5]))

    def value(parameter: Parameter) -> str:
        right = rng.random() >= wild
        if issubclass(parameter.kind, Enum):
            return one_of([str(one.value) for one in parameter.kind] if right else _TEXTS)
        if parameter.kind in (int, float):
            if parameter.name == "workers":  # starts processes
                return one_of(_NUMBERS[4:8])
            large = [] if parameter.name in _NEVER_LARGE else _LARGE
            return one_of(_NUMBERS[:4] if right else _NUMBERS + large)
        if parameter.name == "memory":
            return one_of(_SIZES)
        if not right:
            return one_of(files)
        beginnings = _LIKELY.get(parameter.name, ("x.", "new."))
        if parameter.name in _WORDS:
            return one_of(list(beginnings))
        if parameter.name == "output":
            beginnings = (
                ("new.safetensors",) if name in ("fit", "merge") else ("new.npy", "new.parquet")
            )
        named = [
            one
            for one in files
            if one.rpartition("/")[2].startswith(beginnings) and ":" not in one.rpartition("/")[2]
        ]
        return one_of(named or files)

    known = commands()
    name = name or one_of(sorted(known))
    line = [name]
    for parameter in known[name]:
        if not parameter.spellings:
            count = int(rng.integers(1, 3)) if parameter.many else 1
            line += [value(parameter) for _ in range(count if rng.random() >= wild / 10 else 0)]
        elif rng.random() < (1 - wild / 10 if parameter.required else 0.12):
            option = one_of(list(parameter.spellings))
            line += [option] if parameter.kind is bool else [option, value(parameter)]
    if name == "reproduce":  # a right one would compute for an hour
        line += ["--set", "no such key=1"]
    if rng.random() < 0.05:
        line.insert(int(rng.integers(0, len(line) + 1)), one_of([*_TEXTS, "--nothing", "--", "-h"]))
    return line


def _short_wait() -> AbstractContextManager[object]:
    """Wait a moment for a cluster that is not there, where dask is installed to look for it."""
    if find_spec("distributed") is None:
        return nullcontext()
    return mock.patch("vmf.cluster.connection._SECONDS_TO_CONNECT", 0.2)


@contextmanager
def no_network() -> Iterator[None]:
    """Refuse every connection: a word taken for a URL or a set of weights must not be fetched."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(101, "Network is unreachable")

    with (
        mock.patch.object(socket.socket, "connect", refused),
        mock.patch.object(socket, "getaddrinfo", refused),
        _short_wait(),
    ):
        yield


def check_command(folder: Path, seed: int, name: str | None = None) -> int:
    """It ends with 0, 1 or 2, says why in one line, and leaves nothing half-written."""
    rng = np.random.default_rng(seed)
    for one in folder.iterdir():
        shutil.rmtree(one) if one.is_dir() else one.unlink()
    line = draw_command(rng, prepare(folder), name)
    with no_network(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = CliRunner().invoke(app, line)
    said = f"{line!r}: {result.exit_code} {result.stdout[-500:]!r} {result.stderr[-1000:]!r} {result.exception!r}"
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(said) from result.exception
    assert result.exit_code in EXIT_CODES, said
    assert "Traceback" not in result.stderr, said
    if result.exit_code and "Usage: " not in result.stderr:
        assert result.stderr.startswith("vmf: error: "), said
        assert result.stderr.count("\n") == 1, said
    left = [one.name for one in folder.rglob("*") if one.name.endswith((".part", ".lock"))]
    assert not left, f"{said} left {left}"
    return 1
