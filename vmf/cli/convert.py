"""``vmf convert``: embeddings from any format to any other."""

from __future__ import annotations

import os
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.options import (
    FORMATS,
    PLACES,
    WRITTEN,
    BadFiles,
    BadFilesPolicy,
    Cluster,
    Column,
    Json,
    Memory,
    Quiet,
    Resume,
    Scale,
    Workers,
    reading,
)


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
    column: Column = None,
    scale: Scale = None,
    on_bad_rows: Annotated[
        BadRows,
        typer.Option(
            help="Rows with NaN or infinity and zero rows: write them as they are, stop with an"
            " error, or leave them out, which reads FILE twice."
        ),
    ] = BadRows.keep,
    on_bad_files: BadFiles = BadFilesPolicy.error,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep the rows here until the output is complete; as large as they are.",
        ),
    ] = None,
    resume: Resume = False,
    memory: Memory = None,
    cluster: Cluster = None,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write embeddings in another format, or several files as one, in the order of the rows.

    Rows are streamed and not judged unless --on-bad-rows says so: they need not be of unit length,
    and NaN stays NaN.

    For example:

        vmf convert features.npy -o features.parquet
        vmf convert s3://bucket/parts/ --ids s3://bucket/parts/:id -o all.h5
        vmf convert features.npy --dtype int8 -o small.safetensors
    """
    from vmf.cli.progress import progress_bar, stored_bytes
    from vmf.cli.report import print_fields, print_json
    from vmf.cluster import open_runner
    from vmf.errors import Note
    from vmf.jobs.convert import convert_to_file

    with (
        open_runner(cluster, workers) as runner,
        progress_bar("converting", wanted=not quiet, size=stored_bytes(files)) as progress,
    ):
        done = convert_to_file(
            files,
            output,
            dtype=None if dtype is None else dtype.value,
            ids=ids,
            labels=labels,
            reading=reading(column, scale, on_bad_rows, on_bad_files, memory),
            runner=runner,
            checkpoint=checkpoint,
            resume=resume,
            progress=progress,
        )
    if json:
        print_json({"file": str(output), **asdict(done)})
    elif not quiet:
        source = (
            os.path.basename(files[0].rstrip("/")) if len(files) == 1 else f"{len(files)} files"
        )
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
            f"{source} -> {output}",
            fields,
            [Note("left out: ", *line.parts) for line in done.left_out],
        )
