"""Scores of a run that ends early are kept, and the table is that of a whole run."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.libraries import needs_format
from vmf.distribution.model import save_model
from vmf.errors import EmbeddingError, PassStopped
from vmf.jobs.fit import fit_files
from vmf.jobs.score import score_to_file
from vmf.passes.engine import Reading
from vmf.passes.journal import RowJournal

ROWS, DIMENSION = 3000, 20

# In chunks of 20 rows, as slow as a large file.
DRIVER = """
import sys, time
from vmf.jobs import score
from vmf.passes import engine
engine.Reading.chunk_bytes_for = lambda self, task: 20 * 4 * 20
whole = score.score_chunk
def slow(*arguments):
    time.sleep(0.002)
    return whole(*arguments)
score.score_chunk = slow
from vmf.cli import app
app(sys.argv[1:], prog_name='vmf')
"""


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(4)
    rows = (rng.standard_normal((ROWS, DIMENSION)) + 0.5).astype(np.float32)
    rows[1700] = 0
    rows[5] *= 2
    np.save(tmp_path / "a.npy", rows[:1111])
    np.save(tmp_path / "b.npy", rows[1111:])
    np.save(tmp_path / "y.npy", np.arange(ROWS) % 3)
    model = fit_files(
        [tmp_path / "a.npy", tmp_path / "b.npy"],
        labels=[tmp_path / "y.npy"],
        reading=Reading(on_bad_rows="skip"),
    )
    save_model(model, tmp_path / "m.safetensors")
    return tmp_path, model


CHUNK_BYTES = 20 * 4 * DIMENSION
SKIP = Reading(on_bad_rows="skip", chunk_bytes=CHUNK_BYTES)
HOW = {"reading": SKIP, "resume": True}


def score(folder, model, output, progress=None, **how):
    files = [folder / "a.npy", folder / "b.npy"]
    how = {**HOW, "checkpoint": folder / "c.ckpt"} | how
    return score_to_file(model, files, folder / output, progress=progress, **how)


def stop_after(rows):
    def progress(done, total):
        assert total == ROWS
        if done >= rows:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("output", ["s.csv", "s.npy", "s.parquet"])
def test_stopped_and_gone_on_with_it_is_the_same_table(folder, output):
    needs_format(output)
    folder, model = folder
    whole = score(folder, model, "whole." + output, checkpoint=None, resume=False)
    for rows in (20, 500, 1120, 2990):
        with pytest.raises(
            PassStopped, match=r"rows, which are kept in .*c.ckpt; the same command"
        ):
            score(folder, model, output, stop_after(rows))
        assert not (folder / output).exists()
    with pytest.raises(EmbeddingError, match="go on with resume=True, or remove it"):
        score(folder, model, output, resume=False)
    assert score(folder, model, output) == whole
    assert (folder / output).read_bytes() == (folder / ("whole." + output)).read_bytes()
    assert not (folder / "c.ckpt").exists()


def test_what_was_scored_is_not_read_again(folder, monkeypatch):
    folder, model = folder
    with pytest.raises(PassStopped):
        score(folder, model, "s.csv", stop_after(1200))
    read = []
    from vmf.jobs import score as scoring

    whole = scoring.score_chunk

    def counted(scorer, rows, on_bad_rows, first_row):
        read.append(len(rows))
        return whole(scorer, rows, on_bad_rows, first_row)

    monkeypatch.setattr(scoring, "score_chunk", counted)
    score(folder, model, "s.csv")
    assert sum(read) <= ROWS - 1200


@pytest.mark.parametrize("cut", [1, 20, 200, 5000])
def test_a_block_cut_short_is_done_again(folder, cut):
    folder, model = folder
    score(folder, model, "whole.npy", checkpoint=None, resume=False)
    with pytest.raises(PassStopped):
        score(folder, model, "s.npy", stop_after(2000))
    kept = (folder / "c.ckpt").read_bytes()
    (folder / "c.ckpt").write_bytes(kept[:-cut])
    score(folder, model, "s.npy")
    assert (folder / "s.npy").read_bytes() == (folder / "whole.npy").read_bytes()
    damaged = bytearray(kept)
    damaged[len(kept) // 2] ^= 1  # a page that a power failure lost
    (folder / "c.ckpt").write_bytes(damaged)
    score(folder, model, "s.npy")
    assert (folder / "s.npy").read_bytes() == (folder / "whole.npy").read_bytes()


def test_another_run_cannot_be_gone_on_with(folder):
    folder, model = folder
    with pytest.raises(PassStopped):
        score(folder, model, "s.csv", stop_after(500))
    other = fit_files([folder / "a.npy"])
    with pytest.raises(EmbeddingError, match=r"another run \(another model\)"):
        score(folder, other, "s.csv")
    with pytest.raises(EmbeddingError, match="bad rows skip, now error"):
        score(folder, model, "s.csv", reading=Reading(chunk_bytes=CHUNK_BYTES))
    np.save(folder / "b.npy", np.ones((3, DIMENSION), np.float32))
    with pytest.raises(EmbeddingError, match=r"b\.npy has changed"):
        score(folder, model, "s.csv")


@pytest.mark.parametrize("content", [b"x", b"{}\n", b'{"format": 1}\n', b"\0" * 100, b"[" * 9999])
def test_what_is_no_checkpoint_is_left_alone(folder, content):
    folder, model = folder
    (folder / "c.ckpt").write_bytes(content)
    with pytest.raises(EmbeddingError, match=r"c\.ckpt: is not a checkpoint of vmf score"):
        score(folder, model, "s.csv")
    assert (folder / "c.ckpt").read_bytes() == content


def test_nothing_scored_leaves_nothing(folder):
    folder, model = folder
    np.save(folder / "a.npy", np.zeros((5, DIMENSION), np.float32))
    with pytest.raises(EmbeddingError, match="row 0"):
        score(folder, model, "s.csv", reading=Reading(chunk_bytes=CHUNK_BYTES))
    assert not (folder / "c.ckpt").exists()
    with pytest.raises(EmbeddingError, match="resume=True needs"):
        score(folder, model, "s.csv", checkpoint=None)


def test_files_that_were_left_out_stay_so(folder):
    folder, model = folder
    rows = np.random.default_rng(0).standard_normal((4000, DIMENSION)).astype(np.float32)
    np.savez_compressed(folder / "b.npz", v=rows)
    packed = bytearray((folder / "b.npz").read_bytes())
    packed[len(packed) // 2] ^= 1
    (folder / "b.npz").write_bytes(packed)
    (folder / "b.npy").unlink()
    files = [folder / "b.npz", folder / "a.npy"]
    reading = replace(SKIP, on_bad_files="skip")
    how = {"reading": reading, "resume": True, "checkpoint": folder / "c.ckpt"}

    def stop(done, total):
        if done > 4500:
            raise KeyboardInterrupt

    whole = score_to_file(model, files, folder / "w.npy", reading=reading)
    with pytest.raises(PassStopped):
        score_to_file(model, files, folder / "s.npy", progress=stop, **how)
    assert score_to_file(model, files, folder / "s.npy", **how) == whole
    assert len(whole.left_out) == 1
    assert (folder / "s.npy").read_bytes() == (folder / "w.npy").read_bytes()


def size_of(path: Path) -> int:
    """0 where there is none, or none any more."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_killed_at_random_moments_it_ends_with_the_same_bytes(folder):
    needs_format(".parquet")
    folder, model = folder
    score(folder, model, "whole.parquet", checkpoint=None, resume=False)
    arguments = [
        "score",
        str(folder / "m.safetensors"),
        str(folder / "a.npy"),
        str(folder / "b.npy"),
    ]
    arguments += ["-o", str(folder / "s.parquet"), "--on-bad-rows", "skip"]
    arguments += ["--checkpoint", str(folder / "c.ckpt"), "--resume"]
    moments = random.Random(1)
    kills = 0
    for _ in range(40):
        with subprocess.Popen([sys.executable, "-c", DRIVER, *arguments]) as process:
            deadline = time.monotonic() + 60
            target = size_of(folder / "c.ckpt") + moments.randrange(600, 20_000)
            while process.poll() is None and time.monotonic() < deadline:
                if size_of(folder / "c.ckpt") >= target:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                    break
                time.sleep(0.001)
            assert process.wait(60) in (0, -signal.SIGKILL)
        if process.returncode == 0:
            break
    assert process.returncode == 0
    assert kills >= 3
    assert (folder / "s.parquet").read_bytes() == (folder / "whole.parquet").read_bytes()


def test_a_full_disk_names_the_checkpoint(folder, monkeypatch):
    folder, _ = folder
    import os

    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left") as caught:
        RowJournal(folder / "c.ckpt", "x", "vmf x", np.dtype("f8"), {}, resume=True)
    assert caught.value.filename == str(folder / "c.ckpt")
