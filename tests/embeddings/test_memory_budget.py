"""`--memory`: chunks that fit, an error where none does, and a peak that is below it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from vmf.embeddings import open_embeddings
from vmf.embeddings.writing import create_embeddings
from vmf.errors import EmbeddingError
from vmf.estimation import SufficientStatistics
from vmf.jobs.fit import fit_files
from vmf.passes import memory_budget
from vmf.passes.engine import Reading
from vmf.passes.memory_budget import MemoryBudget


@pytest.fixture
def file(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((1000, 250), np.float32))
    return open_embeddings(tmp_path / "x.npy")


def test_chunks_shrink_to_what_is_left(file, monkeypatch):
    monkeypatch.setattr(memory_budget, "resident_bytes", lambda: 50 << 20)
    monkeypatch.setattr(memory_budget, "SLACK", 0)
    assert MemoryBudget(10**9).chunk_bytes([file], 8 << 20, 0) == 8 << 20
    tight = MemoryBudget((50 << 20) + 6_000_000)
    assert tight.chunk_bytes([file], 8 << 20, 0) == 1_000_000
    assert tight.chunk_bytes([file], 8 << 20, 3_000_000) == 500_000


def test_too_little_is_said_with_what_would_do(file, monkeypatch):
    monkeypatch.setattr(memory_budget, "resident_bytes", lambda: 50_000_000)
    monkeypatch.setattr(memory_budget, "SLACK", 0)
    with pytest.raises(EmbeddingError, match=r"memory=50 MB is not enough: .* at least 51 MB"):
        MemoryBudget(50_000_000).chunk_bytes([file], 8 << 20, 0)
    assert MemoryBudget(50_006_000).chunk_bytes([file], 8 << 20, 0) == 1000


def test_a_file_that_unpacks_too_much_is_named(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as stored:
        stored.create_dataset("v", (50_000, 500), "f4", chunks=(50_000, 500), compression="gzip")
    with pytest.raises(EmbeddingError, match=r"of which .*x\.h5 needs 200 MB"):
        fit_files(
            [tmp_path / "x.h5"], reading=Reading(memory=memory_budget.resident_bytes() + 10**8)
        )


def test_what_exceeds_it_on_the_way_ends_with_an_error(file, monkeypatch):
    with pytest.raises(EmbeddingError, match=r"x\.npy: took .* more than memory="):
        MemoryBudget(memory_budget.resident_bytes() - 10**6).check(file)


def test_the_result_does_not_depend_on_it(tmp_path):
    rows = np.random.default_rng(2).standard_normal((5000, 64)).astype(np.float32) + 0.1
    np.save(tmp_path / "x.npy", rows)
    small = fit_files(
        [tmp_path / "x.npy"], reading=Reading(memory=memory_budget.resident_bytes() + (26 << 20))
    )
    assert small.statistics[0].dispersion == SufficientStatistics.from_rows(rows).dispersion


# Not ru_maxrss, in which a child counts what its parent had when it was forked.
FIT = """
import re, sys
from vmf.cli import app
try:
    app(["fit", *sys.argv[1:]])
finally:
    print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak as Linux gives it")
@pytest.mark.parametrize("name", ["x.npy", "x.parquet", "x.h5", "x.safetensors", "x.csv"])
def test_the_peak_stays_below(tmp_path, name):
    """200 MB in row groups and chunks of 25 MB, with 75 MB beyond what the libraries take."""
    rows = np.random.default_rng(3).standard_normal((50_000, 1000), dtype=np.float32)
    path = tmp_path / name
    if name == "x.npy":
        np.save(path, rows)
    elif name == "x.parquet":
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 1000)
        pq.write_table(pa.table({"v": lists}), path, row_group_size=5000)
    elif name == "x.csv":  # text is several times as large
        with create_embeddings(path, (3000, 1000)) as writer:
            writer.append(rows[:3000])
    elif name == "x.h5":
        with pytest.importorskip("h5py").File(path, "w") as file:
            file.create_dataset("v", data=rows, chunks=(5000, 1000))
    else:
        from safetensors.numpy import save_file

        save_file({"v": rows}, path)
    limit = 200_000_000 if name == "x.csv" else 300_000_000
    command = [sys.executable, "-c", FIT, str(path), "-o", str(tmp_path / "m.safetensors")]
    done = subprocess.run(
        [*command, "--memory", str(limit), "-q"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) * 1024 <= limit
