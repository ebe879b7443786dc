from __future__ import annotations

import os

import numpy as np
import pytest

import vmf
from tests.libraries import needs_format
from vmf.embeddings import open_embeddings
from vmf.embeddings.labels import read_labels
from vmf.errors import EmbeddingError
from vmf.jobs.fit import fit_files
from vmf.jobs.sample import sample_to_file

RNG = np.random.default_rng(0)
DIM = 5
MEANS = np.eye(DIM)[:2]
ROWS = np.concatenate([vmf.VonMisesFisher(mu, 50.0).sample(n, RNG) for mu, n in
                       zip(MEANS, (100, 300), strict=True)])  # fmt: skip


@pytest.fixture
def classes(tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    np.save(tmp_path / "y.npy", np.repeat(["cat", "dog"], (100, 300)))
    return fit_files([tmp_path / "x.npy"], labels=[tmp_path / "y.npy"])


@pytest.fixture
def single(tmp_path):
    np.save(tmp_path / "x.npy", ROWS[:100])
    return fit_files([tmp_path / "x.npy"])


def read(path, column=None) -> np.ndarray:
    return np.concatenate([rows for _, rows in open_embeddings(path, column).chunks()])


def test_draws_follow_the_model(single, tmp_path):
    done = sample_to_file(single, 4000, tmp_path / "d.npy", seed=1)
    rows = np.load(tmp_path / "d.npy")
    assert rows.shape == (4000, DIM) == (done.rows, done.dimension)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-14)
    refit = fit_files([tmp_path / "d.npy"])
    deviation = (refit.concentration[0] - single.concentration[0]) / refit.standard_error[0]
    assert abs(deviation) < 4


def test_a_seed_repeats_the_rows_and_is_reported(single, tmp_path):
    done = sample_to_file(single, 10, tmp_path / "a.npy")
    sample_to_file(single, 10, tmp_path / "b.npy", seed=done.seed)
    sample_to_file(single, 10, tmp_path / "c.npy", seed=done.seed + 1)
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_every_format_holds_the_same_rows_and_their_classes(classes, tmp_path, ending):
    needs_format(ending)
    sample_to_file(classes, 200, tmp_path / "d.npy", seed=3)
    path = tmp_path / f"d{ending}"
    sample_to_file(classes, 200, path, seed=3)
    rows = read(path, "embedding" if ending == ".parquet" else "x*")
    np.testing.assert_array_equal(rows, np.load(tmp_path / "d.npy"))
    labels = read_labels(f"{path}:class")
    assert labels.classes == ["cat", "dog"]
    nearest = (rows @ MEANS.T).argmax(axis=1)
    assert (nearest == labels.codes).mean() > 0.99
    assert 100 < (labels.codes == 1).sum() < 190


def test_one_class_only(classes, tmp_path):
    sample_to_file(classes, 100, tmp_path / "d.npy", seed=0, label="cat")
    assert (np.load(tmp_path / "d.npy") @ MEANS.T).argmax(axis=1).max() == 0
    with pytest.raises(EmbeddingError, match="has no class 'cow'; it has cat, dog"):
        sample_to_file(classes, 100, tmp_path / "e.npy", label="cow")
    assert not (tmp_path / "e.npy").exists()


def test_single_precision_is_the_same_draw_rounded(single, tmp_path):
    sample_to_file(single, 50, tmp_path / "a.npy", seed=4)
    sample_to_file(single, 50, tmp_path / "b.npy", seed=4, dtype=np.float32)
    narrow = np.load(tmp_path / "b.npy")
    assert narrow.dtype == np.float32
    np.testing.assert_array_equal(narrow, np.load(tmp_path / "a.npy").astype(np.float32))


def test_many_rows_come_in_chunks_with_progress(single, tmp_path):
    calls = []
    sample_to_file(
        single,
        100,
        tmp_path / "d.npy",
        chunk_bytes=8 * DIM * 30,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(30, 100), (60, 100), (90, 100), (100, 100)]
    rows = np.load(tmp_path / "d.npy")
    assert len(np.unique(rows, axis=0)) == 100


def test_bad_requests_write_nothing(single, tmp_path):
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(EmbeddingError, match="0 rows were asked for"):
        sample_to_file(single, 0, tmp_path / "d.npy")
    with pytest.raises(EmbeddingError, match="the output is one of"):
        sample_to_file(single, 5, tmp_path / "d.xlsx")
    assert sorted(os.listdir(tmp_path)) == before
