"""``vmf reproduce``: the paper's experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.options import Quiet


def reproduce(
    experiment: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME|all",
            help="bessel-accuracy, bessel-runtime, vmf-cifar10, all of them, or a configuration"
            " of your own (.yaml).",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Each experiment fills a folder of its own in it."
        ),
    ] = Path("results"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer points and images: minutes, not an hour.")
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a value of the configuration: map.cells=64."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the results of an earlier run.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Run an experiment of the paper, and write tables (CSV, Markdown) and figures (PNG).

    The folder also gets the configuration in full and what the run depended on: versions,
    processor, threads. It appears when the run is complete.

    For example:

        vmf reproduce all --quick
        vmf reproduce bessel-accuracy --set points=5000 --set map.cells=64 -o results
        vmf reproduce mine.yaml
    """
    from vmf.experiments.reproduce import reproduce as run

    def say(line: str) -> None:
        typer.echo(line, err=True)

    folders = run(
        experiment,
        output,
        quick=quick,
        overrides=overrides or (),
        overwrite=overwrite,
        say=(lambda line: None) if quiet else say,
    )
    for folder in folders:
        typer.echo(str(folder))
