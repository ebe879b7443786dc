"""Fits that end early and are gone on with."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.passes.test_merging import numbers
from vmf.distribution.model import load_model
from vmf.errors import EmbeddingError, PassStopped
from vmf.jobs.fit import fit_to_file
from vmf.passes.checkpoint import load_checkpoint
from vmf.passes.engine import Reading

ROWS, DIMENSION = 4000, 40

# A fit in chunks of 20 rows that writes a checkpoint after each.
DRIVER = """
import sys
size = sys.argv[1]
from vmf.passes import engine, keeper
engine.Reading.chunk_bytes_for = lambda self, task: int(size)
keeper.Keeper.offer = lambda self, state: self.write(state())
from vmf.cli import app
app(sys.argv[2:], prog_name='vmf')
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    rng = np.random.default_rng(2)
    rows = (rng.standard_normal((ROWS, DIMENSION)) + 0.3).astype(np.float32)
    np.save(tmp_path / "a.npy", rows[:1501])
    np.save(tmp_path / "b.npy", rows[1501:])
    np.save(tmp_path / "y.npy", np.arange(ROWS) % 3)
    return tmp_path


def command(folder: Path, *more: str, memory: int = 20 * 4 * DIMENSION) -> list[str]:
    files = [str(folder / "a.npy"), str(folder / "b.npy"), "-o", str(folder / "m.safetensors")]
    keep = ["--checkpoint", str(folder / "c.checkpoint")]
    return [sys.executable, "-c", DRIVER, str(memory), "fit", *files, *keep, *more]


def rows_kept(folder: Path) -> int:
    path = folder / "c.checkpoint"
    return load_checkpoint(path).rows if path.exists() else 0


