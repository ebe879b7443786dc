"""Files that cannot be read: an error that names one, or left out and counted on request."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from vmf.cli import app
from vmf.distribution.merging import merge_models
from vmf.distribution.model import load_model
from vmf.embeddings import embedding_file as streams
from vmf.errors import EmbeddingError, PassStopped
from vmf.jobs.convert import convert_to_file
from vmf.jobs.fit import fit_files, fit_to_file
from vmf.jobs.score import score_to_file
from vmf.passes.engine import Reading

RNG = np.random.default_rng(5)
PARTS = [(RNG.standard_normal((40, 600)) + 0.2).astype(np.float32) for _ in range(4)]


@pytest.fixture
def folder(tmp_path):
    """Four files; the second is truncated, and of the third a byte in the middle is wrong."""
    folder = tmp_path / "parts"
    folder.mkdir()
    np.save(folder / "0.npy", PARTS[0])
    np.save(folder / "1.npy", PARTS[1])
    np.savez_compressed(folder / "2.npz", v=PARTS[2])
    np.save(folder / "3.npy", PARTS[3])
    (folder / "1.npy").write_bytes((folder / "1.npy").read_bytes()[:-8])
    packed = bytearray((folder / "2.npz").read_bytes())
    packed[len(packed) // 2] ^= 1
    (folder / "2.npz").write_bytes(packed)
    return folder


SKIP = Reading(on_bad_files="skip")
SMALL = Reading(on_bad_files="skip", chunk_bytes=7 * 600 * 4)


def sound(parts=(0, 3)):
    return np.concatenate([PARTS[i] for i in parts])


def test_an_error_names_the_first(folder):
    with pytest.raises(EmbeddingError, match=r"1\.npy: is truncated"):
        fit_files([folder])


def test_none_of_their_rows_counts(folder, tmp_path):
    np.save(tmp_path / "sound.npy", sound())
    model = fit_files([folder], reading=SMALL)
    assert [line.partition(": ")[0][-5:] for line in model.left_out] == ["1.npy", "2.npz"]
    assert "truncated" in model.left_out[0]
    whole = fit_files([tmp_path / "sound.npy"])
    assert model.statistics[0].count == 80
    assert model.concentration == whole.concentration
    np.testing.assert_array_equal(model.mean_direction, whole.mean_direction)
    assert model.sources == ("0.npy", "3.npy")


def test_labels_stay_with_their_rows(folder, tmp_path):
    (folder / "1.npy").unlink()  # its rows are unknown: labels by position cannot go on after it
    labels = RNG.integers(0, 3, 120)
    np.save(tmp_path / "labels.npy", labels)
    model = fit_files([folder], labels=[tmp_path / "labels.npy"], reading=SMALL)
    np.save(tmp_path / "sound.npy", sound())
    np.save(tmp_path / "its.npy", np.concatenate([labels[:40], labels[80:]]))
    whole = fit_files([tmp_path / "sound.npy"], labels=[tmp_path / "its.npy"])
    np.testing.assert_array_equal(model.concentration, whole.concentration)


def test_labels_of_rows_that_nobody_can_count_are_refused(folder, tmp_path):
    np.save(tmp_path / "labels.npy", np.zeros(160, int))
    said = (
        r"has 160 labels, but .*; no row is counted of a file that cannot be opened: .*1\.npy: is"
    )
    with pytest.raises(EmbeddingError, match=said):
        fit_files([folder], labels=[tmp_path / "labels.npy"], reading=SKIP)
    model = fit_to_file([folder / "0.npy", folder / "3.npy"], tmp_path / "m.safetensors")
    np.save(tmp_path / "ids.npy", np.arange(160))
    said = r"has more ids than the 120 rows; .*; no row is counted of .*1\.npy: is truncated"
    with pytest.raises(EmbeddingError, match=said):
        score_to_file(model, [folder], tmp_path / "s.npy", ids=tmp_path / "ids.npy", reading=SKIP)
    with pytest.raises(EmbeddingError, match=said):
        convert_to_file([folder], tmp_path / "s.csv", ids=tmp_path / "ids.npy", reading=SKIP)
    done = score_to_file(model, [folder], tmp_path / "s.npy", reading=SKIP)
    assert "1.npy: is truncated" in done.left_out[0]
    assert done.left_out[0].endswith("those of later files begin where the ids before it end")


def test_labels_of_a_file_that_cannot_be_opened_go_with_it(folder, tmp_path):
    files, labels = [folder / f"{i}.npy" for i in (0, 1, 3)], []
    for number in (0, 1, 3):
        labels.append(tmp_path / f"y{number}.npy")
        np.save(labels[-1], np.full(40, number))
    model = fit_files(files, labels=labels, reading=SKIP)
    assert list(model.classes) == ["0", "3"]
    np.testing.assert_array_equal(
        model.mean_direction,
        fit_files(files[::2], labels=labels[::2]).mean_direction,
    )


def test_a_file_that_changes_is_left_out(tmp_path, monkeypatch):
    for number, part in enumerate(PARTS):
        np.save(tmp_path / f"{number}.npy", part)
    chunks = streams.EmbeddingFile.chunks

    def touched(self, **how):
        for found in chunks(self, **how):
            if self.path.name == "2.npy" and found[0] == 14:
                np.save(self.path, PARTS[2] + 1)
            yield found

    monkeypatch.setattr(streams.EmbeddingFile, "chunks", touched)
    model = fit_files([tmp_path], reading=SMALL)
    (line,) = model.left_out
    assert "2.npy: changed while it was read" in line
    assert model.statistics[0].count == 120


def test_bad_rows_are_no_bad_files(tmp_path):
    bad = PARTS[0].copy()
    bad[5, 2] = np.nan
    np.save(tmp_path / "0.npy", bad)
    np.save(tmp_path / "1.npy", PARTS[1])
    with pytest.raises(EmbeddingError, match=r"0\.npy: row 5, column 2"):
        fit_files([tmp_path], reading=SKIP)


def test_too_little_memory_is_no_bad_file(folder):
    with pytest.raises(EmbeddingError, match=r"memory=.* is not enough"):
        fit_files([folder], reading=Reading(on_bad_files="skip", memory=1 << 20))


def test_nothing_left_is_an_error(folder):
    with pytest.raises(EmbeddingError, match=r"every file was left out; .*1\.npy: is truncated"):
        fit_files([folder / "1.npy"], reading=SKIP)
    with pytest.raises(EmbeddingError, match=r"every file was left out; .*1 more are damaged"):
        fit_files([folder / "1.npy", folder / "2.npz"], reading=SKIP)


def test_a_resumed_fit_does_without_them_too(folder, tmp_path):
    output, checkpoint = tmp_path / "m.safetensors", tmp_path / "fit.checkpoint"
    whole = fit_files([folder], reading=SKIP)

    def stop(done, total):
        assert total == 120
        if done > 40:
            raise KeyboardInterrupt

    how = {"reading": SKIP, "checkpoint": checkpoint}
    with pytest.raises(PassStopped, match="stopped after 80 rows"):
        fit_to_file([folder], output, progress=stop, **how)
    seen = []
    fit_to_file([folder], output, resume=True, progress=lambda *c: seen.append(c[0]), **how)
    assert seen == [120]
    model = load_model(output)
    assert model.concentration == whole.concentration
    assert [line[:5] for line in model.left_out] == ["1.npy", "2.npz"]  # without their folder
    with pytest.raises(EmbeddingError, match=r"every file was left out|bad files skip, now error"):
        fit_to_file([folder / "1.npy"], output, **how)


def test_a_merged_model_remembers(folder, tmp_path):
    first = fit_files([folder], reading=SKIP)
    np.save(tmp_path / "more.npy", PARTS[1])
    merged = merge_models([first, fit_files([tmp_path / "more.npy"])], ["a", "b"])
    assert merged.left_out == first.left_out


def test_the_scores_of_lost_rows_are_empty(folder, tmp_path):
    np.save(tmp_path / "sound.npy", sound())
    model = fit_files([tmp_path / "sound.npy"])
    done = score_to_file(model, [folder], tmp_path / "s.csv", reading=SMALL)
    table = list(csv.DictReader((tmp_path / "s.csv").open()))
    assert [row["id"] for row in table] == [str(i) for i in range(120)]
    score_to_file(model, [tmp_path / "sound.npy"], tmp_path / "t.csv")
    expected = [row["log_density"] for row in csv.DictReader((tmp_path / "t.csv").open())]
    assert [row["log_density"] for row in table[:40]] == expected[:40]
    assert [row["log_density"] for row in table[80:]] == expected[40:]
    lost = [row for row in table[40:80] if row["log_density"] in ("", "nan")]
    assert lost
    assert lost == table[80 - len(lost) : 80]  # from the damage on
    assert (done.rows, done.skipped) == (120, len(lost))
    assert len(done.left_out) == 2


def test_the_command_line_reports_them(folder, tmp_path):
    output = str(tmp_path / "m.safetensors")
    refused = CliRunner().invoke(app, ["fit", str(folder), "-o", output])
    assert refused.exit_code == 2
    assert "1.npy: is truncated" in refused.output
    command = ["fit", str(folder), "-o", output, "--on-bad-files", "skip"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0
    assert "2 files could not be read and were left out" in done.output
    found = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert len(found["left_out"]) == 2
    scored = CliRunner().invoke(
        app,
        ["score", output, str(folder), "-o", str(tmp_path / "s.csv"), "--on-bad-files", "skip"],
    )
    assert "left out: " in scored.output
