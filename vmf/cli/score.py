"""``vmf score``: a model and files to a table of scores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.pass_options import PassOptions, with_pass_options


@with_pass_options(
    bad_rows="Rows with NaN or infinity and zero rows: stop with an error, or give them NaN as score.",
    checkpoint="Keep scores here until the table is complete, 28 bytes a row.",
)
def score(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model from vmf fit.")],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Embeddings of the same network, one row each, as for vmf fit: files, folders,"
            " patterns and URLs. Several are taken together.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="SCORES",
            help="A .csv, .tsv (also .gz, .zst), .parquet, .arrow, .feather or .npy file.",
        ),
    ],
    ids: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:COLUMN]",
            help="One id a row for the column id, from a file of any format or a column of FILE"
            " itself; else the number of the row.",
        ),
    ] = None,
    *,
    given: PassOptions,
) -> None:
    """Score each row of files under a model; one line a row, in the order of the rows.

    The table has these columns, beside **id**, the number of the row or what --ids gives:

    - **log_density**: log of the model's density at the row's direction. Higher = more
      in-distribution. In high dimension it is far above 0; only differences mean something.
    - **cosine**: cosine of the angle to the nearest mean direction. Higher = more
      in-distribution.
    - **class**, **probability**: for a model with classes: the most probable one.

    For example:

        vmf score model.safetensors new.npy -o scores.csv
        vmf score model.safetensors huge.npy -o scores.parquet --checkpoint scores.ckpt --resume
        vmf score model.safetensors new.parquet --column embedding --ids new.parquet:id -o scores.parquet
    """
    from vmf.cli.report import name_of, print_fields, print_json
    from vmf.distribution.model import load_model
    from vmf.errors import Note
    from vmf.jobs.score import score_to_file
    from vmf.output import check_output

    check_output(output, [model, *files])
    with given.running("scoring", files) as how:
        done = score_to_file(
            load_model(model),
            files,
            output,
            ids=ids,
            **how,
        )
    if given.json:
        print_json({"scores": str(output), **asdict(done)})
    elif not given.quiet:
        print_fields(
            f"{name_of(files)} -> {output}",
            [
                ("rows", str(done.rows)),
                ("rows normalised", str(done.normalised)),
                ("rows without a score", str(done.skipped)),
                ("mean log-density", f"{done.mean_log_density:.8g}"),
                ("mean cosine", f"{done.mean_cosine:.6f}"),
            ],
            [
                "higher log_density and higher cosine = more in-distribution.",
                *(Note("left out: ", *line.parts) for line in done.left_out),
            ],
        )
