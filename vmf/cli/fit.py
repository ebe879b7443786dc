"""``vmf fit``: files to a model."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.options import BadRows, Column, Json, Quiet


class Estimator(str, Enum):
    """The estimators of kappa that the command line offers."""

    mle = "mle"
    unbiased = "unbiased"
    marginal = "marginal"
    map = "map"


def fit(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Embeddings, one row each: .npy, .npz, .csv, .tsv, .txt or .parquet. The rows of"
            " several files are taken together.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="MODEL", help="The model, a .safetensors file."),
    ],
    labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[:COLUMN]",
            help="One label a row (.npy, .npz, .txt, .csv, .parquet): fit one distribution a class."
            " Give it once for all rows, or once for each FILE.",
        ),
    ] = None,
    estimator: Annotated[
        Estimator,
        typer.Option(
            help="Of kappa. mle: maximum likelihood, for many more rows than dimensions."
            " unbiased or marginal: for fewer. map: with a weak prior, for tiny classes.",
        ),
    ] = Estimator.mle,
    column: Column = None,
    on_bad_rows: Annotated[
        BadRows,
        typer.Option(
            help="Rows with NaN or infinity and zero rows: stop with an error, or leave them out"
            " and report how many.",
        ),
    ] = BadRows.error,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit a von Mises-Fisher distribution to embeddings.

    Only directions count: rows that are not of unit length are normalised, and the result says
    so. Files are read in chunks, so they may be larger than memory.

    For example:

        vmf fit features.npy -o model.safetensors
        vmf fit part-*.parquet --column embedding -o model.safetensors
        vmf fit train.npy --labels train.csv:label --estimator unbiased -o classes.safetensors
        vmf fit table.csv --column '2:130' --on-bad-rows skip --json -o model.safetensors
    """
    from vmf.cli.progress import progress_bar
    from vmf.embeddings.atomic_output import check_output
    from vmf.embeddings.fitting import fit_files
    from vmf.model_file import MODEL_EXTENSIONS, save_model

    inputs = list(files)
    if labels:
        from vmf.embeddings.labels import label_file

        inputs += map(label_file, labels)
    check_output(output, inputs, MODEL_EXTENSIONS)
    with progress_bar("fitting", wanted=not quiet) as progress:
        model = fit_files(
            files,
            labels=labels or (),
            estimator=estimator.value,
            on_bad_rows=on_bad_rows.value,
            column=column,
            progress=progress,
        )
    save_model(model, output)
    if quiet and not json:
        return
    from vmf.cli.report import LEVEL, model_as_json, print_json, print_model
    from vmf.model_summary import cautions, summarize

    summary = summarize(model, LEVEL)
    notes = cautions(model, summary)
    if json:
        print_json({"model": str(output), **model_as_json(model, summary, notes)})
    else:
        source = files[0].name if len(files) == 1 else f"{len(files)} files"
        print_model(f"{source} -> {output}", model, summary, notes)
