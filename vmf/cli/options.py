"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

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
        help="What the process may take in all, such as 1GB: chunks become as small as that needs,"
        " and where that does not do it ends with an error.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the checkpoint, if it is there.")
]
