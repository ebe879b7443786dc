"""Mixtures of files: what is streamed gives what arrays give."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import vmf
from vmf.cli import app
from vmf.distribution.model import load_model
from vmf.embeddings import open_embeddings
from vmf.errors import EmbeddingError
from vmf.jobs.mixture import fit_mixture_to_file
from vmf.models import VMFClassifier, VMFDensity, VMFMixture
from vmf.passes.engine import Reading
from vmf.passes.memory_budget import resident_bytes

AXES = np.linalg.qr(np.random.default_rng(0).standard_normal((12, 12)))[0][:4]
ROWS = np.concatenate(
    [vmf.VonMisesFisher(axis, 30.0 + 20 * k).sample(150 + 50 * k, k) for k, axis in enumerate(AXES)]
).astype(np.float32)
ROWS = ROWS[np.random.default_rng(1).permutation(len(ROWS))]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, part in enumerate(np.array_split(ROWS, 3)):
        np.save(folder / f"{number}.npy", part)
    return folder


@pytest.mark.parametrize("assignment", ["soft", "hard", "stochastic"])
def test_the_same_mixture_as_of_the_array(folder, assignment):
    how = {"assignment": assignment, "random_state": 3, "n_init": 2}
    expected = VMFMixture(4, **how).fit(ROWS)
    found = VMFMixture(4, **how).fit(open_embeddings(folder))
    assert found.n_iter_ == expected.n_iter_
    np.testing.assert_allclose(found.lower_bounds_, expected.lower_bounds_, rtol=1e-6)
    np.testing.assert_allclose(found.concentrations_, expected.concentrations_, rtol=1e-5)
    np.testing.assert_allclose(found.mean_directions_, expected.mean_directions_, atol=1e-6)


def test_one_component_is_a_fit_to_the_bit(folder):
    found = VMFDensity().fit(open_embeddings(folder))
    assert found.concentrations_[0] == VMFDensity().fit(ROWS).concentrations_[0]


def test_scores_and_components_of_the_rows(folder):
    mixture = VMFMixture(4, random_state=0).fit(ROWS)
    file = open_embeddings(folder)
    np.testing.assert_allclose(mixture.score_samples(file), mixture.score_samples(ROWS), rtol=1e-6)
    np.testing.assert_array_equal(mixture.predict(file), mixture.predict(ROWS))


def test_a_classifier_takes_files_too(folder):
    labels = np.argmax(ROWS @ AXES.T, axis=1)
    found = VMFClassifier().fit(open_embeddings(folder), labels)
    expected = VMFClassifier().fit(ROWS, labels)
    np.testing.assert_array_equal(found.predict(open_embeddings(folder)), expected.predict(ROWS))


def test_other_features_are_refused(folder, tmp_path):
    np.save(tmp_path / "x.npy", ROWS[:, :5])
    with pytest.raises(ValueError, match="has 5 features"):
        VMFMixture(2).fit(ROWS).predict(open_embeddings(tmp_path / "x.npy"))


def test_bad_rows_are_named_by_file_and_row_or_left_out(folder, tmp_path):
    part = np.load(folder / "1.npy")
    expected = np.concatenate([np.load(folder / "0.npy"), part[2:], np.load(folder / "2.npy")])
    part[0, 4], part[1] = np.nan, 0
    np.save(folder / "1.npy", part)
    with pytest.raises(EmbeddingError, match=r"1\.npy: row 0, column 4: the value is (nan|NaN)"):
        VMFMixture(2).fit(open_embeddings(folder))
    for batch in (None, 100):
        with pytest.raises(
            EmbeddingError, match=r"1\.npy: row 0, column 4: the value is (nan|NaN)"
        ):
            fit_mixture_to_file([folder], tmp_path / "m.safetensors", 4, batch=batch)
    done = fit_mixture_to_file(
        [folder], tmp_path / "m.safetensors", 4, reading=Reading(on_bad_rows="skip")
    )
    again = VMFMixture(4, random_state=0).fit(expected)
    assert sum(one.weight for one in done.model.statistics) == pytest.approx(len(expected))
    assert done.log_likelihood == pytest.approx(again.lower_bound_, abs=0.05)


def test_too_few_rows_are_told_with_their_file(tmp_path):
    rows = np.full((5, 8), np.nan, np.float32)
    skip = Reading(on_bad_rows="skip")
    for usable, said in (
        (0, r"x\.npy: holds no usable rows \(5 were skipped\)"),
        (1, r"x\.npy: holds one single usable row \(4 were skipped\), .* estimator='map'"),
    ):
        rows[:usable] = 1.0
        np.save(tmp_path / "x.npy", rows)
        with pytest.raises(EmbeddingError, match=said):
            fit_mixture_to_file([tmp_path / "x.npy"], tmp_path / "m.safetensors", 1, reading=skip)
    how = {"estimator": "map", "reading": skip}
    fit_mixture_to_file([tmp_path / "x.npy"], tmp_path / "m.safetensors", 1, **how)


def test_batches_read_once_and_come_near(folder, tmp_path):
    done = fit_mixture_to_file([folder], tmp_path / "m.safetensors", 4, batch=200, seed=1)
    assert sum(one.weight for one in done.model.statistics) == pytest.approx(len(ROWS))
    whole = VMFMixture(4, random_state=1, n_init=3).fit(ROWS)
    from vmf.models import load

    assert load(tmp_path / "m.safetensors").score(ROWS) > whole.score(ROWS) - 0.1
    with pytest.raises(EmbeddingError, match="batch is 3; it needs 4 rows or more"):
        fit_mixture_to_file([folder], tmp_path / "m.safetensors", 4, batch=3)


def test_memory_is_looked_after(folder, tmp_path):
    model = tmp_path / "m.safetensors"
    with pytest.raises(EmbeddingError, match=r"memory=.* is not enough"):
        fit_mixture_to_file([folder], model, 4, reading=Reading(memory=10**6))
    with pytest.raises(EmbeddingError, match=r"memory=.* is not enough|does not fit into"):
        fit_mixture_to_file([folder], model, 4, batch=500, reading=Reading(memory=10**6))
    assert not model.exists()
    fit_mixture_to_file([folder], model, 4, reading=Reading(memory=resident_bytes() + 10**8))


def test_the_command(folder, tmp_path):
    output = str(tmp_path / "m.safetensors")
    command = ["mixture", str(folder), "-k", "4", "-o", output, "--seed", "2"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0
    assert "iterations, log-likelihood a row" in done.output
    model = load_model(output)
    assert (model.kind, model.sources) == ("components", ("0.npy", "1.npy", "2.npy"))
    found = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert found["converged"]
    np.testing.assert_array_equal([c["kappa"] for c in found["classes"]], model.concentration)
    scored = CliRunner().invoke(app, ["score", output, str(folder), "-o", str(tmp_path / "s.npy")])
    assert scored.exit_code == 0
    scores = np.load(tmp_path / "s.npy")["log_density"]
    assert scores.mean() == pytest.approx(found["log_likelihood"], abs=1e-2)
    wrong = CliRunner().invoke(app, ["mixture", str(folder), "-k", "5000", "-o", output])
    assert wrong.exit_code == 2
    assert "a component needs one row or more" in wrong.output
