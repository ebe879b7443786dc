"""Mixtures of files, whose passes the workers of a cluster read."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.cluster.conftest import CHUNK_BYTES, small
from vmf.cli import app
from vmf.cluster import open_client
from vmf.cluster.runner import Spread
from vmf.distribution.model import load_model
from vmf.embeddings.opening import open_files
from vmf.errors import EmbeddingError
from vmf.jobs.mixture import fit_mixture_to_file
from vmf.passes.file_rows import FileRows
from vmf.passes.here import Here

HOW = {"reading": small(), "iterations": 8, "tolerance": 0.0, "seed": 1}


def small_blocks(client):
    return Spread(client, CHUNK_BYTES, CHUNK_BYTES)


def parameters(path):
    model = load_model(path)
    sums = np.stack([one.resultant + one.resultant_lo for one in model.statistics])
    return (model.mean_direction.tobytes(), model.concentration.tobytes(), sums.tobytes())


@pytest.mark.parametrize("assignment", ["soft", "hard", "stochastic"])
def test_the_mixture_is_that_of_one_process(client, folder, files, assignment):
    here, there = folder / "here.safetensors", folder / "there.safetensors"
    expected = fit_mixture_to_file(files, here, 3, assignment=assignment, **HOW)
    found = fit_mixture_to_file(
        files, there, 3, assignment=assignment, runner=small_blocks(client), **HOW
    )
    assert found.iterations == expected.iterations
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-9)
    one, other = load_model(here), load_model(there)
    np.testing.assert_allclose(other.concentration, one.concentration, rtol=1e-5)
    np.testing.assert_allclose(other.mean_direction, one.mean_direction, atol=1e-6)


def test_any_number_of_workers_gives_the_same_bits(client, folder, files):
    found = set()
    for workers in (1, 2, 4):
        path = folder / f"{workers}.safetensors"
        if workers == 2:
            fit_mixture_to_file(files, path, 3, runner=small_blocks(client), **HOW)
        else:
            with open_client(workers=workers) as other:
                fit_mixture_to_file(files, path, 3, runner=small_blocks(other), **HOW)
        found.add(parameters(path))
    assert len(found) == 1


def test_a_killed_worker_changes_no_bit(folder, files):
    calm, struck = folder / "calm.safetensors", folder / "struck.safetensors"
    with open_client(workers=2) as client:
        fit_mixture_to_file(files, calm, 3, runner=small_blocks(client), **HOW)
        killed = []

        def kill(number, done, total):
            if number == 3 and not killed:
                killed.append(next(iter(client.run(os.getpid).values())))
                os.kill(killed[0], signal.SIGKILL)

        fit_mixture_to_file(files, struck, 3, runner=small_blocks(client), progress=kill, **HOW)
        assert killed
    assert parameters(struck) == parameters(calm)


def test_bad_rows_are_named_as_on_one_machine_or_left_out(runner, folder, files, rows):
    wrong = rows[:2501].copy()
    wrong[[1203, 2000], 5] = np.nan
    wrong[7] = 0
    np.save(files[0], wrong)
    messages = []
    for other in (Here(), runner):
        with pytest.raises(EmbeddingError) as caught:
            fit_mixture_to_file(files, folder / "m.safetensors", 3, reading=small(), runner=other)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert "a.npy: row 7: " in messages[0]
    done = fit_mixture_to_file(
        files,
        folder / "m.safetensors",
        3,
        runner=runner,
        **HOW | {"reading": small(on_bad_rows="skip")},
    )
    assert sum(one.weight for one in done.model.statistics) == pytest.approx(len(rows) - 3)


def test_chosen_rows_come_in_the_order_they_were_asked_for(runner, files):
    opened = open_files(files)
    wanted = [5999, 3, 2501, 3, 2600]
    spread = FileRows(opened, reading=small(), runner=runner)
    found = spread.directions(wanted)
    np.testing.assert_array_equal(found, FileRows(opened).directions(wanted))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0)
    assert (found[1] == found[3]).all()


def test_the_command(client, folder, files):
    output = folder / "m.safetensors"
    command = ["mixture", *map(str, files), "-k", "3", "-o", str(output), "--json"]
    done = CliRunner().invoke(app, [*command, "--cluster", client.scheduler.address])
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["classes"]) == 3


def test_the_memory_of_workers_is_looked_after(client, folder, files):
    model, output = folder / "model.safetensors", folder / "out.safetensors"
    named = [str(file) for file in files]
    assert CliRunner().invoke(app, ["fit", *named, "-o", str(model)]).exit_code == 0
    for command in (
        ["mixture", *named, "-k", "3", "-o", str(output)],
        ["fit", *named, "-o", str(output)],
        ["score", str(model), *named, "-o", str(folder / "scores.npy")],
    ):
        cluster = ["--cluster", client.scheduler.address, "--memory"]
        refused = CliRunner().invoke(app, [*command, *cluster, "20MB"])
        assert refused.exit_code == 2
        assert "--memory 20 MB is not enough: this takes at least" in refused.output
        assert not os.path.exists(command[-1])
        done = CliRunner().invoke(app, [*command, *cluster, "2GB"])
        assert done.exit_code == 0, done.output
        os.unlink(command[-1])
