"""Printing results: text for people, one JSON object for programs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from vmf.cli.options import with_options

if TYPE_CHECKING:
    from vmf.distribution.model import Model
    from vmf.distribution.summary import ClassSummary

LEVEL = 0.95
_MOST_CLASSES = 40


def print_json(result: Mapping[str, Any]) -> None:
    """Print one object: numbers to full precision, null for others, arguments of notes as options."""
    typer.echo(json.dumps(_finite(result), indent=2, allow_nan=False))


def name_of(files: Sequence[str]) -> str:
    """What to call the files that were read."""
    return os.path.basename(files[0].rstrip("/")) if len(files) == 1 else f"{len(files)} files"


def print_fields(title: str, fields: Iterable[tuple[str, str]], notes: Iterable[str] = ()) -> None:
    """Print a title, aligned names and values, and notes."""
    pairs = list(fields)
    width = max(len(name) for name, _ in pairs)
    typer.echo(title)
    for name, value in pairs:
        typer.echo(f"  {name:<{width}}  {value}")
    print_notes(notes)


def print_notes(notes: Iterable[str]) -> None:
    """Print a line each, arguments as options."""
    for note in notes:
        typer.echo(f"note: {with_options(note)}")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, the first aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [
            cell.ljust(width) if position == 0 else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  " + "  ".join(cells).rstrip())


def print_model(
    title: str, model: Model, summary: Sequence[ClassSummary], notes: Iterable[str]
) -> None:
    """Print the estimates of a model, a block for one distribution, a table for several."""
    if len(summary) == 1:
        print_fields(title, _fields(model, summary[0]), notes)
        return
    rows = round(sum(one.count for one in model.statistics))  # components share rows
    print_fields(
        title,
        [
            ("rows", f"{rows} in {len(summary)} {model.kind}"),
            ("dimension", str(model.dimension)),
            ("estimator", model.estimator),
        ],
    )
    typer.echo("")
    header = (
        "class" if model.kind == "classes" else "component",
        "rows",
        "R",
        "kappa",
        "std. error",
        "95 % interval",
        "log-lik./row",
    )
    print_table(header, [_row(one) for one in summary[:_MOST_CLASSES]])
    if len(summary) > _MOST_CLASSES:
        typer.echo(f"  ... and {len(summary) - _MOST_CLASSES} more; --json prints all")
    print_notes(notes)


def model_as_json(
    model: Model, summary: Sequence[ClassSummary], notes: Iterable[str]
) -> dict[str, Any]:
    """The same for programs."""
    return {
        "dimension": model.dimension,
        "estimator": model.estimator,
        "sources": list(model.sources),
        "left_out": list(model.left_out),
        "toolkit_version": model.toolkit_version,
        "level": LEVEL,
        "classes": [
            {
                "class": one.label,
                "rows": one.rows,
                "normalised": one.normalised,
                "skipped": one.skipped,
                "mean_resultant_length": one.mean_resultant_length,
                "kappa": one.concentration,
                "standard_error": one.standard_error,
                "interval": one.interval,
                "mean_direction_half_angle_degrees": one.half_angle,
                "kappa_0": one.sra[0],
                "kappa_1": one.sra[1],
                "kappa_2": one.sra[2],
                "log_likelihood_per_row": one.log_likelihood,
            }
            for one in summary
        ],
        "notes": list(notes),
    }


def _fields(model: Model, one: ClassSummary) -> list[tuple[str, str]]:
    label = [] if one.label is None else [("class", one.label)]
    return [
        *label,
        ("rows", str(one.rows)),
        ("rows normalised", str(one.normalised)),
        ("rows skipped", str(one.skipped)),
        ("dimension", str(model.dimension)),
        ("mean resultant length R", f"{one.mean_resultant_length:.10g}"),
        (f"kappa ({model.estimator})", f"{one.concentration:.10g}"),
        ("standard error of kappa", _number(one.standard_error, 4)),
        ("95 % interval of kappa", _interval(one.interval)),
        ("95 % cone of the mean", "-" if one.half_angle is None else f"{one.half_angle:.4g} deg"),
        ("log-likelihood a row", f"{one.log_likelihood:.8g}"),
        ("kappa_0, kappa_1, kappa_2", ", ".join(f"{kappa:.8g}" for kappa in one.sra)),
    ]


def _row(one: ClassSummary) -> tuple[str, ...]:
    return (
        one.label or "",
        str(one.rows),
        f"{one.mean_resultant_length:.6f}",
        f"{one.concentration:.7g}",
        _number(one.standard_error, 3),
        _interval(one.interval),
        f"{one.log_likelihood:.7g}",
    )


def _interval(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.6g} .. {interval[1]:.6g}"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}g}" if math.isfinite(value) else "-"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return with_options(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
