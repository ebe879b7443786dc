from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from extracting import CIFAR10_IMAGES, HERE, Output


@pytest.fixture(autouse=True)
def factories_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(HERE), *sys.path])
    monkeypatch.setenv("PYTHONPATH", str(HERE))


@pytest.fixture
def cifar10_images() -> Path:
    """The first 48 test images, real ones, as a piece of the official binary file."""
    if not CIFAR10_IMAGES.is_file():
        pytest.skip("the example images are not in this distribution")
    return CIFAR10_IMAGES


@pytest.fixture
def random_images(tmp_path: Path) -> Path:
    """Twenty records of noise in CIFAR-10's binary format."""
    records = np.random.default_rng(0).integers(0, 256, (20, 3073), np.uint8)
    records[:, 0] %= 10
    path = tmp_path / "noise.bin"
    records.tofile(path)
    return path


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(tmp_path / "output")


@pytest.fixture
def plain_options() -> list[str]:
    """What a factory's network needs to be told."""
    return ["--input", "RGB, 0..1", "--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25"]
