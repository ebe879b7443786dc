"""``vmf fit``: files to a model."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.options import FORMATS, PLACES
from vmf.cli.pass_options import PassOptions, with_pass_options


class Estimator(str, Enum):
    """The estimators of kappa that the command line offers."""

    mle = "mle"
    unbiased = "unbiased"
    marginal = "marginal"
    map = "map"


@with_pass_options(
    bad_rows="Rows with NaN or infinity and zero rows: stop with an error, or leave them out and report how many.",
    checkpoint="Keep here what has been done, every half minute and when the fit is ended.",
)
def fit(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help=f"Embeddings, one row each: {FORMATS}; {PLACES}. The rows of several are taken"
            " together.",
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
            help="One label a row, from a file of any of these formats or a column of FILE itself"
            " ('parts/*.parquet:class'): fit one distribution a class. Give it once for all rows, or"
            " once for each FILE.",
        ),
    ] = None,
    estimator: Annotated[
        Estimator | None,
        typer.Option(
            show_default="unbiased, or that of --update",
            help="Of kappa. unbiased or marginal: for any number of rows. mle: maximum likelihood, the"
            " same for many more rows than dimensions, too large for fewer. map: with a weak prior,"
            " for tiny classes.",
        ),
    ] = None,
    update: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="Add the rows to this model, which keeps what a fit needs of its own.",
        ),
    ] = None,
    new_classes: Annotated[
        bool, typer.Option("--new-classes", help="With --update: allow labels new to the model.")
    ] = False,
    *,
    given: PassOptions,
) -> None:
    """Fit a von Mises-Fisher distribution to embeddings.

    Only directions count: rows that are not of unit length are normalised, and the result says
    so. Files are read in chunks, so they may be larger than memory.

    For example:

        vmf fit features.npy -o model.safetensors
        vmf fit part-*.parquet --column embedding -o model.safetensors
        vmf fit s3://bucket/features/ --labels s3://bucket/features/:class -o model.safetensors
        vmf fit train.npy --labels train.csv:label --estimator unbiased -o classes.safetensors
        vmf fit --update model.safetensors new.npy -o model.safetensors
        vmf fit huge.npy -o model.safetensors --checkpoint fit.checkpoint --resume
        vmf fit /shared/part-*.npy -o model.safetensors --cluster tcp://scheduler:8786
        vmf fit table.csv --column '2:130' --on-bad-rows skip --json -o model.safetensors
    """
    from vmf.jobs.fit import already_read, fit_to_file

    read_before = already_read(update, files) if update else []
    with given.running("fitting", files) as how:
        model = fit_to_file(
            files,
            output,
            labels=labels or (),
            estimator=estimator.value if estimator else None,
            update=update,
            new_classes=new_classes,
            **how,
        )
    if given.quiet and not given.json:
        return
    from vmf.cli.report import LEVEL, model_as_json, name_of, print_json, print_model
    from vmf.distribution.summary import cautions, summarize

    summary = summarize(model, LEVEL)
    notes = cautions(model, summary)
    notes += [
        f"{name} is the name of a file that {update} has read; if it is the same one, its rows count double."
        for name in read_before
    ]
    if given.json:
        print_json({"model": str(output), **model_as_json(model, summary, notes)})
    else:
        print_model(f"{name_of(files)} -> {output}", model, summary, notes)
