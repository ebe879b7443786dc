"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class BadRows(str, Enum):
    """What to do with a row that holds NaN or infinity or is zero."""

    error = "error"
    skip = "skip"


Column = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Which part of the file: the array of a .npz, the list column of a .parquet, or the"
        " coordinate columns of a table as names, patterns and positions: 'x*', '1:129', 'a,b,c'.",
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
