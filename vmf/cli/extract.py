"""``vmf extract``: images to embeddings."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vmf.cli.options import Json, Quiet


class Split(str, Enum):
    """The two parts of CIFAR-10."""

    train = "train"
    test = "test"


class FeatureType(str, Enum):
    """Types of the features written."""

    float32 = "float32"
    float16 = "float16"


def extract(
    images: Annotated[
        Path, typer.Argument(metavar="IMAGES", help="A folder of CIFAR-10's binary files.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The features, a .npy file.")
    ],
    weights: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="A .safetensors file with its description, a .json of that name."
        ),
    ],
    backbone: Annotated[str, typer.Option(help="A network of torchvision.")] = "resnet50",
    size: Annotated[
        int, typer.Option(min=1, help="Pixels a side that images are brought to.")
    ] = 32,
    pool: Annotated[
        bool, typer.Option("--pool", help="Average the map over its positions.")
    ] = False,
    split: Annotated[Split, typer.Option(help="Which images of CIFAR-10.")] = Split.train,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many images.")] = None,
    dtype: Annotated[FeatureType, typer.Option(help="Of the features.")] = FeatureType.float32,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 256,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compute a network's features of images.

    For example:

        vmf extract cifar-10-batches-bin -o features.npy --weights resnet50_v1.safetensors
        vmf fit features.npy --labels features.labels.npy -o classes.safetensors
    """
    from vmf.cli.progress import progress_bar
    from vmf.cli.report import print_fields, print_json
    from vmf.features import extract as extract_features

    with progress_bar("extracting", wanted=not quiet, unit="images") as progress:
        done = extract_features(
            images,
            output,
            backbone=backbone,
            weights=weights,
            size=size,
            pool=pool,
            split=split.value,
            limit=limit,
            dtype=dtype.value,
            batch_size=batch_size,
            overwrite=overwrite,
            progress=progress,
        )
    if json:
        print_json(
            {
                "features": str(done.features),
                "labels": str(done.labels) if done.labels else None,
                "sidecar": str(done.sidecar),
                "rows": done.rows,
                "dimension": done.dimension,
                "images_per_second": done.images_per_second,
            }
        )
    elif not quiet:
        print_fields(
            f"{images.name} -> {output}",
            [
                ("rows", str(done.rows)),
                ("dimension", str(done.dimension)),
                ("images a second", f"{done.images_per_second:,.0f}"),
            ],
        )
