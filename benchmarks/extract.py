"""`vmf extract` beside the bare network, its features by three paths, and its survival of kills.

    python -m benchmarks.extract --images cifar-10-batches-bin --weights resnet50_v1.safetensors
    python -m benchmarks.extract --images ... --weights ... --parts speed --sizes 32 --rounds 15
    python -m benchmarks.extract --images ... --weights ... --parts kills --limit 1000 --kills 10

speed       Images a second of the whole extraction (read, resize, preprocess, compute, write and note
            each batch) and of the bare network: `network(batch)` on the same batches, preprocessed
            and in memory, nothing kept. Both sides alternate within one process; a ratio is taken of
            each pair and the median over the pairs is shown. At 32 pixels it must be >= 0.9.
agreement   R and kappa of the features of `--limit` images, by NumPy in float64, by the command
            `vmf fit` and by torch in float64. They must agree to 1e-12.
kills       The command, killed with SIGKILL at random moments between its start and its end,
            begun anew with --resume each time until `--kills` kills have hit it. Whenever it ends,
            its files must hold the same bytes as those of a run that was left alone.

variants    Images a second of processor time, on one thread, of the network as it is and in other
            forms: channels last, bfloat16, both, compiled (minutes; only when asked for). Processor
            time, so that it can be measured on a busy machine.
batches     Whether batches of other sizes give the same bits (only when asked for).

The exit code is 1 if one of these fails.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vmf.features import Backbone, extract, load_backbone
from vmf.features.images import Images, stack
from vmf.features.journal import rows_kept
from vmf.features.open_images import open_images

SPEED_BAR, AGREEMENT_BAR = 0.9, 1e-12
COUNTS = {32: 1024, 64: 256, 128: 64}  # images a side and round: about two seconds on two cores
PACKAGES = ("vmf-toolkit", "torch", "torchvision", "numpy")
VMF = [sys.executable, "-c", "from vmf.cli import app; app(prog_name='vmf')"]

Row = dict[str, Any]


def bare_forward(backbone: Backbone, batches: list[torch.Tensor]) -> float:
    """Images a second of the network alone."""
    with torch.inference_mode():
        begin = time.perf_counter()
        for batch in batches:
            backbone.module(batch)
        return sum(map(len, batches)) / (time.perf_counter() - begin)


def prepared_batches(
    backbone: Backbone, images: Images, size: int, count: int, batch: int
) -> list[torch.Tensor]:
    """The network's inputs, in memory."""
    preprocessing = backbone.description.preprocessing
    assert preprocessing is not None
    pixels = torch.from_numpy(stack(images.read(0, count))).float()
    if size != pixels.shape[-1]:
        pixels = torch.nn.functional.interpolate(pixels, size=(size, size), mode="bilinear")
    return list(preprocessing.apply(pixels).split(batch))


def speed(options: argparse.Namespace, folder: Path) -> list[Row]:
    """Both sides at every size."""
    backbone = load_backbone(options.backbone, options.weights)
    images = open_images(options.images)
    rows = []
    for size in options.sizes:
        count = min(len(images), options.count or COUNTS.get(size, 256))
        how: Row = {"backbone": backbone, "size": size, "limit": count, "overwrite": True}
        done = extract(options.images, folder / "speed.npy", **how)
        inputs = prepared_batches(backbone, images, size, count, done.facts["batches"]["size"])
        pairs = []
        for _ in range(options.rounds):
            bare = bare_forward(backbone, inputs)
            done = extract(options.images, folder / "speed.npy", **how, check=False)
            pairs.append((bare, done.images_per_second))
        ratios = [ours / bare for bare, ours in pairs]
        rows.append(
            {"pixels": size, "dimension": done.dimension, "images a round": count,
             "batch": done.facts["batches"]["size"], "rounds": options.rounds,
             "bare network, images/s": statistics.median(bare for bare, _ in pairs),
             "vmf extract, images/s": statistics.median(ours for _, ours in pairs),
             "ratio": statistics.median(ratios),
             "quartiles": "{:.3f} .. {:.3f}".format(*np.quantile(ratios, [0.25, 0.75]))}
        )  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def agreement(options: argparse.Namespace, folder: Path) -> list[Row]:
    """R and kappa of the same features by three paths."""
    from vmf.experiments.feature_sets import FeatureRows, FeatureSet
    from vmf.experiments.vmf_cifar10 import agreement_rows

    backbone = load_backbone(options.backbone, options.weights)
    rows = []
    for size in options.sizes:
        path = folder / f"features{size}.npy"
        done = extract(options.images, path, backbone=backbone, size=size, limit=options.limit)
        read = FeatureRows(path)
        for found in agreement_rows(FeatureSet(f"{size} pixels", done.dimension, read, read, "")):
            rows.append({"images": done.rows, "dimension": done.dimension, **found})
            print(rows[-1], flush=True)
        path.unlink()
    return rows


