"""What shows that weights are used wrongly: the fingerprint, and the batch normalisations' statistics.

    python -m benchmarks.network_checks --images cifar-10-batches-bin --weights resnet50_v1.safetensors

For the weights as published and for common mistakes in their use:

fingerprint     distance to the fingerprint of the right use, relative to its length, by which
                `vmf extract` refuses weights whose fingerprint is known (above 1e-3, with reduced
                precision 1e-2)
first variance  |log| of the ratio of the variance at the first batch normalisation to that of
                training, of 32 images at 128 pixels, the median over the channels; refused above 5
misfit          the same at all batch normalisations, their mean; another stride is refused when it
                fits 0.8 times as well or better
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from vmf.features import load_backbone
from vmf.features.batch_statistics import PIXELS, variance_misfits
from vmf.features.checks import sample_images
from vmf.features.device import Device, Precision
from vmf.features.embedding import Embedder
from vmf.features.fingerprint import Fingerprint, take_fingerprint
from vmf.features.geometry import Geometry
from vmf.features.open_images import open_images

MEAN = [123.68, 116.779, 103.939]
MISTAKES: dict[str, tuple[dict[str, Any], Precision]] = {
    "none": ({}, "float32"),
    "none, in bfloat16": ({}, "bfloat16"),
    "stride on the 3x3 convolution": ({"stride_on": "3x3"}, "float32"),
    "epsilon 1e-4 instead of 1e-5": ({"batch_norm_epsilon": 1e-4}, "float32"),
    "epsilon 1e-3 instead of 1e-5": ({"batch_norm_epsilon": 1e-3}, "float32"),
    "blue and red exchanged": ({"input": "BGR, 0..255", "mean": MEAN[::-1]}, "float32"),
    "no mean": ({"mean": [0.0, 0.0, 0.0]}, "float32"),
    "mean 128": ({"mean": [128.0, 128.0, 128.0]}, "float32"),
    "mean one too high": ({"mean": [value + 1 for value in MEAN]}, "float32"),
    "range 0..1": ({"input": "RGB, 0..1", "mean": [value / 255 for value in MEAN]}, "float32"),
    "as torchvision's weights": (
        {"input": "RGB, 0..1", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        "float32",
    ),
}


def measure(images: str, weights: str, pixels: int) -> list[dict[str, Any]]:
    """One row a mistake."""
    sample = sample_images(open_images(images))
    right: Fingerprint | None = None
    rows = []
    for mistake, (facts, precision) in MISTAKES.items():
        backbone = load_backbone("resnet50", weights, facts=facts)
        device = Device("cpu", precision)
        embedder = Embedder(backbone, device, Geometry(PIXELS, PIXELS), batch_size=1)
        found = take_fingerprint(embedder.map_of, pixels)
        right = right or found
        with device.computing():
            misfits = variance_misfits(backbone.module, lambda: backbone.features(sample))  # noqa: B023
        rows.append(
            {"mistake": mistake, "fingerprint": f"{right.distance(found):.1e}",
             "first variance": f"{misfits[0]:.2f}",
             "misfit": f"{sum(misfits) / len(misfits):.3f}"}
        )  # fmt: skip
        print(*rows[-1].values(), sep="  ", flush=True)
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.network_checks", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--images", required=True, help="as vmf extract takes them")
    parser.add_argument("--weights", required=True, help="the keras.io ResNet50")
    parser.add_argument("--pixels", type=int, default=64, help="of the fingerprint")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args(arguments)
    rows = measure(options.images, options.weights, options.pixels)
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *([row[key] for key in header] for row in rows)]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(f"torch {torch.__version__}\n\n{text}")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
