from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.features.extracting import CIFAR10_IMAGES, HERE, Output


@pytest.fixture(scope="session")
def factories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one's own with a network in it, and the program that is killed while it uses it.

    This folder itself never stands in the search path: no name of a test may hide a library.
    """
    folder = tmp_path_factory.mktemp("factories")
    for name in ("tiny_networks.py", "kill_and_resume.py"):
        shutil.copy(HERE / name, folder)
    return folder


@pytest.fixture(autouse=True)
def factories_can_be_imported(factories: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``--backbone tiny_networks:FACTORY`` find it here and in other processes."""
    monkeypatch.syspath_prepend(factories)
    monkeypatch.setenv("PYTHONPATH", str(factories))


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
