"""``vmf mixture``: files to a mixture of several distributions."""

from __future__ import annotations

from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.fit import Estimator
from vmf.cli.options import FORMATS, PLACES
from vmf.cli.pass_options import PassOptions, with_pass_options


class Assignment(str, Enum):
    """How rows are given to components."""

    soft = "soft"
    hard = "hard"
    stochastic = "stochastic"


@with_pass_options(
    bad_rows="Rows with NaN or infinity and zero rows: an error, or left out.",
    checkpoint="Keep the parameters here after iterations or batches, to go on from.",
)
def mixture(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help=f"Embeddings, one row each: {FORMATS}, {PLACES}."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="MODEL", help="The model, a .safetensors file."),
    ],
    components: Annotated[
        int, typer.Option("--components", "-k", min=1, help="Number of distributions.")
    ],
    assignment: Annotated[
        Assignment,
        typer.Option(
            help="Rows count for the components in proportion to their probabilities, for the most"
            " probable one, or for one drawn with these probabilities."
        ),
    ] = Assignment.soft,
    estimator: Annotated[
        Estimator, typer.Option(help="Of kappa; see vmf fit.")
    ] = Estimator.unbiased,
    batch: Annotated[
        int | None,
        typer.Option(
            metavar="ROWS",
            help="Read the files once only, so many rows at a time, instead of once an iteration."
            " Faster and a little worse; the first batch should have rows of every kind.",
        ),
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, help="At most so many passes.")] = 100,
    tolerance: Annotated[
        float,
        typer.Option(min=0, help="Stop when the log-likelihood of a row changes by less (nats)."),
    ] = 1e-3,
    starts: Annotated[int, typer.Option(min=1, help="Starts, of which the best is kept.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the starts.")] = 0,
    *,
    given: PassOptions,
) -> None:
    """Fit a mixture of von Mises-Fisher distributions: groups of directions without labels.

    Files are streamed: every iteration reads all of them, in chunks, so they may be larger than
    memory; some numbers a row are kept. vmf score gives the density under the mixture and the most
    probable component of new rows.

    For example:

        vmf mixture features.npy -k 10 -o mixture.safetensors
        vmf mixture 's3://bucket/part-*.parquet' -k 100 --batch 100000 -o mixture.safetensors
        vmf mixture huge.npy -k 50 -o mixture.safetensors --checkpoint mixture.ckpt --resume
        vmf mixture /shared/parts -k 100 -o mixture.safetensors --cluster tcp://scheduler:8786
    """
    from vmf.cli.report import LEVEL, model_as_json, name_of, print_json, print_model
    from vmf.distribution.summary import cautions, summarize
    from vmf.errors import EmbeddingError
    from vmf.jobs.mixture import fit_mixture_to_file

    if find_spec("sklearn") is None:
        raise EmbeddingError(
            None, "a mixture needs scikit-learn: pip install 'vmf-toolkit[models]'"
        )
    with given.running("fitting", files) as how:
        progress = how.pop("progress")
        done = fit_mixture_to_file(
            files,
            output,
            components,
            assignment=assignment.value,
            estimator=estimator.value,
            batch=batch,
            iterations=iterations,
            tolerance=tolerance,
            starts=starts,
            seed=seed,
            progress=None if progress is None else lambda _, read, total: progress(read, total),
            **how,
        )
    if given.quiet and not given.json:
        return
    summary = summarize(done.model, LEVEL)
    notes = [*cautions(done.model, summary), *done.notes]
    if given.json:
        fit = {
            "iterations": done.iterations,
            "converged": done.converged,
            "log_likelihood": done.log_likelihood,
        }
        print_json({"model": str(output), **fit, **model_as_json(done.model, summary, notes)})
        return
    found = f"{done.iterations} iterations, log-likelihood a row {done.log_likelihood:.8g}"
    if batch is not None:
        found = f"one pass in batches, log-likelihood a row of the last {done.log_likelihood:.8g}"
    print_model(f"{name_of(files)} -> {output} ({found})", done.model, summary, notes)
