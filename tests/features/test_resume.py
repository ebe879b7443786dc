"""Extractions that end before their time, and go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torchvision", reason="features need torch and torchvision")

import torch

from tests.features import tiny_networks
from tests.features.extracting import PLAIN, Output
from vmf.features import FeatureError, extract
from vmf.features.journal import journal_path, rows_kept
from vmf.output import part_path

TINY = {"backbone": "tiny_networks:tiny", "facts": PLAIN, "batch_size": 3}


class Stopped(BaseException):
    """Like a kill, as far as it can be had within one process."""


def stop_after(batches: int) -> Any:
    """A progress function that ends the extraction after so many batches."""
    seen = 0

    def progress(done: int, total: int) -> None:
        nonlocal seen
        seen += 1
        if seen == batches:
            raise Stopped

    return progress


def interrupt(images: Path, output: Output, batches: int = 3, **options: Any) -> None:
    with pytest.raises(Stopped):
        extract(images, output.features, **{**TINY, **options}, progress=stop_after(batches))


@pytest.fixture
def whole(random_images: Path, tmp_path: Path) -> dict[str, bytes]:
    """What an extraction that is left alone writes."""
    alone = Output(tmp_path / "alone")
    extract(random_images, alone.features, **TINY)
    return alone.contents()


def test_killed_at_ten_random_moments_it_ends_with_the_same_bytes(
    cifar10_images: Path, tmp_path: Path, factories: Path
) -> None:
    seed = int.from_bytes(os.urandom(4), "little")
    print("seed", seed)
    done = subprocess.run(
        [sys.executable, str(factories / "kill_and_resume.py"), str(cifar10_images), str(tmp_path),
         "10", str(seed)],
        capture_output=True, text=True, timeout=300, cwd=factories,
    )  # fmt: skip
    assert done.returncode == 0, (seed, done.stdout, done.stderr)
    killed, *kept = map(int, done.stdout.split())
    assert killed >= 10
    assert any(kept), "not one of the kills came in the middle"


def test_it_goes_on_where_it_stopped(
    random_images: Path, output: Output, whole: dict[str, bytes]
) -> None:
    interrupt(random_images, output)
    assert output.names() == [".f.npy.journal", ".f.npy.part"]
    assert rows_kept(output.features) == 9
    calls: list[tuple[int, int]] = []
    done = extract(
        random_images, output.features, **TINY, resume=True,
        progress=lambda *numbers: calls.append(numbers),
    )  # fmt: skip
    assert (done.rows, done.computed) == (20, 11)
    assert calls == [(12, 20), (15, 20), (18, 20), (20, 20)]
    assert output.contents() == whole


def test_it_takes_over_batch_size_and_threads(
    random_images: Path, output: Output, whole: dict[str, bytes]
) -> None:
    before = torch.get_num_threads()
    interrupt(random_images, output)
    torch.set_num_threads(before + 1)
    try:
        settings = {key: value for key, value in TINY.items() if key != "batch_size"}
        extract(random_images, output.features, **settings, resume=True)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert output.contents() == whole


@pytest.mark.parametrize("torn", [b"", b'{"batch":3,"pie', b'{"batch":3,"piece":3,"crc":1}'])
def test_a_line_cut_off_is_dropped(
    random_images: Path, output: Output, whole: dict[str, bytes], torn: bytes
) -> None:
    interrupt(random_images, output)
    with open(journal_path(output.features), "ab") as stream:
        stream.write(torn)
    done = extract(random_images, output.features, **TINY, resume=True)
    assert done.computed == 11
    assert output.contents() == whole


def test_rows_that_did_not_reach_the_disk_are_computed_again(
    random_images: Path, output: Output, whole: dict[str, bytes]
) -> None:
    interrupt(random_images, output)
    with open(part_path(output.features), "r+b") as stream:
        stream.seek(128 + 4 * 384 * 4)
        stream.write(b"\0" * 100)
    done = extract(random_images, output.features, **TINY, resume=True)
    assert done.computed == 14
    assert output.contents() == whole


def test_a_kill_before_the_first_batch_leaves_nothing_to_go_on_with(
    random_images: Path, output: Output, whole: dict[str, bytes]
) -> None:
    """So other settings are welcome, with and without --resume."""
    interrupt(random_images, output)
    journal = journal_path(output.features).read_text().splitlines(keepends=True)[0]
    for options in ({"resume": True}, {}):
        journal_path(output.features).write_text(journal)
        done = extract(random_images, output.features, **{**TINY, "batch_size": 4}, **options)
        assert done.computed == 20
        extract(random_images, output.features, **TINY, overwrite=True)
        assert output.contents() == whole
        interrupt(random_images, output, overwrite=True)
        for name in whole:
            (output.folder / name).unlink()


@pytest.mark.parametrize("lost", ["journal", "part"])
def test_one_of_the_two_files_alone_means_to_begin_anew(
    random_images: Path, output: Output, whole: dict[str, bytes], lost: str
) -> None:
    interrupt(random_images, output)
    (journal_path if lost == "journal" else part_path)(output.features).unlink()
    done = extract(random_images, output.features, **TINY, resume=True)
    assert done.computed == 20
    assert output.contents() == whole


@pytest.mark.parametrize("line", ["[]", "{}", '{"plan":1}', '{"plan":{"rows":9}}', "\xff"])
def test_a_journal_of_something_else_is_taken_for_none(
    random_images: Path, output: Output, whole: dict[str, bytes], line: str
) -> None:
    interrupt(random_images, output)
    journal_path(output.features).write_bytes(line.encode("latin1") + b"\n")
    assert rows_kept(output.features) == 0
    done = extract(random_images, output.features, **TINY, resume=True)
    assert done.computed == 20
    assert output.contents() == whole


def test_a_part_of_another_length_is_refused(random_images: Path, output: Output) -> None:
    interrupt(random_images, output)
    with open(part_path(output.features), "ab") as stream:
        stream.write(b"x")
    with pytest.raises(FeatureError, match="is not what the journal beside it says"):
        extract(random_images, output.features, **TINY, resume=True)


def test_killed_between_the_last_two_steps(
    random_images: Path, output: Output, whole: dict[str, bytes]
) -> None:
    """The features have their name and the journal is still there."""
    interrupt(random_images, output, batches=7)
    journal = journal_path(output.features).read_bytes()
    extract(random_images, output.features, **TINY, resume=True)
    journal_path(output.features).write_bytes(journal)
    done = extract(random_images, output.features, **TINY, resume=True)
    assert done.computed == 0
    assert output.contents() == whole


def test_a_finished_one_is_left_as_it_is(
    random_images: Path, output: Output, whole: dict[str, bytes]
) -> None:
    for computed in (20, 0):
        done = extract(random_images, output.features, **TINY, resume=True)
        assert (done.rows, done.computed) == (20, computed)
        assert done.facts["batch_pieces"] == [[0, 3]]
    assert output.contents() == whole
    with pytest.raises(FeatureError, match=r"was made with batches.size 3, now 4"):
        extract(random_images, output.features, **{**TINY, "batch_size": 4}, resume=True)
    (output.folder / "f.json").unlink()
    with pytest.raises(FeatureError, match="exists, but not its sidecar"):
        extract(random_images, output.features, **TINY, resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 5}, "batches.size 3, now 5"),
        ({"dtype": "float16"}, 'dtype "float32", now "float16"'),
        ({"limit": 19}, "rows 20, now 19"),
        ({"pool": True}, "dimension 384, now 24"),
        ({"facts": {**PLAIN, "std": [0.25, 0.25, 0.26]}}, "preprocessing.std"),
        ({"backbone": tiny_networks.Greedy(9)}, 'backbone.name "tiny_networks:tiny", now "Greedy"'),
    ],
)
def test_other_settings_are_refused(
    random_images: Path, output: Output, change: dict[str, Any], message: str
) -> None:
    interrupt(random_images, output)
    before = output.contents()
    with pytest.raises(FeatureError, match="was begun with") as caught:
        extract(random_images, output.features, **{**TINY, **change}, resume=True)
    assert message in str(caught.value)
    assert output.contents() == before


def test_other_images_and_other_versions_are_refused(
    random_images: Path, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(random_images, output)
    records = np.fromfile(random_images, np.uint8)
    records[5000] ^= 1
    records.tofile(random_images)
    with pytest.raises(FeatureError, match=r"was begun with images.files.noise.bin"):
        extract(random_images, output.features, **TINY, resume=True)
    records[5000] ^= 1
    records.tofile(random_images)
    monkeypatch.setattr("vmf.features.task._version", lambda name: "99")
    with pytest.raises(FeatureError, match=r"was begun with versions.*, now \"99\""):
        extract(random_images, output.features, **TINY, resume=True)


def test_what_is_there_is_not_replaced_in_silence(
    random_images: Path, output: Output, whole: dict[str, bytes]
) -> None:
    interrupt(random_images, output)
    with pytest.raises(FeatureError, match="unfinished extraction to it has 9 rows; go on with"):
        extract(random_images, output.features, **TINY)
    done = extract(random_images, output.features, **TINY, overwrite=True)
    assert done.computed == 20
    with pytest.raises(FeatureError, match=r"f.npy: exists; write to another file or replace it"):
        extract(random_images, output.features, **TINY)
    output.features.unlink()
    with pytest.raises(FeatureError, match=r"f.json: exists"):
        extract(random_images, output.features, **TINY)
    extract(random_images, output.features, **TINY, overwrite=True)
    assert output.contents() == whole


def test_an_old_result_stays_until_the_new_one_is_complete(
    random_images: Path, output: Output, whole: dict[str, bytes]
) -> None:
    extract(random_images, output.features, **{**TINY, "batch_size": 7})
    old = output.contents()
    interrupt(random_images, output, overwrite=True)
    assert old.items() <= output.contents().items()
    extract(random_images, output.features, **TINY, resume=True)
    assert output.contents() == whole


def test_two_runs_cannot_write_the_same_file(random_images: Path, output: Output) -> None:
    seen = 0

    def progress(done: int, total: int) -> None:
        nonlocal seen
        seen += 1
        for how in ("resume", "overwrite"):
            with pytest.raises(FeatureError, match="is being written by another run"):
                extract(random_images, output.features, **TINY, **{how: True})

    extract(random_images, output.features, **TINY, progress=progress)
    assert seen == 7
    assert output.names() == ["f.json", "f.labels.npy", "f.npy"]


def test_memory_that_ran_out_is_remembered(random_images: Path, output: Output) -> None:
    """Rows before and after the halving are computed as without the interruption."""
    greedy = {"facts": PLAIN, "batch_size": 8}
    extract(random_images, output.features, backbone=tiny_networks.Greedy(3), **greedy)
    expected = output.contents()
    network = tiny_networks.Greedy(3)
    with pytest.raises(Stopped):
        extract(
            random_images, output.features, backbone=network, **greedy, overwrite=True,
            progress=stop_after(1),
        )  # fmt: skip
    network.seen.clear()
    extract(random_images, output.features, backbone=network, **greedy, resume=True)
    assert max(network.seen) == 2
    assert output.contents() == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_what_was_done(
    cifar10_images: Path, output: Output, number: signal.Signals
) -> None:
    command = [
        sys.executable, "-c", "from vmf.cli import app; app(prog_name='vmf')", "extract",
        str(cifar10_images), "-o", str(output.features), "--backbone", "tiny_networks:slow",
        "--batch-size", "2", "--input", "RGB, 0..1", "--mean", ".5,.5,.5", "--std", ".2,.2,.2",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TINY_PAUSE": "0.2"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 60
    while not rows_kept(output.features):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "rows are kept; go on with --resume" in said
    assert "Traceback" not in said
    assert output.names() == [".f.npy.journal", ".f.npy.part"]
    plan = json.loads(journal_path(output.features).read_text().splitlines()[0])["plan"]
    assert plan["rows"] == 48