def kills(options: argparse.Namespace, folder: Path) -> list[Row]:
    """The command, killed at random moments and resumed."""
    chance = random.Random(options.seed)

    def command(output: Path) -> list[str]:
        return [
            *VMF, "extract", str(options.images), "--weights", str(options.weights), "--backbone",
            options.backbone, "--size", str(options.sizes[0]), "--limit", str(options.limit),
            "--resume", "--quiet", "-o", str(output),
        ]  # fmt: skip

    def contents(output: Path) -> list[bytes]:
        return [
            output.with_suffix(ending).read_bytes() for ending in (".npy", ".labels.npy", ".json")
        ]

    whole = folder / "whole.npy"
    begin = time.perf_counter()
    subprocess.run(command(whole), check=True)
    duration = time.perf_counter() - begin
    expected, rows, hits, completed = contents(whole), [], 0, 0
    while hits < options.kills:
        output = folder / f"killed{completed}.npy"
        while True:
            process = subprocess.Popen(command(output))
            moment = chance.uniform(0, duration)
            try:
                process.wait(moment)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                hits += 1
                rows.append(
                    {"kill": hits, "after, s": round(moment, 2), "rows kept": rows_kept(output)}
                )
                print(rows[-1], flush=True)
            if hits >= options.kills:  # let the last one end
                process = subprocess.Popen(command(output))
                process.wait()
                break
        if process.returncode != 0 or contents(output) != expected:
            rows.append({"kill": hits, "after, s": "", "rows kept": "**other bytes**"})
            return rows
        completed += 1
    rows.append({"kill": "", "after, s": "", "rows kept": f"{completed} files, all the same bytes"})
    return rows


def variants(options: argparse.Namespace, folder: Path) -> list[Row]:
    """The network in other forms."""
    torch.set_num_threads(1)
    plain, last = (load_backbone(options.backbone, options.weights).module for _ in range(2))
    last.to(memory_format=torch.channels_last)
    images, rows = open_images(options.images), []
    backbone = load_backbone(options.backbone, options.weights)
    for size in options.sizes:
        forms: dict[str, tuple[torch.nn.Module, torch.memory_format, bool]] = {
            "as it is": (plain, torch.contiguous_format, False),
            "channels last": (last, torch.channels_last, False),
            "bfloat16": (plain, torch.contiguous_format, True),
            "bfloat16, channels last": (last, torch.channels_last, True),
            "compiled": (torch.compile(plain), torch.contiguous_format, False),
        }
        batch = max(1, 128 * 32 * 32 // size**2)
        (inputs, *_) = prepared_batches(backbone, images, size, batch, batch)
        found: dict[str, list[float]] = {name: [] for name in forms}
        for _ in range(options.rounds + 1):  # the first round compiles
            for name, (network, layout, reduced) in forms.items():
                begin = time.process_time()
                with torch.inference_mode(), torch.autocast("cpu", enabled=reduced):
                    network(inputs.contiguous(memory_format=layout))
                found[name].append(len(inputs) / (time.process_time() - begin))
        rates = {name: statistics.median(times[1:]) for name, times in found.items()}
        rows.append({"pixels": size, "batch": batch, **rates})
        print(rows[-1], flush=True)
    return rows


def batches(options: argparse.Namespace, folder: Path) -> list[Row]:
    """Features by batches of other sizes, beside those by the size that is chosen."""
    backbone, path = load_backbone(options.backbone, options.weights), folder / "batches.npy"
    rows = []
    for size in options.sizes:
        how: Row = {"backbone": backbone, "size": size, "limit": 128 * 32 // size}
        how |= {"overwrite": True, "check": False}
        done = extract(options.images, path, **how)
        expected = np.load(path)
        for batch in (1, 7, 32, 64, 128):
            extract(options.images, path, **how, batch_size=batch)
            found = np.load(path)
            rows.append(
                {"pixels": size, "images": done.rows, "batch": batch,
                 "chosen": done.facts["batches"]["size"],
                 "same bits": "yes" if np.array_equal(found, expected) else "no",
                 "relative difference": float(
                     np.linalg.norm(found - expected) / np.linalg.norm(expected)
                 )}
            )  # fmt: skip
            print(rows[-1], flush=True)
    return rows


def table(rows: list[Row]) -> str:
    """A Markdown table."""
    header = list(rows[0])
    cells = [
        [f"{row[key]:.4g}" if isinstance(row[key], float) else str(row[key]) for key in header]
        for row in rows
    ]
    lines = [header, ["---"] * len(header), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def failures(found: dict[str, list[Row]]) -> list[str]:
    """What is above its bar."""
    wrong = [
        f"{row['pixels']} pixels: {row['ratio']:.3f} of the bare network's images/s"
        for row in found.get("speed", [])
        if row["pixels"] == 32 and row["ratio"] < SPEED_BAR
    ]
    wrong += [
        f"{row['features']}, {row['path']}: {key} is {row[key]:.1e}"
        for row in found.get("agreement", [])
        for key in row
        if key.endswith("difference") and not row[key] <= AGREEMENT_BAR
    ]
    wrong += [
        "a resumed run ended with other bytes"
        for row in found.get("kills", [])
        if "other bytes" in str(row["rows kept"])
    ]
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Run the parts and print their tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.extract", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--images", required=True, help="as vmf extract takes them")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--backbone", default="resnet50")
    parts = {"speed": speed, "agreement": agreement, "kills": kills, "variants": variants}
    parts["batches"] = batches
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts)[:3])
    parser.add_argument("--sizes", nargs="+", type=int, default=[32, 64, 128])
    parser.add_argument("--rounds", type=int, default=15, help="of speed")
    parser.add_argument("--count", type=int, help="images a round of speed")
    parser.add_argument("--limit", type=int, default=1000, help="images of the other two")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    text = f"{versions}; {options.threads} threads, {torch.backends.cpu.get_cpu_capability()}\n"
    print(text, f"seed {options.seed}", sep="")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.parts:
            found[name] = parts[name](options, Path(folder))
            text += f"\n## {name}\n\n{table(found[name])}"
            print(f"\n{name}\n{table(found[name])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(text)
    wrong = failures(found)
    for line in wrong:
        print(f"FAILED: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
