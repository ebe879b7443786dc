from __future__ import annotations

import csv
import os

import numpy as np
import pytest

import vmf
from tests.libraries import needs_format
from vmf.arrays.rows import unit_rows
from vmf.distribution.fitting import model_of_fits
from vmf.distribution.scoring import Scorer, score_chunk
from vmf.errors import BadRowError, EmbeddingError
from vmf.estimation import SufficientStatistics, fit
from vmf.jobs.fit import fit_files
from vmf.jobs.score import score_to_file
from vmf.passes.engine import Reading

RNG = np.random.default_rng(0)
DIM = 6
MEANS = np.linalg.qr(RNG.standard_normal((DIM, DIM)))[0][:3]
ROWS = np.concatenate([vmf.VonMisesFisher(mu, 30.0).sample(n, RNG) for mu, n in
                       zip(MEANS, (100, 200, 50), strict=True)])  # fmt: skip
LABELS = np.repeat(["a", "b", "c"], (100, 200, 50))


@pytest.fixture
def save(tmp_path):
    def save(name: str, rows: np.ndarray):
        np.save(tmp_path / name, rows)
        return tmp_path / name

    return save


@pytest.fixture
def single(save):
    return fit_files([save("x.npy", ROWS)])


@pytest.fixture
def classes(save):
    return fit_files([save("x.npy", ROWS)], labels=[save("y.npy", LABELS)])


def test_one_distribution(save, single, tmp_path):
    rows = RNG.standard_normal((40, DIM))
    done = score_to_file(single, [save("new.npy", rows)], tmp_path / "s.npy")
    scores = np.load(tmp_path / "s.npy")
    assert scores.dtype.names == ("id", "log_density", "cosine")
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = vmf.VonMisesFisher(single.mean_direction[0], single.concentration[0])
    np.testing.assert_allclose(scores["log_density"], expected.logpdf(unit), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(scores["cosine"], unit @ single.mean_direction[0], atol=1e-15)
    np.testing.assert_array_equal(scores["id"], np.arange(40))
    assert (done.rows, done.normalised, done.skipped) == (40, 40, 0)
    assert done.mean_log_density == pytest.approx(scores["log_density"].mean())
    assert done.mean_cosine == pytest.approx(scores["cosine"].mean())


def test_classes_are_a_mixture_in_their_proportions(save, classes, tmp_path):
    score_to_file(classes, [save("new.npy", ROWS)], tmp_path / "s.npy")
    scores = np.load(tmp_path / "s.npy")
    parts = np.array(
        [
            np.log(n / 350) + vmf.VonMisesFisher(mu, kappa).logpdf(ROWS)
            for mu, kappa, n in zip(
                classes.mean_direction, classes.concentration, (100, 200, 50), strict=True
            )
        ]
    )
    total = np.logaddexp.reduce(parts)
    np.testing.assert_allclose(scores["log_density"], total, rtol=1e-12)
    np.testing.assert_array_equal(scores["class"], np.array(["a", "b", "c"])[parts.argmax(axis=0)])
    np.testing.assert_allclose(scores["probability"], np.exp(parts.max(axis=0) - total), rtol=1e-10)
    cosines = ROWS @ classes.mean_direction.T
    np.testing.assert_allclose(scores["cosine"], cosines.max(axis=1), rtol=1e-12)
    assert (scores["class"] == LABELS).mean() > 0.95


def test_in_distribution_rows_score_higher(save, single, tmp_path):
    inside = vmf.VonMisesFisher(single.mean_direction[0], 100.0).sample(50, RNG)
    score_to_file(single, [save("new.npy", np.concatenate([inside, -inside]))], tmp_path / "s.npy")
    scores = np.load(tmp_path / "s.npy")
    for name in ("log_density", "cosine"):
        assert scores[name][:50].min() > scores[name][50:].max()


def test_large_concentrations_keep_their_digits(save, tmp_path):
    kappa = 1e12
    rows = vmf.VonMisesFisher(MEANS[0], kappa).sample(100, RNG)
    model = fit_files([save("x.npy", rows)])
    scores = Scorer(model)(unit_rows(rows, "error", 0)[0])
    expected = vmf.VonMisesFisher(model.mean_direction[0], model.concentration[0]).logpdf(rows)
    np.testing.assert_allclose(scores.log_density, expected, rtol=1e-9)
    assert np.ptp(scores.log_density) > 1


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".npy", ".parquet"])
def test_every_output_holds_the_same_in_input_order(save, classes, tmp_path, ending):
    needs_format(ending)
    path = save("new.npy", ROWS[::7])
    score_to_file(classes, [path], tmp_path / "whole.npy")
    score_to_file(classes, [path], tmp_path / f"s{ending}", reading=Reading(chunk_bytes=200))
    whole = np.load(tmp_path / "whole.npy")
    if ending == ".npy":
        table = np.load(tmp_path / "s.npy")
    elif ending == ".parquet":
        pq = pytest.importorskip("pyarrow.parquet")
        table = pq.read_table(tmp_path / "s.parquet").to_pydict()
    else:
        with open(tmp_path / f"s{ending}", newline="") as stream:
            lines = list(csv.DictReader(stream, delimiter="\t" if ending == ".tsv" else ","))
        table = {name: [line[name] for line in lines] for name in lines[0]}
    assert list(map(str, table["class"])) == whole["class"].tolist()
    np.testing.assert_array_equal(np.array(table["id"], int), whole["id"])
    for name in ("log_density", "cosine", "probability"):
        np.testing.assert_allclose(np.array(table[name], float), whole[name], rtol=1e-13)


