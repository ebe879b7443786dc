"""Fits of mixtures that end early and are gone on with."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("sklearn")

from vmf.cli import app
from vmf.errors import EmbeddingError, PassStopped
from vmf.jobs.mixture import fit_mixture_to_file
from vmf.jobs.mixture_checkpoint import load_mixture_checkpoint
from vmf.passes.engine import Reading

DRIVER = """
import sys
from vmf.passes import keeper
keeper.Keeper.offer = lambda self, state: self.write(state())
from vmf.cli import app
app(sys.argv[1:], prog_name='vmf')
"""
HOW = {"iterations": 9, "tolerance": 0.0, "starts": 2, "seed": 5}
OPTIONS = ["-k", "4", "--iterations", "9", "--tolerance", "0", "--starts", "2", "--seed", "5"]


@pytest.fixture
def folder(tmp_path) -> Path:
    rng = np.random.default_rng(8)
    rows = (
        rng.standard_normal((3000, 20)) + rng.standard_normal((4, 20))[np.arange(3000) % 4]
    ).astype(np.float32)
    np.save(tmp_path / "a.npy", rows[:1100])
    np.save(tmp_path / "b.npy", rows[1100:])
    return tmp_path


def files(folder):
    return [folder / "a.npy", folder / "b.npy"]


def stop_in(iteration, error=KeyboardInterrupt):
    """Pass number `iteration` + 2 is not read to its end; the first two look at the rows."""

    def progress(number, done, total):
        if number == iteration + 2 and done < total:
            raise error

    return progress


@pytest.mark.parametrize("assignment", ["soft", "hard", "stochastic"])
def test_stopped_anywhere_it_ends_with_the_same_bytes(folder, assignment):
    whole, parts, kept = folder / "whole.safetensors", folder / "p.safetensors", folder / "c"
    how = {**HOW, "assignment": assignment}
    expected = fit_mixture_to_file(files(folder), whole, 4, **how)
    for iteration in (2, 5, 12, 14):  # the last two are in the second start
        how |= {"checkpoint": kept, "resume": True}
        with pytest.raises(PassStopped, match=f" are kept in {kept}"):
            fit_mixture_to_file(files(folder), parts, 4, progress=stop_in(iteration), **how)
        assert not parts.exists()
        found = fit_mixture_to_file(files(folder), parts, 4, **how)
        assert parts.read_bytes() == whole.read_bytes()
        assert found.iterations == expected.iterations
        assert found.log_likelihood == expected.log_likelihood
        assert not kept.exists()
        parts.unlink()


def test_what_was_done_is_not_done_again(folder):
    kept, model, passes = folder / "c", folder / "m.safetensors", []
    with pytest.raises(PassStopped, match=r"stopped after \d+ iterations of start 2, which"):
        fit_mixture_to_file(files(folder), model, 4, checkpoint=kept, progress=stop_in(14), **HOW)
    standing = load_mixture_checkpoint(kept).standing
    assert standing.start == 1
    fit_mixture_to_file(
        files(folder), model, 4, checkpoint=kept, resume=True,
        progress=lambda number, done, total: passes.append(number), **HOW,
    )  # fmt: skip
    # One pass looks for rows without a direction.
    assert max(passes) == HOW["iterations"] - len(standing.state.objectives)


def test_killed_at_random_moments_it_ends_with_the_same_bytes(folder):
    whole, parts, kept = folder / "w.safetensors", folder / "p.safetensors", folder / "c"
    fit_mixture_to_file(files(folder), whole, 4, **HOW)
    command = [sys.executable, "-c", DRIVER, "mixture", *map(str, files(folder)), *OPTIONS]
    command += ["-o", str(parts), "--checkpoint", str(kept), "--resume", "--quiet"]
    moments = random.Random(1)
    kills = 0
    while kills < 8:
        process = subprocess.Popen(command)
        before = kept.read_bytes() if kept.exists() else b""
        while process.poll() is None and (not kept.exists() or kept.read_bytes() == before):
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        if parts.exists():
            assert parts.read_bytes() == whole.read_bytes()
            parts.unlink()
    subprocess.run(command, check=True)
    assert parts.read_bytes() == whole.read_bytes()


def test_another_fit_cannot_be_gone_on_with(folder):
    kept, model = folder / "c", folder / "m.safetensors"
    with pytest.raises(PassStopped):
        fit_mixture_to_file(files(folder), model, 4, checkpoint=kept, progress=stop_in(3), **HOW)
    before = kept.read_bytes()
    with pytest.raises(EmbeddingError, match=r"holds \d iterations of a run that was not finished"):
        fit_mixture_to_file(files(folder), model, 4, checkpoint=kept, **HOW)
    for message, changed in {
        "components 4, now 5": {"components": 5},
        "seed 5, now 6": {"seed": 6},
        "other files": {"paths": files(folder)[:1]},
        "bad rows error, now skip": {"reading": Reading(on_bad_rows="skip")},
    }.items():
        given = {"paths": files(folder), "components": 4, **HOW, **changed}
        with pytest.raises(EmbeddingError, match=f"belongs to another run .*{message}"):
            fit_mixture_to_file(output=model, checkpoint=kept, resume=True, **given)
    assert kept.read_bytes() == before
    for damaged in (before[:-100], before.replace(b"MT19937", b"MT19938", 1), b"{}"):
        kept.write_bytes(damaged)
        with pytest.raises(EmbeddingError, match="is a damaged checkpoint"):
            fit_mixture_to_file(files(folder), model, 4, checkpoint=kept, resume=True, **HOW)


def test_the_command_line(folder):
    command = ["mixture", *map(str, files(folder)), "-k", "4", "-o", str(folder / "m.safetensors")]
    refused = CliRunner().invoke(app, [*command, "--resume"])
    assert refused.exit_code == 2
    assert "--resume needs the file to go on from" in refused.output
    kept = ["--checkpoint", str(folder / "c")]
    done = CliRunner().invoke(app, [*command, *kept, "--resume"])
    assert done.exit_code == 0, done.output
    assert not (folder / "c").exists()
