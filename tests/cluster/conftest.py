"""A cluster of two processes for all tests, small files, and blocks that make many of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vmf.cluster import open_client
from vmf.passes.engine import Reading

ROWS, DIMENSION = 6000, 24
CHUNK_BYTES = 50 * 4 * DIMENSION


@pytest.fixture(scope="session")
def client():
    with open_client(workers=2) as client:
        yield client


@pytest.fixture(scope="session")
def rows():
    rng = np.random.default_rng(11)
    return (rng.standard_normal((ROWS, DIMENSION)) + 0.4).astype(np.float32)


@pytest.fixture
def folder(tmp_path, rows) -> Path:
    np.save(tmp_path / "a.npy", rows[:2501])
    np.save(tmp_path / "b.npy", rows[2501:2600].astype(np.float64))
    np.save(tmp_path / "c.npy", rows[2600:])
    np.save(tmp_path / "y.npy", np.arange(ROWS) % 3)
    return tmp_path


@pytest.fixture
def files(folder) -> list[Path]:
    return [folder / "a.npy", folder / "b.npy", folder / "c.npy"]


@pytest.fixture(scope="session")
def runner(client):
    """Blocks of 50 rows of these files, with `small()`."""
    from vmf.cluster.runner import Spread

    return Spread(client, CHUNK_BYTES, CHUNK_BYTES)


def small(**more) -> Reading:
    """How files are read in chunks of 50 rows."""
    return Reading(chunk_bytes=CHUNK_BYTES, **more)
