"""Every pass takes every option: one cell of the table a test.

Files are read in blocks of 7 rows, so that there are many.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vmf.distribution.model import load_model
from vmf.errors import EmbeddingError, MemoryBudgetError, PassStopped
from vmf.jobs.convert import convert_to_file
from vmf.jobs.fit import fit_files, fit_to_file
from vmf.jobs.score import score_to_file
from vmf.passes.engine import Reading
from vmf.passes.here import Here

ROWS, DIMENSION = 60, 12
SMALL = Reading(chunk_bytes=7 * 4 * DIMENSION)
RNG = np.random.default_rng(3)
GROUPS = RNG.standard_normal((3, DIMENSION)) * 2
PARTS = [
    (GROUPS[RNG.integers(0, 3, ROWS)] + RNG.standard_normal((ROWS, DIMENSION))).astype(np.float32)
    for _ in range(4)
]


@dataclass(frozen=True)
class Pass:
    """A job, and what its output says.

    `same` compares two outputs: to the bit, or up to the rounding of sums where an expectation is
    summed over other blocks.
    """

    run: Callable[..., Any]
    ending: str
    content: Callable[[Path], dict[str, np.ndarray]]
    exact: bool = True
    keeps_place: bool = False  # of rows that are left out, in its output

    def same(self, path: Path, other: Path) -> None:
        """Assert that two outputs say the same."""
        one, two = self.content(path), self.content(other)
        assert one.keys() == two.keys()
        for name, values in one.items():
            if self.exact:
                np.testing.assert_array_equal(values, two[name])
            else:
                np.testing.assert_allclose(values, two[name], rtol=1e-5, atol=1e-6)

    def rows(self, path: Path) -> float:
        """How many rows are in the output."""
        return float(self.content(path)["rows"].sum())


def _of_model(path: Path) -> dict[str, np.ndarray]:
    model = load_model(path)
    return {
        "rows": np.array([one.weight for one in model.statistics]),
        "mean_direction": model.mean_direction,
        "concentration": model.concentration,
    }


def _of_table(path: Path) -> dict[str, np.ndarray]:
    table = np.load(path)
    return {"rows": np.isfinite(table["log_density"])} | {n: table[n] for n in table.dtype.names}


def _of_rows(path: Path) -> dict[str, np.ndarray]:
    rows = np.load(path)
    return {"rows": np.ones(len(rows)), "values": rows}


def _score(paths, output, **how):
    return score_to_file(load_model(output.parent / "model.safetensors"), paths, output, **how)


def _mixture(paths, output, *, progress=None, **how):
    from vmf.jobs.mixture import fit_mixture_to_file

    told = None if progress is None else lambda _, done, total: progress(done, total)
    how = {"iterations": 6, "tolerance": 0.0, "seed": 1, "seconds": 0.0} | how
    return fit_mixture_to_file(paths, output, 3, progress=told, **how)


def _batches(paths, output, **how):
    return _mixture(paths, output, batch=50, **how)


def _fit(paths, output, **how):
    return fit_to_file(paths, output, seconds=0.0, **how)


PASSES = {
    "fit": Pass(_fit, ".safetensors", _of_model),
    "score": Pass(_score, ".npy", _of_table, keeps_place=True),
    "mixture": Pass(_mixture, ".safetensors", _of_model, exact=False),
    "mixture in batches": Pass(_batches, ".safetensors", _of_model, exact=False),
    "convert": Pass(convert_to_file, ".npy", _of_rows),
}


@pytest.fixture(params=PASSES)
def job(request) -> Pass:
    if request.param.startswith("mixture"):
        pytest.importorskip("sklearn")
    return PASSES[request.param]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four files, and the model of their rows."""
    (tmp_path / "parts").mkdir()
    for number, part in enumerate(PARTS):
        np.save(tmp_path / "parts" / f"{number}.npy", part)
    fit_to_file([tmp_path / "parts"], tmp_path / "model.safetensors")
    return tmp_path


