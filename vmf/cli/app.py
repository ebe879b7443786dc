"""The command ``vmf`` and its subcommands."""

from __future__ import annotations

from typing import Annotated

import typer

from vmf.cli.convert import convert
from vmf.cli.evaluate import evaluate
from vmf.cli.exit_codes import CommandGroup
from vmf.cli.extract import extract
from vmf.cli.fit import fit
from vmf.cli.info import info
from vmf.cli.merge import merge
from vmf.cli.mixture import mixture
from vmf.cli.reproduce import reproduce
from vmf.cli.sample import sample
from vmf.cli.score import score

app = typer.Typer(
    name="vmf",
    cls=CommandGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(extract)
app.command()(fit)
app.command()(mixture)
app.command()(merge)
app.command()(score)
app.command()(evaluate)
app.command()(sample)
app.command()(convert)
app.command()(info)
app.command()(reproduce)


def _print_version(wanted: bool) -> None:
    if wanted:
        from vmf.version import __version__

        typer.echo(f"vmf {__version__}")
        raise typer.Exit


@app.callback()
def vmf(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """How concentrated are these embeddings, and how well does a new one fit them?

    Fits the von Mises-Fisher distribution to the directions of embedding vectors, exactly in 2 or
    in 100 000 dimensions, and scores others with it.

    To begin with:

        vmf fit features.npy -o model.safetensors
        vmf score model.safetensors new.npy -o scores.csv

    Exit codes: 0 done, 1 the work failed, 2 bad input or usage, 130 interrupted. With any code but
    0 no output file has been written.
    """
