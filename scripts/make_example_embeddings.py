#!/usr/bin/env python3
"""Compute the ResNet50 embeddings of CIFAR-10 images that ship in ``examples/``.

    python scripts/make_example_embeddings.py --cifar10 DIR --weights FILE --out examples

The embedding of an image is the convolutional map before global pooling, ReLU applied, flattened
channel first: 32 pixels give 2048 x 1 x 1, 64 give 2048 x 2 x 2 (8192) and 128 give 2048 x 4 x 4
(32768). Images are enlarged bilinearly, without antialiasing, corners not aligned.

``--set shipped`` (the default) writes the float16 files of ``examples/``. They are computed in
float64 and rounded once, so that their bytes do not depend on a machine's convolution kernels.
``--set benchmark`` writes larger files, not shipped, computed and stored in float32.
Needs torch, torchvision, numpy and safetensors.

Sources
-------
--cifar10
    The binary version of CIFAR-10 (``test_batch.bin``, ``data_batch_1.bin``, ``batches.meta.txt``):
    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html. Its page asks for that citation and states no
    licence.
--weights
    The ImageNet ResNet50 of keras.io (MIT), stored under torchvision's key names. This is the first
    version of the architecture (K. He et al., "Deep Residual Learning for Image Recognition", 2015)
    and differs from torchvision's in two ways that its weights depend on: the stride of 2 that
    opens a stage is on the 1x1 convolution, and images are RGB in 0..255 minus a mean, without
    division by a standard deviation.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torchvision
from safetensors.torch import load_file

RECORD_BYTES = 1 + 3 * 32 * 32  # a label, then the R, G and B planes
IMAGENET_MEAN_RGB = (123.68, 116.779, 103.939)
LABELLED = "cifar10_resnet50_2048"  # the one set whose class names are written too
BATCH_PIXELS = 100 * 32 * 32  # bounds the memory: 100 images of 32 pixels, 6 of 128


class EmbeddingSet(NamedTuple):
    """What one output file holds: the first `count` images of a CIFAR-10 file, at one size."""

    name: str
    batch_file: str
    count: int
    pixels: int
    compute_dtype: torch.dtype
    stored_dtype: type[np.floating]


SETS = {
    "shipped": (
        EmbeddingSet(LABELLED, "test_batch.bin", 1000, 32, torch.float64, np.float16),
        EmbeddingSet(
            "cifar10_resnet50_32768", "test_batch.bin", 48, 128, torch.float64, np.float16
        ),
    ),
    "benchmark": (
        EmbeddingSet("features_2048_10k", "data_batch_1.bin", 10000, 32, torch.float32, np.float32),
        EmbeddingSet("features_32768_500", "data_batch_1.bin", 500, 128, torch.float32, np.float32),
    ),
}


def read_images(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `count` labels (count,) and images (count, 3, 32, 32), both uint8."""
    records = np.fromfile(path, np.uint8, count * RECORD_BYTES)
    if records.size != count * RECORD_BYTES:
        sys.exit(f"{path}: fewer than {count} records; give CIFAR-10's binary version, complete")
    records = records.reshape(count, RECORD_BYTES)
    if records[:, 0].max() > 9:
        sys.exit(f"{path}: a label is above 9; give CIFAR-10's binary version")
    return records[:, 0], records[:, 1:].reshape(count, 3, 32, 32)


def load_network(weights: Path) -> torch.nn.Module:
    """Return the keras.io ResNet50 up to its last convolutional map, in evaluation mode."""
    network = torchvision.models.resnet50(weights=None)
    for stage in (network.layer2, network.layer3, network.layer4):
        # torchvision puts this stride on the 3x3 convolution, where these weights would load
        # without complaint and give wrong features.
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    network.load_state_dict(load_file(weights), strict=True)
    convolutional = torch.nn.Sequential(*list(network.children())[:-2])  # without avgpool and fc
    return convolutional.eval()


@torch.inference_mode()
def embed(
    network: torch.nn.Module, images: np.ndarray, pixels: int, dtype: torch.dtype
) -> np.ndarray:
    """Return the flattened maps (count, 2048 (pixels / 32)^2) of `images`, in `dtype`, in order."""
    network = network.to(dtype)
    mean = torch.tensor(IMAGENET_MEAN_RGB, dtype=dtype).view(1, 3, 1, 1)
    batch = BATCH_PIXELS // pixels**2
    rows = []
    for start in range(0, len(images), batch):
        x = torch.from_numpy(images[start : start + batch]).to(dtype)
        if pixels != x.shape[-1]:
            x = torch.nn.functional.interpolate(
                x, size=(pixels, pixels), mode="bilinear", align_corners=False, antialias=False
            )
        rows.append(network(x - mean).flatten(1).numpy())
        print(f"\r{pixels} px: {start + len(x)} of {len(images)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return np.concatenate(rows)


def check(name: str, computed: np.ndarray, stored: np.ndarray) -> None:
    """Stop unless every stored row is finite and nonzero; print how much rounding moved R."""
    if not np.isfinite(stored).all():
        sys.exit(f"{name}: a feature is not finite in {stored.dtype}; store a wider type")
    norms = np.linalg.norm(stored.astype(np.float64), axis=1)
    if norms.min() == 0:
        sys.exit(f"{name}: row {norms.argmin()} is zero and has no direction")
    before, after = mean_resultant_length(computed), mean_resultant_length(stored)
    print(
        f"{name}.npy: {stored.shape[0]} x {stored.shape[1]} {stored.dtype}, "
        f"largest feature {stored.max():g}, R = {after:.10f}, "
        f"{after / before - 1:+.1e} relative to R before rounding"
    )


def mean_resultant_length(x: np.ndarray) -> float:
    """Return R = |mean of x_i / |x_i|| of the rows of x (n, p), in float64."""
    x = x.astype(np.float64)
    return float(np.linalg.norm((x / np.linalg.norm(x, axis=1, keepdims=True)).mean(axis=0)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cifar10", type=Path, required=True, metavar="DIR")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--set", choices=SETS, default="shipped", dest="which")
    args = parser.parse_args()
    batch_files = [item.batch_file for item in SETS[args.which]]
    for path in (*(args.cifar10 / f for f in ("batches.meta.txt", *batch_files)), args.weights):
        if not path.is_file():
            parser.error(f"{path}: no such file")

    args.out.mkdir(parents=True, exist_ok=True)
    network = load_network(args.weights)
    for item in SETS[args.which]:
        labels, images = read_images(args.cifar10 / item.batch_file, item.count)
        computed = embed(network, images, item.pixels, item.compute_dtype)
        stored = computed.astype(item.stored_dtype)
        check(item.name, computed, stored)
        np.save(args.out / f"{item.name}.npy", stored, allow_pickle=False)
        if item.name == LABELLED:
            class_names = (args.cifar10 / "batches.meta.txt").read_text().split()
            lines = ["label", *(class_names[label] for label in labels)]
            (args.out / f"{item.name}_labels.csv").write_bytes(("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