@pytest.fixture(scope="module")
def runner():
    pytest.importorskip("distributed")
    from vmf.cluster import open_client
    from vmf.cluster.runner import Spread

    with open_client(workers=2) as client:
        yield Spread(client, SMALL.chunk_bytes, SMALL.chunk_bytes)


@pytest.fixture(params=["here", "cluster"])
def any_runner(request):
    return Here() if request.param == "here" else request.getfixturevalue("runner")


def outputs(job: Pass, folder: Path) -> tuple[Path, Path]:
    return folder / f"one{job.ending}", folder / f"two{job.ending}"


def test_a_cluster(job, folder, runner):
    here, there = outputs(job, folder)
    job.run([folder / "parts"], here, reading=SMALL)
    job.run([folder / "parts"], there, reading=SMALL, runner=runner)
    job.same(here, there)
    assert job.rows(there) == pytest.approx(4 * ROWS)


def test_bad_rows(job, folder, any_runner):
    bad = PARTS[1].copy()
    bad[5], bad[11, 3] = 0, np.nan
    np.save(folder / "parts" / "1.npy", bad)
    output, expected = outputs(job, folder)
    with pytest.raises(EmbeddingError, match=r"1\.npy: row 5: all values are zero"):
        job.run(
            [folder / "parts"],
            output,
            reading=replace(SMALL, on_bad_rows="error"),
            runner=any_runner,
        )
    assert not output.exists()
    skip = replace(SMALL, on_bad_rows="skip")
    job.run([folder / "parts"], output, reading=skip, runner=any_runner)
    assert job.rows(output) == pytest.approx(4 * ROWS - 2)
    if job.keeps_place:
        return
    np.save(folder / "parts" / "1.npy", np.delete(bad, [5, 11], 0))
    job.run([folder / "parts"], expected, reading=replace(SMALL, chunk_bytes=None))
    if job.exact:
        job.same(output, expected)


