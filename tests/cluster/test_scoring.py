"""Scores by a cluster: the same bytes as from one process."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner
from vmf.jobs.fit import fit_files

from vmf.cli import app
from vmf.cluster import blocks
from vmf.cluster.runner import Spread
from vmf.distribution.model import save_model
from vmf.errors import EmbeddingError
from vmf.jobs.score import score_to_file
from vmf.passes.engine import Reading


@pytest.fixture(params=[False, True])
def model(request, folder, files):
    return fit_files(files, labels=[folder / "y.npy"] if request.param else [])


@pytest.mark.parametrize("ending", [".csv", ".npy", ".parquet"])
@pytest.mark.usefixtures("small_blocks")
def test_the_bytes_are_those_of_one_process(client, folder, files, model, ending):
    np.save(folder / "ids.npy", np.arange(6000)[::-1].copy())
    here, there = folder / f"here{ending}", folder / f"there{ending}"
    expected = score_to_file(model, files, here, ids=folder / "ids.npy")
    found = score_to_file(model, files, there, ids=folder / "ids.npy", runner=Spread(client))
    assert there.read_bytes() == here.read_bytes()
    assert (found.rows, found.skipped, found.normalised) == (6000, 0, expected.normalised)
    assert found.mean_cosine == pytest.approx(expected.mean_cosine, rel=1e-14)


@pytest.mark.parametrize("block_rows", [1, 13, 2000])
def test_blocks_of_any_size_give_the_same_bytes(
    client, folder, files, model, block_rows, monkeypatch
):
    score_to_file(model, files[1:2], folder / "here.csv")
    monkeypatch.setattr(blocks, "_SMALLEST_BLOCK", block_rows * 8 * 24)
    monkeypatch.setattr(blocks, "_LARGEST_BLOCK", block_rows * 8 * 24)
    monkeypatch.setattr("vmf.cluster.scoring.DEFAULT_CHUNK_BYTES", block_rows * 8 * 24)
    score_to_file(model, files[1:2], folder / "there.csv", runner=Spread(client))
    assert (folder / "there.csv").read_bytes() == (folder / "here.csv").read_bytes()


def test_the_command_writes_the_same_bytes_as_without_workers(client, folder, files, model):
    save_model(model, folder / "m.safetensors")
    command = ["score", str(folder / "m.safetensors"), *map(str, files), "-q"]
    cluster = ["--cluster", client.scheduler.address]
    for more in (["-o", str(folder / "0.csv")], ["-o", str(folder / "1.csv"), *cluster]):
        ran = CliRunner().invoke(app, [*command, *more])
        assert ran.exit_code == 0, ran.output
    assert (folder / "1.csv").read_bytes() == (folder / "0.csv").read_bytes()


@pytest.mark.usefixtures("small_blocks")
def test_a_bad_row_is_the_error_of_one_process_and_nothing_is_written(client, files, model):
    rows = np.load(files[2])
    rows[[700, 2000]] = 0
    np.save(files[2], rows)
    output = files[0].with_name("s.csv")
    said = []
    for how in ({}, {"client": client}):
        with pytest.raises(EmbeddingError, match=r"c\.npy: row 700: ") as error:
            score_to_file(model, files, output, **how)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert not output.exists()
    skipped = score_to_file(
        model, files, output, reading=Reading(on_bad_rows="skip"), runner=Spread(client)
    )
    assert skipped.skipped == 2
