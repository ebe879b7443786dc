"""The evaluation of files: every kind of them, bad ones, little memory, a cluster, an end in between."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("sklearn")

from vmf.embeddings.held_rows import HeldRows, UnpackedRows
from vmf.embeddings.opening import open_files
from vmf.embeddings.writing import create_embeddings
from vmf.errors import EmbeddingError, MemoryBudgetError, PassStopped
from vmf.evaluation import evaluate
from vmf.evaluation.evaluate import Settings
from vmf.evaluation.neighbours import NeighbourSearch
from vmf.evaluation.rows import Passes, survey
from vmf.jobs import evaluate as job
from vmf.jobs.evaluate import Inputs, Outputs, evaluate_files
from vmf.passes.engine import Reading
from vmf.passes.here import Here

ROWS, DIMENSION = 900, 16
SETTINGS = Settings(replicates=10, seed=2)
APPROXIMATE = replace(
    SETTINGS, neighbours=NeighbourSearch("approximate", sample_rows=300, most_compared=200)
)
SMALL = 40 * 4 * DIMENSION
"""Bytes of a chunk of 40 rows."""


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(8)
    codes = rng.integers(0, 4, ROWS)
    X = 2.2 * rng.standard_normal((4, DIMENSION))[codes] / 2 + rng.standard_normal(
        (ROWS, DIMENSION)
    )
    return X.astype(np.float32), codes


@pytest.fixture
def folder(tmp_path, drawn):
    X, codes = drawn
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", codes)
    (tmp_path / "parts").mkdir()
    for number, start in enumerate((0, 350, 360)):
        np.save(tmp_path / "parts" / f"{number}.npy", X[start : (350, 360, ROWS)[number]])
    return tmp_path


def inputs(folder, name="x.npy", **more):
    return Inputs(folder / name, str(folder / "y.npy"), **more)


def figures(found):
    """All measurements."""
    return json.loads(json.dumps(found.as_dict()))


def assert_same(found, expected, rel=1e-9):
    def compare(a, b, path):
        assert type(a) is type(b), path
        if isinstance(a, dict):
            assert a.keys() == b.keys(), path
            for key in a:
                compare(a[key], b[key], f"{path}/{key}")
        elif isinstance(a, list):
            assert len(a) == len(b), path
            for number, (one, other) in enumerate(zip(a, b, strict=True)):
                compare(one, other, f"{path}/{number}")
        elif isinstance(a, float):
            assert a == pytest.approx(b, rel=rel), path
        else:
            assert a == b, path

    compare(figures(found), figures(expected), "")


@pytest.mark.parametrize("settings", [SETTINGS, APPROXIMATE, replace(SETTINGS, held_out=("1",))])
def test_files_have_the_figures_of_their_array(folder, drawn, settings):
    X, codes = drawn
    expected = evaluate(
        X, codes, held_out=settings.held_out, replicates=10, seed=2,
        neighbours=settings.neighbours.how,
    ) if settings is not APPROXIMATE else None  # fmt: skip
    whole = evaluate_files(inputs(folder), Outputs(), settings)
    if expected is not None:
        assert_same(whole, expected)
    parts = evaluate_files(
        inputs(folder, "parts"), Outputs(), settings, reading=Reading(chunk_bytes=SMALL)
    )
    assert_same(parts, whole)


@pytest.mark.parametrize(
    "ending", ["csv", "csv.gz", "parquet", "arrow", "h5", "zarr", "npz", "pt", "safetensors"]
)
@pytest.mark.parametrize("room", ["much", "little"])
def test_files_of_every_kind(folder, drawn, ending, room, monkeypatch):
    library = {"parquet": "pyarrow", "arrow": "pyarrow", "h5": "h5py", "zarr": "zarr"}.get(ending)
    if library and find_spec(library) is None:
        pytest.skip(f"needs {library}")
    X, _ = drawn
    path = folder / f"x.{ending}"
    with create_embeddings(path, X.shape, "float32") as writer:
        writer.append(X)
    if room == "little":
        monkeypatch.setattr(Passes, "room", lambda self, share=1.0, beside=0: 1000)
    settings = replace(SETTINGS, scores=("log_odds", "norm"), replicates=0)
    expected = evaluate_files(inputs(folder), Outputs(), settings)
    assert_same(evaluate_files(inputs(folder, path.name), Outputs(), settings), expected)


def test_where_rows_are_kept(folder, monkeypatch):
    (folder / "x.csv").write_text(
        "\n".join(",".join(map(str, row)) for row in np.load(folder / "x.npy"))
    )
    kinds = {}
    for room in (1 << 20, 0):
        monkeypatch.setattr(Passes, "room", lambda self, share=1.0, room=room: room)
        for name in ("x.npy", "x.csv"):
            files = open_files([folder / name])
            rows = survey(files, Passes(Reading(), Here()))
            kinds[room > 0, name] = type(rows.files[0])
            found = np.concatenate([block for _, block in rows.files[0].chunks(100)])
            np.testing.assert_allclose(found, np.load(folder / "x.npy"), rtol=1e-6)
    assert kinds[True, "x.npy"] is kinds[True, "x.csv"] is HeldRows
    assert kinds[False, "x.csv"] is UnpackedRows
    assert kinds[False, "x.npy"].format == "npy"


def test_no_room_for_the_unpacked_rows_is_one_line(folder, monkeypatch):
    def full(descriptor, begin, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(EmbeddingError, match=r"has no room for 0\.0 GB of rows .*; set TMPDIR"):
        UnpackedRows(open_files([folder / "x.npy"])[0])


def test_bad_rows_have_no_part_in_anything(folder, drawn):
    X, codes = drawn
    bad = [3, 349, 355, 899]
    spoilt = X.copy()
    spoilt[bad] = np.array([np.nan, np.inf, 0, 0], np.float32)[:, np.newaxis]
    np.save(folder / "x.npy", spoilt)
    with pytest.raises(EmbeddingError, match=r"x\.npy: row 3, column 0: the value is nan"):
        evaluate_files(inputs(folder), Outputs(), SETTINGS)
    kept = np.delete(np.arange(ROWS), bad)
    expected = evaluate(X[kept], codes[kept], replicates=10, seed=2)
    mine = np.arange(ROWS, dtype=float)
    np.save(folder / "mine.npy", mine)
    for settings in (SETTINGS, APPROXIMATE):
        found = evaluate_files(
            inputs(folder), Outputs(rows=folder / "rows.npy"), settings,
            reading=Reading(on_bad_rows="skip", chunk_bytes=SMALL),
        )  # fmt: skip
        np.testing.assert_array_equal(found.numbers, kept)
        np.testing.assert_array_equal(found.predicted, expected.predicted)
    assert_same(
        evaluate_files(inputs(folder), Outputs(), SETTINGS, reading=Reading(on_bad_rows="skip")),
        expected,
    )
    table = np.load(folder / "rows.npy")
    assert not set(bad) & {*table["row"], *table["nearest"]}
    given = evaluate_files(
        inputs(folder, score_files=(str(folder / "mine.npy"),)), Outputs(),
        replace(SETTINGS, scores=("entropy",)), reading=Reading(on_bad_rows="skip"),
    )  # fmt: skip
    score = next(score for score in given.scores if score.name == "mine")
    np.testing.assert_array_equal(score.certainty, mine[kept])


@pytest.mark.parametrize("settings", [SETTINGS, APPROXIMATE])
def test_a_file_that_breaks_off_has_no_rows(folder, drawn, settings):
    X, codes = drawn
    lines = [",".join(map(str, row)) for row in X]
    for number, start in enumerate((0, 350, 360)):
        own = lines[start : (350, 360, ROWS)[number]]
        if number == 0:
            own[200] = "1,2,broken"
        (folder / "parts" / f"{number}.csv").write_text("\n".join(own))
        (folder / "parts" / f"{number}.npy").unlink()
    where = inputs(folder, "parts")
    with pytest.raises(EmbeddingError, match=r"0\.csv: line 201"):
        evaluate_files(where, Outputs(), settings)
    reading = Reading(on_bad_files="skip", chunk_bytes=SMALL)
    found = evaluate_files(where, Outputs(), settings, reading=reading)
    np.testing.assert_array_equal(found.numbers, np.arange(350, ROWS))
    assert any(note.startswith("left out:") and "0.csv: line 201" in note for note in found.notes)
    if settings is SETTINGS:
        expected = evaluate(X[350:], codes[350:], replicates=10, seed=2)
        assert found.classification["accuracy"].value == pytest.approx(
            expected.classification["accuracy"].value, abs=1e-6
        )


def test_a_file_that_cannot_be_opened_is_not_counted(folder, drawn):
    X, codes = drawn
    (folder / "parts" / "0.npy").write_bytes(b"\x93NUMPY")
    np.save(folder / "y.npy", codes[350:])
    found = evaluate_files(
        inputs(folder, "parts"), Outputs(), SETTINGS, reading=Reading(on_bad_files="skip")
    )
    expected = evaluate(X[350:], codes[350:], replicates=10, seed=2)
    np.testing.assert_array_equal(found.predicted, expected.predicted)
    assert any("0.npy: is truncated" in note for note in found.notes)


@pytest.mark.parametrize(
    "settings",
    [SETTINGS, APPROXIMATE, replace(SETTINGS, scores=("kernel_density", "norm"), held_out=("0",))],
    ids=["exact", "approximate", "kernels"],
)
def test_ended_anywhere_it_goes_on_to_the_same_figures(folder, settings, monkeypatch):
    """An interrupt at every time that something is kept, one after the other."""
    np.save(folder / "far.npy", -np.load(folder / "x.npy")[:70])
    where = inputs(folder, "parts", **({} if settings.held_out else {"ood": folder / "far.npy"}))
    reading = Reading(chunk_bytes=SMALL)
    expected = evaluate_files(where, Outputs(), settings, reading=reading)
    monkeypatch.setattr("vmf.evaluation.retrieval.Search._queries_at_once", lambda *_: 100)
    path = folder / "e.ckpt"
    ends = 0
    while True:
        left = [2]

        def offer(self, state, left=left):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("vmf.passes.keeper.Keeper.offer", offer)
            try:
                found = evaluate_files(
                    where, Outputs(), settings, reading=reading, checkpoint=path, resume=True
                )
                break
            except PassStopped as stopped:
                assert "are kept in" in str(stopped)  # noqa: PT017 - it may end or not
                assert path.exists()
        ends += 1
    assert ends > 5
    assert not path.exists()
    assert_same(found, expected)


def test_what_belongs_to_another_run_is_refused(folder, monkeypatch):
    path = folder / "e.ckpt"

    def offer(self, state):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vmf.passes.keeper.Keeper.offer", offer)
        with pytest.raises(PassStopped):
            evaluate_files(inputs(folder), Outputs(), SETTINGS, checkpoint=path)

    def refused(message, settings=SETTINGS, resume=True, **more):
        with pytest.raises(EmbeddingError, match=message):
            evaluate_files(
                inputs(folder), Outputs(), settings, checkpoint=path, resume=resume, **more
            )

    refused("holds the neighbours of 900 rows of a run that was not finished", resume=False)
    refused("seed 2, now 3", replace(SETTINGS, seed=3))
    refused("neighbours", APPROXIMATE)
    refused("bad rows error, now skip", reading=Reading(on_bad_rows="skip"))
    codes = np.load(folder / "y.npy")
    np.save(folder / "y.npy", codes[::-1])
    refused("other labels")
    np.save(folder / "y.npy", codes)
    (folder / "e.ckpt").write_bytes(b"nothing")
    refused("is a damaged checkpoint|is not a checkpoint")


def test_how_replicates_are_drawn_may_change(folder, monkeypatch):
    """The bootstrap comes after all that is kept."""
    path = folder / "e.ckpt"
    with monkeypatch.context() as patch:
        patch.setattr(job, "evaluate_rows", _stopped(job.evaluate_rows))
        with pytest.raises(PassStopped):
            evaluate_files(inputs(folder), Outputs(), SETTINGS, checkpoint=path)
    more = replace(SETTINGS, replicates=3)
    found = evaluate_files(inputs(folder), Outputs(), more, checkpoint=path, resume=True)
    assert_same(found, evaluate_files(inputs(folder), Outputs(), more))


def _stopped(function):
    def stopped(*given, **named):
        function(*given, **named)
        raise KeyboardInterrupt

    return stopped


def test_a_terminated_command_goes_on(folder):
    """SIGTERM from outside, as soon as there is a checkpoint to lose."""
    program = (
        "from vmf.passes import keeper\n"
        "import os, signal, sys\n"
        "from vmf.cli import app\n"
        "if sys.argv.pop(1) == 'end':\n"
        "    keeper.Keeper.offer = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
        "app()\n"
    )
    command = ["evaluate", str(folder / "x.npy"), "--labels", str(folder / "y.npy"), "--json"]
    command += ["--replicates", "5", "--checkpoint", str(folder / "c"), "--resume"]

    def run(how):
        return subprocess.run(
            [sys.executable, "-c", program, how, *command], capture_output=True, text=True
        )

    ended = run("end")
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    assert "the same command with --resume goes on from there" in ended.stderr
    assert (folder / "c").exists()
    done = run("go on")
    assert done.returncode == 0, done.stderr
    expected = evaluate_files(inputs(folder), Outputs(), Settings(replicates=5))
    told = json.loads(done.stdout)
    assert told["retrieval"] == figures(expected)["retrieval"]
    assert not (folder / "c").exists()


def test_outputs_appear_all_or_none(folder, monkeypatch):
    pytest.importorskip("matplotlib")
    outputs = Outputs(folder / "r.html", folder / "rows.csv", folder / "figures")
    before = sorted(path.name for path in folder.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(job, "write_rows", full)
        with pytest.raises(OSError, match="No space"):
            evaluate_files(inputs(folder), outputs, SETTINGS)
    assert sorted(path.name for path in folder.iterdir()) == before
    (folder / "figures").mkdir()
    (folder / "figures" / "mine.txt").write_text("stays")
    evaluate_files(inputs(folder), outputs, SETTINGS)
    added = sorted(path.name for path in folder.iterdir())
    assert added == sorted([*before, "figures", "r.html", "rows.csv"])
    names = {path.name for path in (folder / "figures").iterdir()}
    assert {"mine.txt", "scores.png", "reliability.png"} <= names


def test_too_little_memory_is_one_line(folder):
    with pytest.raises(MemoryBudgetError, match=r"memory=50 MB is not enough"):
        evaluate_files(inputs(folder), Outputs(), SETTINGS, reading=Reading(memory=50_000_000))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is not counted there")
@pytest.mark.parametrize("how", ["exact", "approximate"])
def test_as_much_memory_as_it_asks_for_will_do(tmp_path, how):
    """Not a number that is raised when the passes have begun."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.standard_normal((20_000, 16), dtype=np.float32))
    np.save(tmp_path / "y.npy", rng.integers(0, 5, 20_000))
    command = [sys.executable, "-c", "from vmf.cli import app; app(prog_name='vmf')", "evaluate"]
    command += [str(tmp_path / "x.npy"), "--labels", str(tmp_path / "y.npy"), "--replicates", "0"]
    command += ["--neighbours", how, "--checkpoint", str(tmp_path / "c.ckpt"), "--quiet"]
    command += ["--memory"]
    refused = subprocess.run([*command, "100MB"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert not (tmp_path / "c.ckpt").exists()
    asked = re.search(r"evaluating 20000 rows takes at least (\d+) MB", refused.stderr)
    assert asked is not None, refused.stderr
    done = subprocess.run([*command, f"{int(asked[1]) + 1}MB"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("how", ["exact", "approximate"])
def test_the_peak_stays_below(tmp_path, how):
    """480 MB of rows, more than is left beside the libraries and what is computed."""
    rng = np.random.default_rng(0)
    labels = np.arange(6000) % 40
    rows = rng.standard_normal((6000, 20_000), dtype=np.float32)
    rows[:, :40] += 30 * np.eye(40, dtype=np.float32)[labels]
    np.save(tmp_path / "x.npy", rows)
    np.save(tmp_path / "y.npy", labels)
    limit = 750_000_000
    program = (
        "import re, sys\nfrom vmf.cli import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        # Not ru_maxrss, in which a child counts what its parent had when it was forked.
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])\n"
    )
    command = [sys.executable, "-c", program, "evaluate", str(tmp_path / "x.npy")]
    command += ["--labels", str(tmp_path / "y.npy"), "--held-out", "3", "--replicates", "20"]
    command += ["--neighbours", how, "--memory", str(limit), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) * 1024 <= limit


@pytest.mark.skipif(find_spec("distributed") is None, reason="needs dask")
@pytest.mark.parametrize("settings", [SETTINGS, APPROXIMATE], ids=["exact", "approximate"])
def test_a_cluster_has_the_figures_of_one_process(folder, settings, runner):
    np.save(folder / "far.npy", -np.load(folder / "x.npy")[:70])
    where = inputs(folder, "parts", ood=folder / "far.npy")
    reading = Reading(chunk_bytes=SMALL)
    expected = evaluate_files(where, Outputs(), settings, reading=reading)
    found = evaluate_files(where, Outputs(), settings, reading=reading, runner=runner)
    assert_same(found, expected)
    spoilt = np.load(folder / "parts" / "2.npy")
    spoilt[5] = 0
    np.save(folder / "parts" / "2.npy", spoilt)
    with pytest.raises(EmbeddingError, match=r"2\.npy: row 5: all values are zero"):
        evaluate_files(where, Outputs(), settings, reading=reading, runner=runner)
    reading = replace(reading, on_bad_rows="skip")
    found = evaluate_files(where, Outputs(), settings, reading=reading, runner=runner)
    assert_same(found, evaluate_files(where, Outputs(), settings, reading=reading))


@pytest.mark.skipif(find_spec("distributed") is None, reason="needs dask")
def test_a_cluster_does_without_bad_files_and_goes_on_here(folder, runner, monkeypatch):
    (folder / "parts" / "1.npy").unlink()
    X = np.load(folder / "x.npy")
    lines = [",".join(map(str, row)) for row in X[350:360]]
    (folder / "parts" / "1.csv").write_text("\n".join([*lines[:4], "1,2", *lines[5:]]))
    where, path = inputs(folder, "parts"), folder / "e.ckpt"
    reading = Reading(chunk_bytes=SMALL, on_bad_files="skip")
    expected = evaluate_files(where, Outputs(), APPROXIMATE, reading=reading)
    assert expected.facts["rows"] == ROWS - 10

    def offer(self, state):
        if "shard_queries_done" in state().arrays:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vmf.passes.keeper.Keeper.offer", offer)
        with pytest.raises(PassStopped):
            evaluate_files(
                where, Outputs(), APPROXIMATE, reading=reading, runner=runner, checkpoint=path
            )
    found = evaluate_files(
        where, Outputs(), APPROXIMATE, reading=reading, checkpoint=path, resume=True
    )
    assert_same(found, expected)


@pytest.fixture(scope="module")
def runner():
    from vmf.cluster import open_client
    from vmf.cluster.runner import Spread

    with open_client(workers=2) as client:
        yield Spread(client, smallest_block=SMALL, largest_block=4 * SMALL)
