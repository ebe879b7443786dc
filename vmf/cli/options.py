"""Options that several commands share."""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated

import typer

from vmf.errors import Argument, EmbeddingError, Note

FORMATS = (
    ".npy, .npz, .csv, .tsv, .txt (also .gz, .zst), .parquet, .pq, .arrow, .feather, .ipc, .h5,"
    " .hdf5, .zarr, .safetensors, .pt or .pth"
)
"""Spelt out, for help should not wait for the readers; a test compares it with the registry."""

PLACES = "a folder of them, a pattern ('part-*.parquet') or a URL (s3://..., https://...)"

WRITTEN = (
    ".npy, .npz, .csv, .tsv (also .gz, .zst), .parquet, .pq, .arrow, .feather, .ipc, .h5, .hdf5,"
    " .zarr, .safetensors, .pt or .pth"
)


class BadRows(str, Enum):
    """What to do with a row that holds NaN or infinity or is zero."""

    error = "error"
    skip = "skip"


class BadFilesPolicy(str, Enum):
    """What to do with a file that cannot be read."""

    error = "error"
    skip = "skip"


BadFiles = Annotated[
    BadFilesPolicy,
    typer.Option(
        help="Files that are damaged, truncated or not what they are said to be: stop with an error,"
        " or do without them and report which."
    ),
]
Column = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Which part of the file: the array of a .npz, .h5, .zarr, .safetensors or .pt, the list"
        " column of a .parquet or .arrow, or the coordinate columns of a table as names, patterns"
        " and positions: 'x*', '1:129', 'a,b,c'.",
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBER|FILE",
        help="What stored integers (int8, say) are multiplied by: a number, or a .npy or text file"
        " with one a dimension or one a row. By default the scale that lies beside them.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout instead.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing but errors, and no progress bar.")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Let the workers of this dask scheduler read the files: tcp://host:8786. They need to"
        " see the files under the same names.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", help="Read with N processes on this machine, one thread each."),
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="What the process, or each worker, may take in all, such as 1GB: chunks become as small as that needs,"
        " and where that does not do it ends with an error.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the checkpoint, if it is there.")
]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}

_OPTIONS = {
    "address": "--cluster",
    "overrides": "--set",
    "score_files": "--scores",
    "ood_score_files": "--ood-scores",
    "facts['stride_on']": "--stride-on",
}
"""Options that are not called as the argument is."""


def as_option(argument: Argument) -> str:
    """An argument of a message, spelt as the option that stands for it."""
    name = _OPTIONS.get(argument.name, f"--{argument.name.replace('_', '-')}")
    if argument.value is False:
        return f"--no-{name.removeprefix('--')}"
    return name if argument.value in (None, True) else f"{name} {argument.value}"


def with_options(text: str) -> str:
    """A note as the command line tells it; other text as it is."""
    return text.told(as_option) if isinstance(text, Note) else text


def bytes_of(memory: str | None) -> int | None:
    """Read ``1GB``, ``500 MB``, ``2GiB`` or a number of bytes; EmbeddingError for others."""
    if memory is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", memory.lower())
    factor = (_UNITS | _BINARY).get(found[2]) if found else None
    if found is None or factor is None:
        raise EmbeddingError(None, f"--memory {memory}: give a size such as 500MB, 1GB or 2GiB")
    return int(float(found[1]) * factor)
