"""``vmf merge``: fitted models to one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.fit import Estimator
from vmf.cli.options import Json, Quiet


def merge(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL", help="Models from vmf fit, of one network.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="MODEL", help="The model, a .safetensors file."),
    ],
    estimator: Annotated[
        Estimator | None,
        typer.Option(show_default="that of the models", help="Of kappa; see vmf fit."),
    ] = None,
    new_classes: Annotated[
        bool,
        typer.Option("--new-classes", help="Take the classes of all models together."),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add fitted models: the model of all their rows, without the rows.

    The result is that of one fit of all rows, in any order of the models. No row may be in two.

    For example:

        vmf merge monday.safetensors tuesday.safetensors -o week.safetensors
        vmf merge shard-*.safetensors --new-classes -o all.safetensors
    """
    from vmf.jobs.fit import merge_to_file

    model = merge_to_file(
        models,
        output,
        estimator=estimator.value if estimator else None,
        new_classes=new_classes,
    )
    if quiet and not json:
        return
    from vmf.cli.report import LEVEL, model_as_json, print_json, print_model
    from vmf.distribution.summary import cautions, summarize

    summary = summarize(model, LEVEL)
    notes = cautions(model, summary)
    if json:
        print_json({"model": str(output), **model_as_json(model, summary, notes)})
    else:
        what = str(models[0]) if len(models) == 1 else f"{len(models)} models"
        print_model(f"{what} -> {output}", model, summary, notes)
