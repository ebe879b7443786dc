"""``vmf info``: what is in a model or an embedding file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.options import Column, Json


def info(
    path: Annotated[
        Path, typer.Argument(metavar="MODEL|FILE", help="A model, or a file of embeddings.")
    ],
    column: Column = None,
    json: Json = False,
) -> None:
    """Say what is in a model or an embedding file, without reading all of it.

    For example:

        vmf info model.safetensors
        vmf info features.parquet --column embedding --json
    """
    from vmf.cli.report import LEVEL, model_as_json, print_fields, print_json, print_model
    from vmf.embeddings import open_embeddings
    from vmf.model_file import is_model_file, load_model

    if path.is_file() and is_model_file(path):
        from vmf.model_summary import cautions, summarize

        model = load_model(path)
        summary = summarize(model, LEVEL)
        notes = cautions(model, summary)
        if json:
            print_json({"model": str(path), **model_as_json(model, summary, notes)})
        else:
            origin = ", ".join(model.sources[:3]) + (", ..." if len(model.sources) > 3 else "")
            print_model(f"{path}: model of {origin}", model, summary, notes)
        return
    file = open_embeddings(path, column)
    if json:
        print_json(
            {
                "file": str(path),
                "format": file.format,
                "rows": file.rows,
                "dimension": file.dimension,
                "dtype": str(file.dtype),
                "bytes": path.stat().st_size,
            }
        )
    else:
        print_fields(
            f"{path}: embeddings",
            [
                ("format", file.format),
                ("rows", str(file.rows)),
                ("dimension", str(file.dimension)),
                ("dtype", str(file.dtype)),
                ("size", f"{path.stat().st_size / 1e6:,.1f} MB"),
            ],
        )