def test_bad_files(job, folder, any_runner):
    damaged = folder / "parts" / "2.npz"
    big = np.tile(PARTS[2], (40, 1)) + RNG.standard_normal((40 * ROWS, DIMENSION)).astype("f4")
    np.savez_compressed(damaged, v=big)
    (folder / "parts" / "2.npy").unlink()
    packed = bytearray(damaged.read_bytes())
    packed[3 * len(packed) // 4] ^= 1
    damaged.write_bytes(packed)
    (folder / "parts" / "4.npy").write_bytes((folder / "parts" / "3.npy").read_bytes()[:-8])
    output, expected = outputs(job, folder)
    with pytest.raises(EmbeddingError, match=r"4\.npy: is truncated"):
        job.run([folder / "parts"], output, reading=SMALL, runner=any_runner)
    assert not output.exists()
    skip = replace(SMALL, on_bad_files="skip")
    done = job.run([folder / "parts"], output, reading=skip, runner=any_runner)
    lines = done.model.left_out if hasattr(done, "model") else done.left_out
    assert [line.partition(": ")[0][-5:] for line in lines] == ["4.npy", "2.npz"]
    if job.keeps_place:
        table = np.load(output)
        lost = np.isnan(table["log_density"])
        assert len(table) == 43 * ROWS
        assert not lost[: 2 * ROWS].any()
        assert not lost[-ROWS:].any()
        assert lost[2 * ROWS : -ROWS].any()
        return
    assert job.rows(output) == pytest.approx(3 * ROWS)
    damaged.unlink()
    (folder / "parts" / "4.npy").unlink()
    job.run([folder / "parts"], expected, reading=SMALL, runner=any_runner)
    job.same(output, expected)


@pytest.mark.parametrize("first", ["here", "cluster"])
@pytest.mark.parametrize("then", ["here", "cluster"])
def test_a_checkpoint(job, folder, request, first, then):
    runners = {"here": Here()}
    if "cluster" in (first, then):
        runners["cluster"] = request.getfixturevalue("runner")
    whole, output = outputs(job, folder)
    job.run([folder / "parts"], whole, reading=SMALL, runner=runners[then])
    kept = folder / "kept.checkpoint"
    calls = []

    def stop(done: int, total: int) -> None:
        calls.append(done)
        if kept.exists() and len(calls) > 2:
            raise KeyboardInterrupt

    how = {"reading": SMALL, "checkpoint": kept}
    with pytest.raises(PassStopped, match=r"stopped after .* are kept in .*kept\.checkpoint"):
        job.run([folder / "parts"], output, runner=runners[first], progress=stop, **how)
    assert kept.exists()
    assert not output.exists()
    with pytest.raises(EmbeddingError, match="go on with resume=True, or remove it"):
        job.run([folder / "parts"], output, runner=runners[then], **how)
    before = len(calls)
    job.run(
        [folder / "parts"],
        output,
        runner=runners[then],
        resume=True,
        progress=lambda done, total: calls.append(done),
        **how,
    )
    assert not kept.exists()
    assert len(calls) > before
    job.same(whole, output)
    if first == then == "here":  # the very bytes
        exact = replace(job, exact=True)
        exact.same(whole, output)


def test_another_run_is_refused(job, folder):
    kept = folder / "kept.checkpoint"
    output, _ = outputs(job, folder)

    def stop(done: int, total: int) -> None:
        if kept.exists() and done:
            raise KeyboardInterrupt

    with pytest.raises(PassStopped):
        job.run([folder / "parts"], output, reading=SMALL, checkpoint=kept, progress=stop)
    before = kept.read_bytes()
    other = replace(SMALL, on_bad_rows="skip")
    with pytest.raises(EmbeddingError, match=r"belongs to another run \(bad rows"):
        job.run([folder / "parts"], output, reading=other, checkpoint=kept, resume=True)
    assert kept.read_bytes() == before
    with pytest.raises(EmbeddingError, match="resume=True needs the file to go on from"):
        job.run([folder / "parts"], output, resume=True)
    first = folder / "parts" / "0.npy"
    with pytest.raises(EmbeddingError, match="is also an input"):
        job.run([first], output, checkpoint=first)


def test_too_little_memory_is_said_before_anything_is_written(job, folder, any_runner):
    output, _ = outputs(job, folder)
    with pytest.raises(
        MemoryBudgetError, match=r"memory=.* is not enough|does not fit into memory"
    ):
        job.run([folder / "parts"], output, reading=Reading(memory=10**6), runner=any_runner)
    assert not output.exists()
    job.run([folder / "parts"], output, reading=Reading(memory=10**10), runner=any_runner)
    assert job.rows(output) == pytest.approx(4 * ROWS)


def test_progress(job, folder, any_runner):
    output, _ = outputs(job, folder)
    calls = []
    job.run(
        [folder / "parts"],
        output,
        reading=SMALL,
        runner=any_runner,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls[-1] == (4 * ROWS, 4 * ROWS)
    assert len(calls) >= 4


def test_blocks_are_read_ahead(job, folder):
    seen = set()
    output, _ = outputs(job, folder)

    def look(done: int, total: int) -> None:
        seen.update(thread.name for thread in threading.enumerate())

    job.run([folder / "parts"], output, reading=SMALL, progress=look)
    assert "vmf-read-ahead" in seen


def test_small_files_of_a_network_are_read_at_once(job, folder, far):
    output, expected = outputs(job, folder)
    job.run([folder / "parts"], expected, reading=replace(SMALL, chunk_bytes=None))
    far.most = 0
    job.run(["far://parts"], output)
    assert far.most >= 3
    job.same(output, expected)


@pytest.fixture
def far(folder, monkeypatch):
    """A file system that waits for a network, with the files; `most` counts how many wait at once."""
    fsspec = pytest.importorskip("fsspec")
    import sys

    from fsspec.implementations.local import LocalFileSystem

    class Far(LocalFileSystem):
        protocol = "far"
        async_impl = True  # what fsspec's own network file systems say
        cachable = False
        most = 0
        waiting = 0
        lock = threading.Lock()

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            name = str(path).removeprefix("far://")
            return name if name.startswith("/") else str(folder / name)

        def _open(self, path: str, mode: str = "rb", **more: Any) -> Any:
            with Far.lock:
                Far.waiting += 1
                Far.most = max(Far.most, Far.waiting)
            time.sleep(0.05)
            with Far.lock:
                Far.waiting -= 1
            return super()._open(path, mode, **more)

    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "far", Far)
    assert fsspec.filesystem("far").ls("parts")
    return Far


def test_a_file_that_changes_after_its_last_row_counts_for_nothing(folder, any_runner):
    """What is wrong shows when the last block has been used already."""
    whole = fit_files([folder / "parts" / f"{n}.npy" for n in (0, 2, 3)])
    touched = []

    def touch(done: int, total: int) -> None:
        if not touched:
            touched.append(os.utime(folder / "parts" / "1.npy", ns=(1, 1)))

    reading = replace(SMALL, on_bad_files="skip")
    calls = []
    model = fit_files(
        [folder / "parts"],
        reading=reading,
        runner=any_runner,
        progress=lambda done, total: (touch(done, total), calls.append(done)),
    )
    assert calls == [ROWS, 2 * ROWS, 3 * ROWS, 4 * ROWS]
    assert [line.partition(": ")[0][-5:] for line in model.left_out] == ["1.npy"]
    assert model.statistics[0].count == 3 * ROWS
    assert model.concentration == whole.concentration


def test_a_file_that_breaks_in_a_later_pass_is_an_error(folder):
    pytest.importorskip("sklearn")
    calls = []

    def touch(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 8:
            os.utime(folder / "parts" / "1.npy", ns=(1, 1))

    reading = replace(SMALL, on_bad_files="skip")
    with pytest.raises(EmbeddingError, match=r"1\.npy: changed while it was read"):
        _mixture([folder / "parts"], folder / "m.safetensors", reading=reading, progress=touch)
    assert not (folder / "m.safetensors").exists()


def test_a_checkpoint_with_a_flipped_bit_is_refused(folder):
    kept, output = folder / "kept.checkpoint", folder / "m.safetensors"

    def stop(done: int, total: int) -> None:
        if kept.exists() and done:
            raise KeyboardInterrupt

    with pytest.raises(PassStopped):
        _fit([folder / "parts"], output, reading=SMALL, checkpoint=kept, progress=stop)
    good = kept.read_bytes()
    for place in (len(good) - 5, len(good) - 200):
        damaged = bytearray(good)
        damaged[place] ^= 1
        kept.write_bytes(damaged)
        with pytest.raises(EmbeddingError, match="is a damaged checkpoint"):
            _fit([folder / "parts"], output, reading=SMALL, checkpoint=kept, resume=True)
    kept.write_bytes(good)
    _fit([folder / "parts"], output, reading=SMALL, checkpoint=kept, resume=True)


def test_batches_are_no_passes(folder):
    pytest.importorskip("sklearn")
    kept, output = folder / "kept.checkpoint", folder / "m.safetensors"

    def stop(done: int, total: int) -> None:
        if kept.exists() and done:
            raise KeyboardInterrupt

    for begun, other in ((_batches, _mixture), (_mixture, _batches)):
        with pytest.raises(PassStopped):
            begun([folder / "parts"], output, reading=SMALL, checkpoint=kept, progress=stop)
        with pytest.raises(EmbeddingError, match=r"another run \(batch "):
            other([folder / "parts"], output, reading=SMALL, checkpoint=kept, resume=True)
        kept.unlink()


def test_the_checkpoint_is_a_file_of_its_own(job, folder):
    output, _ = outputs(job, folder)
    with pytest.raises(EmbeddingError, match="give it a name of its own"):
        job.run([folder / "parts"], output, reading=SMALL, checkpoint=output)
    assert not output.exists()
