"""``vmf info``: what is in a model or an embedding file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.options import Column, Json


def info(
    path: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|FILE",
            help="A model, or embeddings: a file, folder, pattern or URL as for vmf fit.",
        ),
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
    from vmf.distribution.model import is_model_file, load_model
    from vmf.embeddings import open_embeddings
    from vmf.errors import listed

    if os.path.isfile(path) and is_model_file(Path(path)) and not _holds_embeddings(Path(path)):
        from vmf.distribution.summary import cautions, summarize

        model = load_model(Path(path))
        summary = summarize(model, LEVEL)
        notes = cautions(model, summary)
        if json:
            print_json({"model": path, **model_as_json(model, summary, notes)})
        else:
            print_model(f"{path}: model of {listed(model.sources, 3)}", model, summary, notes)
        return
    file = open_embeddings(path, column)
    formats = " and ".join(dict.fromkeys(part.format for part in file.parts))
    size = file.identity[1]
    if json:
        print_json(
            {
                "file": path,
                "format": formats,
                "files": len(file.parts),
                "rows": file.rows,
                "dimension": file.dimension,
                "dtype": str(file.dtype),
                "stored_as": file.stored_as,
                "bytes": size,
            }
        )
    else:
        print_fields(
            f"{path}: embeddings",
            [
                ("format", formats),
                ("files", str(len(file.parts))),
                ("rows", str(file.rows)),
                ("dimension", str(file.dimension)),
                ("stored as", file.stored_as),
                ("size", f"{size / 1e6:,.1f} MB"),
            ],
        )


def _holds_embeddings(path: Path) -> bool:
    """Whether a safetensors file is no model; a damaged one is left to who reads models."""
    from vmf.embeddings.safetensors import read_header
    from vmf.errors import EmbeddingError

    try:
        _, metadata = read_header(path)
    except EmbeddingError:
        return False
    return metadata.get("format") not in ("vmf-model", "vmf-checkpoint")
