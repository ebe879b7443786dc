"""Scores by a cluster: the same bytes as from one process."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.cluster.conftest import small
from vmf.cli import app
from vmf.cluster.runner import Spread
from vmf.distribution.model import save_model
from vmf.errors import EmbeddingError
from vmf.jobs.fit import fit_files
from vmf.jobs.score import score_to_file
from vmf.passes.engine import Reading


@pytest.fixture(params=[False, True])
def model(request, folder, files):
    return fit_files(files, labels=[folder / "y.npy"] if request.param else [])


@pytest.mark.parametrize("ending", [".csv", ".npy", ".parquet"])
def test_the_bytes_are_those_of_one_process(runner, folder, files, model, ending):
    np.save(folder / "ids.npy", np.arange(6000)[::-1].copy())
    here, there = folder / f"here{ending}", folder / f"there{ending}"
    expected = score_to_file(model, files, here, ids=folder / "ids.npy")
    found = score_to_file(
        model, files, there, ids=folder / "ids.npy", reading=small(), runner=runner
    )
    assert there.read_bytes() == here.read_bytes()
    assert (found.rows, found.skipped, found.normalised) == (6000, 0, expected.normalised)
    assert found.mean_cosine == pytest.approx(expected.mean_cosine, rel=1e-14)


@pytest.mark.parametrize("block_rows", [1, 13, 2000])
def test_blocks_of_any_size_give_the_same_bytes(client, folder, files, model, block_rows):
    score_to_file(model, files[1:2], folder / "here.csv")
    size = block_rows * 8 * 24
    score_to_file(
        model,
        files[1:2],
        folder / "there.csv",
        reading=Reading(chunk_bytes=size),
        runner=Spread(client, size, size),
    )
    assert (folder / "there.csv").read_bytes() == (folder / "here.csv").read_bytes()


def test_the_command_writes_the_same_bytes_as_without_workers(client, folder, files, model):
    save_model(model, folder / "m.safetensors")
    command = ["score", str(folder / "m.safetensors"), *map(str, files), "-q"]
    cluster = ["--cluster", client.scheduler.address]
    for more in (["-o", str(folder / "0.csv")], ["-o", str(folder / "1.csv"), *cluster]):
        ran = CliRunner().invoke(app, [*command, *more])
        assert ran.exit_code == 0, ran.output
    assert (folder / "1.csv").read_bytes() == (folder / "0.csv").read_bytes()


def test_a_bad_row_is_the_error_of_one_process_and_nothing_is_written(runner, files, model):
    rows = np.load(files[2])
    rows[[700, 2000]] = 0
    np.save(files[2], rows)
    output = files[0].with_name("s.csv")
    said = []
    for how in ({}, {"runner": runner, "reading": small()}):
        with pytest.raises(EmbeddingError, match=r"c\.npy: row 700: ") as error:
            score_to_file(model, files, output, **how)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert not output.exists()
    skipped = score_to_file(model, files, output, reading=small(on_bad_rows="skip"), runner=runner)
    assert skipped.skipped == 2
