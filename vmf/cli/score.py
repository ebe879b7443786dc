"""``vmf score``: a model and a file to a table of scores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.options import BadRows, Column, Json, Quiet


def score(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model from vmf fit.")],
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Embeddings of the same network, one row each."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="SCORES", help="A .csv, .tsv, .parquet or .npy file."
        ),
    ],
    column: Column = None,
    on_bad_rows: Annotated[
        BadRows,
        typer.Option(
            help="Rows with NaN or infinity and zero rows: stop with an error, or give them NaN as"
            " score.",
        ),
    ] = BadRows.error,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score each row of a file under a model; one line a row, in the order of the file.

    The table has these columns, beside the number of the row:

    - **log_density**: log of the model's density at the row's direction. Higher = more
      in-distribution. In high dimension it is far above 0; only differences mean something.
    - **cosine**: cosine of the angle to the nearest mean direction. Higher = more
      in-distribution.
    - **class**, **probability**: for a model with classes: the most probable one.

    For example:

        vmf score model.safetensors new.npy -o scores.csv
        vmf score model.safetensors new.parquet --column embedding -o scores.parquet
    """
    from vmf.cli.progress import progress_bar
    from vmf.cli.report import print_fields, print_json
    from vmf.embeddings.atomic_output import check_output
    from vmf.embeddings.scoring import score_file
    from vmf.model_file import load_model

    check_output(output, [model, file])
    with progress_bar("scoring", wanted=not quiet) as progress:
        done = score_file(
            load_model(model),
            file,
            output,
            column=column,
            on_bad_rows=on_bad_rows.value,
            progress=progress,
        )
    if json:
        print_json({"scores": str(output), **asdict(done)})
    elif not quiet:
        print_fields(
            f"{file.name} -> {output}",
            [
                ("rows", str(done.rows)),
                ("rows normalised", str(done.normalised)),
                ("rows without a score", str(done.skipped)),
                ("mean log-density", f"{done.mean_log_density:.8g}"),
                ("mean cosine", f"{done.mean_cosine:.6f}"),
            ],
            ["higher log_density and higher cosine = more in-distribution."],
        )
