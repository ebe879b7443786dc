"""Fits by a cluster, which are those of one process bit for bit."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.cluster.conftest import CHUNK_BYTES, small
from tests.passes.test_merging import numbers
from vmf.cli import app
from vmf.cluster import open_client
from vmf.cluster.runner import Spread
from vmf.distribution.model import load_model
from vmf.embeddings.opening import open_files
from vmf.errors import EmbeddingError
from vmf.jobs import fit as job
from vmf.jobs.fit import fit_files
from vmf.passes.engine import Reading

LABELS = pytest.mark.parametrize("labels", [False, True])


def label_files(folder, labels):
    return [folder / "y.npy"] if labels else []


@LABELS
@pytest.mark.parametrize("block_rows", [1, 7, 50, 100_000])
def test_blocks_of_any_size_give_the_same_bits(client, folder, files, labels, block_rows):
    size = block_rows * 4 * 24
    how = {"runner": Spread(client, size, size), "reading": Reading(chunk_bytes=min(size, 1 << 20))}
    few = files if block_rows > 7 else files[1:2]
    found = label_files(folder, labels and block_rows > 7)
    here = fit_files(few, labels=found)
    assert numbers(fit_files(few, labels=found, **how)) == numbers(here)


@pytest.mark.parametrize("workers", [1, 4])
def test_any_number_of_workers_gives_the_same_bits(folder, files, workers):
    with open_client(workers=workers) as client:
        for labels in ([], [folder / "y.npy"]):
            there = fit_files(
                files,
                labels=labels,
                runner=Spread(client, CHUNK_BYTES, CHUNK_BYTES),
                reading=small(),
            )
            assert numbers(there) == numbers(fit_files(files, labels=labels))


def test_the_command_gives_the_same_bits_as_without_workers(client, folder, files):
    command = ["fit", *map(str, files), "--labels", str(folder / "y.npy"), "--json"]
    here, there = folder / "here.safetensors", folder / "there.safetensors"
    cluster = ["--cluster", client.scheduler.address]
    plain = CliRunner().invoke(app, [*command, "-o", str(here)])
    spread = CliRunner().invoke(app, [*command, "-o", str(there), *cluster])
    assert plain.exit_code == spread.exit_code == 0, spread.output
    assert numbers(load_model(there)) == numbers(load_model(here))
    said, expected = json.loads(spread.stdout), json.loads(plain.stdout)
    assert {**said, "model": None} == {**expected, "model": None}


def test_bad_rows_are_skipped_and_counted_alike(client, files, rows):
    wrong = rows[:2501].copy()
    wrong[[3, 900, 2500]] = [[np.nan], [0], [np.inf]]
    np.save(files[0], wrong)
    here = fit_files(files, reading=Reading(on_bad_rows="skip"))
    there = fit_files(
        files, reading=small(on_bad_rows="skip"), runner=Spread(client, CHUNK_BYTES, CHUNK_BYTES)
    )
    assert numbers(there) == numbers(here)
    assert there.statistics[0].skipped == 3


@LABELS
def test_the_first_bad_row_in_order_is_named_as_on_one_machine(
    client, folder, files, rows, labels, monkeypatch
):
    wrong = rows[:2501].copy()
    wrong[[1203, 1260, 2500], 5] = np.nan
    np.save(files[0], wrong)
    monkeypatch.chdir(folder)
    named = [file.name for file in files]
    how = {"labels": label_files(folder, labels)}
    with pytest.raises(EmbeddingError) as here:
        fit_files(named, **how)
    for _ in range(3):
        with pytest.raises(EmbeddingError) as there:
            fit_files(
                named, **how, runner=Spread(client, CHUNK_BYTES, CHUNK_BYTES), reading=small()
            )
        assert str(there.value) == str(here.value)
    assert str(here.value).startswith("a.npy: row 1203, column 5: the value is nan;")


def test_a_file_that_a_worker_does_not_find_is_named(client, files, monkeypatch):
    files_here = open_files(files)
    monkeypatch.setattr(job, "open_groups", lambda *arguments: [files_here])
    files[1].unlink()
    with pytest.raises(EmbeddingError, match=r"b\.npy: does not exist \(on the machine .+\)$"):
        fit_files(files, runner=Spread(client, CHUNK_BYTES, CHUNK_BYTES), reading=small())


def test_a_file_that_changes_between_two_blocks_is_an_error(client, files):
    def touch(done: int, total: int) -> None:
        os.utime(files[0], ns=(1, 1))

    with pytest.raises(EmbeddingError, match=r"a\.npy: changed while it was read"):
        fit_files(
            files, runner=Spread(client, CHUNK_BYTES, CHUNK_BYTES), reading=small(), progress=touch
        )


def test_another_file_of_that_name_on_a_worker_is_refused(client, files, rows, monkeypatch):
    files_here = open_files(files)
    monkeypatch.setattr(job, "open_groups", lambda *arguments: [files_here])
    np.save(files[2], rows[:100])
    with pytest.raises(EmbeddingError, match=r"c\.npy: has 9728 bytes on the machine .+326528 wh"):
        fit_files(files, runner=Spread(client, CHUNK_BYTES, CHUNK_BYTES), reading=small())
