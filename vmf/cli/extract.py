"""``vmf extract``: images to embeddings."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from vmf.cli.options import BadRows, Json, Quiet


class Split(str, Enum):
    """The two parts of CIFAR-10."""

    train = "train"
    test = "test"


class FeatureType(str, Enum):
    """Types of the features written."""

    float32 = "float32"
    float16 = "float16"


class Precision(str, Enum):
    """Number formats to compute in."""

    float32 = "float32"
    tf32 = "tf32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class StrideOn(str, Enum):
    """Convolutions of a ResNet that can hold the stride."""

    narrow = "1x1"
    wide = "3x3"


_IMAGES, _NETWORK, _COMPUTATION = "Images", "Network and weights", "Computation"


def extract(
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES",
            help="A folder of images, one folder a class or all in one; the folder of CIFAR-10's"
            " binary files, or one of them; 'cifar10' to download it; or package.module:factory of"
            " a dataset.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The features, a .npy file.")
    ],
    size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Pixels that the shorter side is brought to; the centre is then cut out. Without"
            " it: CIFAR-10 keeps its 32, others get what the weights were trained with.",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    split: Annotated[
        Split, typer.Option(help="Which images of CIFAR-10.", rich_help_panel=_IMAGES)
    ] = Split.train,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Only the first so many images.", rich_help_panel=_IMAGES),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:COLUMN]",
            help="One label an image (.npy, .npz, .txt, .csv, .parquet), instead of its folder.",
            rich_help_panel=_IMAGES,
        ),
    ] = None,
    data_folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where CIFAR-10 is downloaded to.", rich_help_panel=_IMAGES
        ),
    ] = None,
    on_bad_images: Annotated[
        BadRows,
        typer.Option(
            help="Images that cannot be read: stop with an error, or give them a row of NaN, which"
            " `vmf fit --on-bad-rows skip` leaves out.",
            rich_help_panel=_IMAGES,
        ),
    ] = BadRows.error,
    backbone: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A network of torchvision, up to its last map, or package.module:factory of your"
            " own, whose output is taken as it is.",
            rich_help_panel=_NETWORK,
        ),
    ] = "resnet50",
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="torchvision's name (IMAGENET1K_V2, DEFAULT), downloaded once; or a .safetensors"
            " or .pth file. Without it: DEFAULT, or what the factory has made.",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    description: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What must be known of a file of weights, JSON. By default the .json beside it."
            " The next five options replace single facts of it.",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    input_range: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="RANGE",
            help="Channels and range: 'RGB, 0..1', 'RGB, 0..255', 'BGR, 0..255', ...",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C", help="Subtracted from the channels.", rich_help_panel=_NETWORK
        ),
    ] = None,
    std: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="Divides the channels.", rich_help_panel=_NETWORK),
    ] = None,
    stride_on: Annotated[
        StrideOn | None,
        typer.Option(
            help="A ResNet's stride: on the 3x3 convolution (torchvision) or on the 1x1 (weights"
            " from Caffe and Keras).",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    batch_norm_epsilon: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Of every batch normalisation, where it is not the network's own.",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check",
            help="Compare the network with the fingerprint of its weights, or with the statistics"
            " in them.",
            rich_help_panel=_NETWORK,
        ),
    ] = True,
    pool: Annotated[
        bool,
        typer.Option(
            "--pool",
            help="Average the map over its positions instead of flattening it.",
            rich_help_panel=_NETWORK,
        ),
    ] = False,
    device: Annotated[
        str,
        typer.Option(help="auto, cpu, cuda, cuda:1, mps, ...", rich_help_panel=_COMPUTATION),
    ] = "auto",
    precision: Annotated[
        Precision, typer.Option(help="Of the computation.", rich_help_panel=_COMPUTATION)
    ] = Precision.float32,
    dtype: Annotated[
        FeatureType, typer.Option(help="Of the features in FILE.", rich_help_panel=_COMPUTATION)
    ] = FeatureType.float32,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images at a time; halved when memory runs out.",
            rich_help_panel=_COMPUTATION,
        ),
    ] = None,
    compiled: Annotated[
        bool,
        typer.Option("--compile", help="Compile the network first.", rich_help_panel=_COMPUTATION),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an extraction that was stopped.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew and replace FILE.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compute a network's features of images.

    Writes FILE.npy, one row an image; FILE.json, everything that decided about the numbers;
    FILE.labels.npy where the images have classes. A run that is stopped, even killed, goes on with
    --resume and ends with the same bytes. Several GPUs: torchrun --no-python --nproc-per-node N vmf
    extract ...

    For example:

        vmf extract cifar10 -o features.npy
        vmf extract cifar-10-batches-bin -o f.npy --size 128 --weights resnet50_v1.safetensors
        vmf extract photos/ -o photos.npy --backbone convnext_tiny --pool --device cuda
        vmf fit features.npy --labels features.labels.npy -o classes.safetensors
    """
    from vmf.cli.progress import progress_bar
    from vmf.features import extract as extract_features
    from vmf.features.journal import rows_kept

    facts: dict[str, Any] = {
        "input": input_range,
        "mean": _numbers("--mean", mean),
        "std": _numbers("--std", std),
        "stride_on": stride_on and stride_on.value,
        "batch_norm_epsilon": batch_norm_epsilon,
    }
    try:
        with progress_bar("extracting", wanted=not quiet, unit="images") as progress:
            done = extract_features(
                images,
                output,
                backbone=backbone,
                weights=weights,
                description=description,
                facts={key: fact for key, fact in facts.items() if fact is not None},
                size=size,
                pool=pool,
                split=split.value,
                data_folder=data_folder,
                limit=limit,
                labels=labels,
                dtype=dtype.value,
                batch_size=batch_size,
                device=device,
                precision=precision.value,
                compiled=compiled,
                on_bad_images=on_bad_images.value,
                check=check,
                overwrite=overwrite,
                resume=resume,
                progress=progress,
            )
    except (KeyboardInterrupt, SystemExit, OSError):
        if kept := rows_kept(output):
            typer.echo(f"vmf: {kept} rows are kept; go on with --resume", err=True)
        raise
    if not done.is_first:
        return
    from vmf.cli.report import print_fields, print_json

    if json:
        print_json(
            {
                "features": str(output),
                "labels": done.labels and str(done.labels),
                "names": done.names and str(done.names),
                "sidecar": str(done.sidecar),
                "computed": done.computed,
                "seconds": done.seconds,
                "images_per_second": done.images_per_second,
                **done.facts,
            }
        )
    elif not quiet:
        facts, missing = done.facts, len(done.facts["rows_without_features"])
        rate = f"{done.images_per_second:,.4g}" if done.computed else "none left to compute"
        print_fields(
            f"{images} -> {output}",
            [
                ("rows", str(done.rows)),
                ("dimension", f"{done.dimension} = {' x '.join(map(str, facts['shape']))}"),
                ("dtype", facts["dtype"]),
                ("network", _network(facts)),
                ("input", _input(facts)),
                ("checked", ", ".join(facts["checked"]) or "-"),
                ("device", f"{facts['computation']['model']}, {facts['computation']['precision']}"),
                ("images a second", rate),
                ("labels", done.labels.name if done.labels else "-"),
            ],
            [f"{missing} images could not be read; their rows are NaN."] if missing else [],
        )


def _numbers(option: str, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not three numbers A,B,C", param_hint=option
        ) from None


def _network(facts: dict[str, Any]) -> str:
    stride_on = facts["backbone"]["stride_on"]
    weights = facts["weights"]["name"]
    parts = [
        facts["backbone"]["name"],
        f"stride on {stride_on}" if stride_on else "",
        weights or "",
    ]
    return ", ".join(filter(None, parts))


def _input(facts: dict[str, Any]) -> str:
    preprocessing, resize = facts["preprocessing"], facts["resize"]
    if resize is None:
        return "as given"
    mean, std = (
        ", ".join(f"{number:g}" for number in preprocessing[key]) for key in ("mean", "std")
    )
    return (
        f"{resize['crop']} x {resize['crop']}, {preprocessing['input']}, minus ({mean}), divided by"
        f" ({std})"
    )
