"""Rows that memory may not hold: the same evaluation, from a file."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")

from vmf.evaluation.row_store import RowStore, blocks_of, slices_of

from vmf.errors import EmbeddingError, MemoryBudgetError
from vmf.evaluation import evaluate
from vmf.evaluation import row_store as module
from vmf.passes.memory_budget import resident_bytes

RNG = np.random.default_rng(4)
CENTRES = RNG.standard_normal((5, 40))
LABELS = RNG.integers(0, 5, 600).astype(str)
ROWS = (CENTRES[LABELS.astype(int)] + 2 * RNG.standard_normal((600, 40))).astype(np.float32)


class Mapped(RowStore):
    """Keeps all rows in files."""

    used = 0

    def empty(self, shape, dtype):
        size = shape[0] * shape[1] * np.dtype(dtype).itemsize
        if not size:
            return super().empty(shape, dtype)
        self.used += 1
        return module._mapped(shape, np.dtype(dtype), size)


@pytest.mark.parametrize("how", [{}, {"held_out": ["3"]}, {"train": (ROWS, LABELS)}])
def test_the_figures_are_those_of_rows_in_memory(how, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", 100 * 40 * 4)
    expected = evaluate(ROWS, LABELS, replicates=20, **how).as_dict()
    store = Mapped()
    rows = store.taken(ROWS, np.arange(600))
    found = evaluate(rows, LABELS, replicates=20, store=store, **how).as_dict()
    assert found == expected
    assert store.used == (3 if "held_out" in how else 1)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 600])
def test_blocks_hold_every_row_once_in_order(count, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", 100 * 40 * 4)
    indices = RNG.permutation(600)[:count]
    blocks = list(blocks_of(ROWS, indices))
    assert sum(part.stop - part.start for part, _ in blocks) == count
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in blocks]), ROWS[indices])
    sizes = [part.stop - part.start for part in slices_of(ROWS, count)]
    assert max(sizes) <= 100
    assert max(sizes) - min(sizes) <= 1


def test_rows_are_mapped_when_memory_does_not_hold_them():
    spare = 50 << 20
    store = RowStore(resident_bytes() + module._WORK_BYTES + spare)
    small = store.empty((1000, 1000), np.float32)
    assert not isinstance(small, np.memmap)
    large = store.empty((20_000, 1000), np.float32)
    assert isinstance(large, np.memmap)
    large[-1] = 3.0
    assert large[-1].sum() == 3000
    with pytest.raises(MemoryBudgetError, match=r"--memory 50 MB is not enough: evaluating 7 rows"):
        RowStore(50_000_000).empty((7, 3), np.float32)


def test_no_room_for_the_file_is_one_line(monkeypatch):
    def full(descriptor, begin, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "posix_fallocate", full)
    with pytest.raises(EmbeddingError, match=r"has no room for 0\.1 GB of rows .*; set TMPDIR"):
        module._mapped((1000, 25_000), np.dtype(np.float32), 100_000_000)


PROGRAM = """
import sys, threading, time
from vmf.cli import app
peak, ended = 0, threading.Event()
def watch():
    global peak
    while not ended.wait(0.005):
        for line in open("/proc/self/status"):
            if line.startswith("RssAnon"):
                peak = max(peak, int(line.split()[1]))
thread = threading.Thread(target=watch)
thread.start()
try:
    app(sys.argv[1:], standalone_mode=False)
finally:
    ended.set()
    thread.join()
    print(peak)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory as Linux gives it")
def test_the_peak_stays_below(tmp_path):
    """480 MB of rows, 250 MB less than they and the work on them take."""
    rng = np.random.default_rng(0)
    labels = np.arange(3000) % 4
    rows = rng.standard_normal((3000, 40_000), dtype=np.float32)
    rows[:, :4] += 30 * np.eye(4, dtype=np.float32)[labels]
    np.save(tmp_path / "x.npy", rows)
    np.save(tmp_path / "y.npy", labels)
    limit = 750_000_000
    command = [sys.executable, "-c", PROGRAM, "evaluate", str(tmp_path / "x.npy")]
    command += ["--labels", str(tmp_path / "y.npy"), "--held-out", "3", "--replicates", "20"]
    done = subprocess.run(
        [*command, "--memory", str(limit), "--quiet"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) * 1024 <= limit
