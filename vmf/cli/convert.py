"""``vmf convert``: embeddings from any format to any other."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.options import FORMATS, PLACES, WRITTEN
from vmf.cli.pass_options import PassOptions, with_pass_options


class NumberType(str, Enum):
    """Types of the numbers written."""

    float16 = "float16"
    float32 = "float32"
    float64 = "float64"
    bfloat16 = "bfloat16"
    int8 = "int8"


class BadRows(str, Enum):
    """What to do with a row that holds NaN or infinity or is zero."""

    keep = "keep"
    error = "error"
    skip = "skip"


@with_pass_options(
    bad_rows="Rows with NaN or infinity and zero rows: write them as they are, stop with an error, or leave them out,"
    " which reads FILE twice.",
    checkpoint="Keep the rows here until the output is complete; as large as they are.",
    policies=BadRows,
)
def convert(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help=f"Embeddings, one row each: {FORMATS}; {PLACES}. The rows of several are taken"
            " together.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help=f"A {WRITTEN}.")],
    dtype: Annotated[
        NumberType | None,
        typer.Option(
            show_default="that of the files",
            help="Of the numbers. bfloat16: .safetensors and .pt only. int8: with a scale for each"
            " dimension beside them, so that no coordinate is off by more than 1/254 of the largest"
            " in its dimension; reads FILE twice.",
        ),
    ] = None,
    ids: Annotated[
        str | None,
        typer.Option(metavar="FILE[:COLUMN]", help="One id a row, for a column id in the output."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:COLUMN]", help="One label a row, for a column label in the output."
        ),
    ] = None,
    *,
    given: PassOptions,
) -> None:
    """Write embeddings in another format, or several files as one, in the order of the rows.

    Rows are streamed and not judged unless --on-bad-rows says so: they need not be of unit length,
    and NaN stays NaN.

    For example:

        vmf convert features.npy -o features.parquet
        vmf convert s3://bucket/parts/ --ids s3://bucket/parts/:id -o all.h5
        vmf convert features.npy --dtype int8 -o small.safetensors
    """
    from vmf.cli.report import name_of, print_fields, print_json
    from vmf.errors import Note
    from vmf.jobs.convert import convert_to_file

    with given.running("converting", files) as how:
        done = convert_to_file(
            files,
            output,
            dtype=None if dtype is None else dtype.value,
            ids=ids,
            labels=labels,
            **how,
        )
    if given.json:
        print_json({"file": str(output), **asdict(done)})
    elif not given.quiet:
        fields = [
            ("rows", str(done.rows)),
            ("dimension", str(done.dimension)),
            ("stored as", done.dtype),
        ]
        if done.largest_error:
            fields.append(("largest error", f"{done.largest_error:.3g}"))
        if done.skipped:
            fields.append(("rows left out", str(done.skipped)))
        print_fields(
            f"{name_of(files)} -> {output}",
            fields,
            [Note("left out: ", *line.parts) for line in done.left_out],
        )
