"""Kill an extraction at random moments, resume it, and compare it with one that was left alone.

    python kill_and_resume.py IMAGES FOLDER KILLS SEED

The processes are forked from this one, so that a kill hits the extraction and not the import of
torch. Prints how many processes were killed and how many rows the unfinished files held, or stops
with an assertion.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
import torchvision  # noqa: F401

from vmf.features import checks, extract
from vmf.features.journal import rows_kept

FACTS = {"input": "RGB, 0..1", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


def start(images: Path, output: Path) -> int:
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        extract(
            images, output, backbone="tiny_networks:slow", facts=FACTS, batch_size=3, resume=True
        )
        os._exit(0)
    return child


def main() -> None:
    images, folder, kills, seed = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
    assert checks
    chance = random.Random(seed)

    def contents(name: str) -> list[bytes]:
        endings = ("npy", "labels.npy", "json")
        return [(folder / f"{name}.{ending}").read_bytes() for ending in endings]

    begin = time.monotonic()
    assert os.waitpid(start(images, folder / "whole.npy"), 0)[1] == 0
    duration = time.monotonic() - begin

    killed, kept, round_ = 0, [], 0
    while killed < kills:
        output = folder / f"killed{round_}.npy"
        round_ += 1
        while True:
            child = start(images, output)
            time.sleep(chance.uniform(0, 1.2 * duration))
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            if status == 0:
                break
            assert os.WTERMSIG(status) == signal.SIGKILL, status
            assert not output.exists() or contents(output.stem) == contents("whole")
            killed += 1
            kept.append(rows_kept(output))
        assert contents(output.stem) == contents("whole"), f"seed {seed}, {output}"
    left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert not left, left
    print(killed, *kept)


if __name__ == "__main__":
    main()
