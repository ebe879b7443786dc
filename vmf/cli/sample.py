"""``vmf sample``: draws from a model to a file."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.options import WRITTEN, Json, Quiet


class NumberType(str, Enum):
    """Types of the numbers written."""

    float32 = "float32"
    float64 = "float64"


def sample(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model from vmf fit.")],
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="How many rows to draw.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help=f"A {WRITTEN}."),
    ],
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="The same seed gives the same rows. Without one: a random one."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--class", metavar="LABEL", help="Draw from this class of the model only."),
    ] = None,
    dtype: Annotated[NumberType, typer.Option(help="Of the numbers.")] = NumberType.float64,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw unit vectors from a model.

    A model with classes gives each class its share; formats that have a place for text also get a
    column that names the class of each row.

    For example:

        vmf sample model.safetensors -n 10000 -o draws.npy --seed 1
        vmf sample classes.safetensors -n 500 --class cat -o cats.parquet
    """
    from vmf.cli.progress import progress_bar
    from vmf.cli.report import print_fields, print_json
    from vmf.distribution.model import load_model
    from vmf.jobs.sample import sample_to_file
    from vmf.output import check_output

    check_output(output, [model])
    with progress_bar("drawing", wanted=not quiet) as progress:
        done = sample_to_file(
            load_model(model),
            rows,
            output,
            seed=seed,
            label=label,
            dtype=dtype.value,
            progress=progress,
        )
    if json:
        print_json({"samples": str(output), **asdict(done)})
    elif not quiet:
        print_fields(
            f"{model.name} -> {output}",
            [
                ("rows", str(done.rows)),
                ("dimension", str(done.dimension)),
                ("seed", str(done.seed)),
            ],
        )