@pytest.mark.parametrize("labels", [False, True])
def test_killed_at_twenty_random_moments_it_ends_with_the_same_bits(folder, labels):
    more = ["--labels", str(folder / "y.npy")] if labels else []
    label_files = [folder / "y.npy"] if labels else ()
    whole = fit_to_file(
        [folder / "a.npy", folder / "b.npy"], folder / "w.safetensors", labels=label_files
    )
    moments = random.Random(3)
    kills = 0
    while kills < 20:
        before = rows_kept(folder)
        # Each run reads in other chunks, and is killed some time after it has gone on.
        memory = 4 * DIMENSION * moments.choice([1, 3, 7])
        run = subprocess.Popen(
            command(folder, "--resume", *more, memory=memory),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        target = before + moments.randrange(1, 120)
        while run.poll() is None and rows_kept(folder) < target:
            time.sleep(moments.random() * 0.01)
        if run.poll() is None:
            run.send_signal(signal.SIGKILL)
        _, said = run.communicate(timeout=60)
        if run.returncode == 0:  # it was too fast for a busy machine: kill another one
            assert numbers(load_model(folder / "m.safetensors")) == numbers(whole)
            (folder / "m.safetensors").unlink()
            continue
        assert run.returncode == -signal.SIGKILL, said
        assert not (folder / "m.safetensors").exists()
        kills += 1
    subprocess.run(
        command(folder, "--resume", *more, memory=10**6), check=True, stdout=subprocess.DEVNULL
    )
    assert numbers(load_model(folder / "m.safetensors")) == numbers(whole)
    expected = {"a.npy", "b.npy", "y.npy", "w.safetensors", "m.safetensors"}
    # A kill inside the write of a checkpoint leaves a temporary file, which the next run removes.
    assert {path.name for path in folder.iterdir()} == expected


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_was_done_and_says_how_to_go_on(folder, number, code):
    run = subprocess.Popen(
        command(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not rows_kept(folder):
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(number)
    _, said = run.communicate(timeout=60)
    assert run.returncode == code
    kept = rows_kept(folder)
    assert 0 < kept < ROWS
    assert said == (
        f"vmf: error: stopped after {kept} rows, which are kept in {folder / 'c.checkpoint'};"
        " the same command with --resume goes on from there\n"
    )
    again = subprocess.run(command(folder), capture_output=True, text=True)
    assert again.returncode == 2
    assert "c.checkpoint: holds" in again.stderr
    assert "--resume, or remove it" in again.stderr
    assert sorted(path.name for path in folder.iterdir()) == [
        "a.npy",
        "b.npy",
        "c.checkpoint",
        "y.npy",
    ]


@pytest.fixture
def stopped(folder) -> Path:
    """The folder after a fit that was interrupted at the 1600th row."""

    def interrupt(done: int, total: int) -> None:
        if done >= 1600:
            raise KeyboardInterrupt

    with pytest.raises(PassStopped, match="stopped after 1601 rows"):
        fit(folder, progress=interrupt)
    return folder


def fit(folder: Path, **how):
    files = how.pop("files", [folder / "a.npy", folder / "b.npy"])
    how = {"reading": reading(), "checkpoint": folder / "c.checkpoint"} | how
    return fit_to_file(files, folder / "m.safetensors", **how)


def reading(**more) -> Reading:
    """In chunks of 100 rows."""
    return Reading(chunk_bytes=100 * 4 * DIMENSION, **more)


def test_what_was_read_is_not_read_again(stopped):
    seen = []
    fit(stopped, resume=True, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (1701, ROWS)
    assert seen[-1] == (ROWS, ROWS)


def test_another_fit_cannot_be_gone_on_with(stopped):
    refused = "c.checkpoint: belongs to another run .{};"
    with pytest.raises(EmbeddingError, match=refused.format("other files, or another order.*")):
        fit(stopped, resume=True, files=[stopped / "b.npy", stopped / "a.npy"])
    with pytest.raises(EmbeddingError, match=refused.format("bad rows error, now skip.*")):
        fit(stopped, resume=True, reading=reading(on_bad_rows="skip"))
    with pytest.raises(EmbeddingError, match=refused.format("other labels.*")):
        fit(stopped, resume=True, labels=[stopped / "y.npy"])
    os.utime(stopped / "a.npy", ns=(1, 1))
    with pytest.raises(EmbeddingError, match=refused.format("a.npy has changed.*")):
        fit(stopped, resume=True)


def test_a_damaged_checkpoint_is_refused(stopped):
    path = stopped / "c.checkpoint"
    good = path.read_bytes()
    for bad in (good[:-9], good[:30], b"", b"\x00" * 100, good.replace(b'"rows', b'"cows')):
        path.write_bytes(bad)
        with pytest.raises(EmbeddingError, match=r"c\.checkpoint: is a damaged checkpoint"):
            fit(stopped, resume=True)
    path.write_bytes(good.replace(b"vmf-checkpoint", b"xxx-checkpoint"))
    with pytest.raises(EmbeddingError, match="is not a checkpoint"):
        fit(stopped, resume=True)


def test_a_bad_row_keeps_the_rows_before_it(folder):
    rows = np.load(folder / "b.npy")
    rows[1000] = np.nan
    np.save(folder / "b.npy", rows)
    with pytest.raises(EmbeddingError, match=r"b\.npy: row 1000"):
        fit(folder)
    assert rows_kept(folder) == 2501


def test_resume_needs_a_checkpoint_that_is_no_input(folder):
    with pytest.raises(EmbeddingError, match=r"resume=True needs .* checkpoint=FILE"):
        fit_to_file([folder / "a.npy"], folder / "m.safetensors", resume=True)
    with pytest.raises(EmbeddingError, match="is also an input"):
        fit_to_file([folder / "a.npy"], folder / "m.safetensors", checkpoint=folder / "a.npy")


def test_without_anything_to_go_on_from_it_begins(folder):
    fit(folder, resume=True)
    assert (folder / "m.safetensors").exists()
    assert not (folder / "c.checkpoint").exists()