def test_bad_rows_keep_their_place(save, classes, tmp_path):
    rows = ROWS[:10].copy()
    rows[3, 1] = np.nan
    rows[5] = 0.0
    path = save("new.npy", rows)
    with pytest.raises(EmbeddingError, match=r"new.npy: row 3, column 1: the value is nan"):
        score_to_file(classes, [path], tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
    done = score_to_file(classes, [path], tmp_path / "s.npy", reading=Reading(on_bad_rows="skip"))
    scores = np.load(tmp_path / "s.npy")
    bad = np.isin(np.arange(10), [3, 5])
    for name in ("log_density", "cosine", "probability"):
        np.testing.assert_array_equal(np.isnan(scores[name]), bad)
    np.testing.assert_array_equal(scores["class"] == "", bad)
    assert (done.rows, done.skipped, done.normalised) == (10, 2, 0)
    assert np.isfinite(done.mean_log_density)


def test_a_model_of_another_dimension_is_refused(save, single, tmp_path):
    with pytest.raises(EmbeddingError, match="has dimension 3, the model 6"):
        score_to_file(single, [save("new.npy", ROWS[:, :3])], tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()


def test_an_error_in_the_middle_leaves_no_file(save, single, tmp_path):
    rows = ROWS.copy()
    rows[-1] = np.inf
    before = save("new.npy", rows)
    with pytest.raises(EmbeddingError, match="row 349"):
        score_to_file(single, [before], tmp_path / "s.csv", reading=Reading(chunk_bytes=200))
    assert not [name for name in os.listdir(tmp_path) if "s.csv" in name]


def test_outputs_are_checked_first(save, single, tmp_path):
    path = save("new.npy", ROWS)
    with pytest.raises(EmbeddingError, match="is also an input"):
        score_to_file(single, [path], path)
    with pytest.raises(EmbeddingError, match=r"the output is one of .csv, .tsv"):
        score_to_file(single, [path], tmp_path / "s.txt")


def test_extreme_lengths_have_a_direction():
    rows = np.array([[3e200, 4e200], [3e-200, 4e-200], [5e-324, 0.0], [1.0, 0.0]])
    unit, off_unit = unit_rows(rows, "error", 0)
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0.6, 0.8], [1, 0], [1, 0]], rtol=1e-15)
    assert off_unit == 3


def test_bad_rows_are_counted_over_the_whole_file():
    with pytest.raises(BadRowError) as caught:
        unit_rows(np.array([[1.0, 0.0], [0.0, 0.0]]), "error", 100)
    assert caught.value.row == 101


@pytest.mark.parametrize("classes", [1, 7])
@pytest.mark.parametrize("dimension", [3, 64, 700])
def test_a_score_depends_on_its_row_alone(classes, dimension):
    rng = np.random.default_rng(dimension)
    rows = rng.standard_normal((900, dimension)) + 0.2
    statistics = [SufficientStatistics.from_rows(rows[k::classes]) for k in range(classes)]
    labels = [None] if classes == 1 else [str(k) for k in range(classes)]
    fits = [fit(one) for one in statistics]
    scorer = Scorer(model_of_fits(labels, statistics, fits, "unbiased", ()))
    whole, _ = score_chunk(scorer, rows, "error", 0)
    for start, stop in [(0, 1), (899, 900), (1, 3), (5, 20), (13, 500), (200, 900)]:
        part, _ = score_chunk(scorer, rows[start:stop], "error", start)
        assert np.array_equal(part.log_density, whole.log_density[start:stop])
        assert np.array_equal(part.cosine, whole.cosine[start:stop])
        assert np.array_equal(part.probability, whole.probability[start:stop])
        assert np.array_equal(part.likeliest, whole.likeliest[start:stop])
