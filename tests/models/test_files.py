from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from typer.testing import CliRunner

from tests.models.data import clusters
from vmf.cli import app
from vmf.estimation import ConjugatePrior
from vmf.models import VMFClassifier, VMFDensity, VMFMixture, load, save


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("concentration", ["free", "tied", 50.0])
@pytest.mark.parametrize("estimator", ["mle", "unbiased"])
def test_what_is_kept_comes_back(tmp_path, concentration, estimator):
    rows, labels = clusters()
    parameters = {"concentration": concentration, "estimator": estimator}
    for model in (
        VMFMixture(3, random_state=0, **parameters).fit(rows),
        VMFDensity(**parameters).fit(rows),
        VMFClassifier(**parameters).fit(rows, np.array(["a", "b", "c"])[labels]),
    ):
        save(model, tmp_path / "m.safetensors")
        back = load(tmp_path / "m.safetensors")
        assert type(back) is type(model)
        assert (back.log_density(rows) == model.log_density(rows)).all()
        assert back.score_samples(rows) == pytest.approx(model.score_samples(rows), rel=1e-13)
        assert (back.predict(rows) == model.predict(rows)).all()
        assert back.posterior_concentrations_ == pytest.approx(model.posterior_concentrations_)
        if concentration != 50.0:
            assert (back.concentration, back.estimator) == (concentration, estimator)
        more = (
            (rows[:50], back.predict(rows[:50]))
            if model.__class__ is VMFClassifier
            else (rows[:50],)
        )
        assert back.partial_fit(*more).n_features_in_ == 16


def test_commands_read_them(tmp_path):
    rows, _ = clusters()
    np.save(tmp_path / "x.npy", rows)
    mixture = VMFMixture(3, random_state=0).fit(rows)
    save(mixture, tmp_path / "m.safetensors")
    run("score", tmp_path / "m.safetensors", tmp_path / "x.npy", "-o", tmp_path / "s.npy")
    table = np.load(tmp_path / "s.npy")
    assert table["log_density"] == pytest.approx(mixture.score_samples(rows), rel=1e-9)
    assert (table["class"].astype(int) == mixture.predict(rows)).all()
    assert table["probability"] == pytest.approx(mixture.predict_proba(rows).max(axis=1), abs=1e-9)
    told = run("info", tmp_path / "m.safetensors")
    assert "600 in 3 components" in told
    assert "component" in told


def test_fits_of_the_command_are_classifiers(tmp_path):
    rows, codes = clusters()
    np.save(tmp_path / "x.npy", rows)
    np.save(tmp_path / "y.npy", codes * 5)
    model, scores = tmp_path / "m.safetensors", tmp_path / "s.npy"
    run("fit", tmp_path / "x.npy", "--labels", tmp_path / "y.npy", "-o", model)
    run("score", model, tmp_path / "x.npy", "-o", scores)
    text, numbers = load(model), load(model, label=int)
    assert isinstance(text, VMFClassifier)
    assert text.classes_.tolist() == ["0", "10", "5"]
    assert numbers.classes_.tolist() == [0, 5, 10]
    assert numbers.score(rows, codes * 5) > 0.98
    assert numbers.score_samples(rows) == pytest.approx(np.load(scores)["log_density"], rel=1e-10)
    assert text.score_samples(rows) == pytest.approx(numbers.score_samples(rows), rel=1e-12)
    run("fit", tmp_path / "x.npy", "-o", model)
    assert isinstance(load(model), VMFDensity)


def test_what_has_no_place_in_a_file_is_refused(tmp_path):
    rows, labels = clusters()
    for model, message in (
        (VMFClassifier(priors="uniform").fit(rows, labels), "priors=None"),
        (VMFClassifier(predictive=True).fit(rows, labels), "predictive=False"),
        (VMFMixture(3, weights="uniform", random_state=0).fit(rows), "weights='free'"),
        (VMFDensity(estimator="map", prior=ConjugatePrior()).fit(rows), "prior of one's own"),
    ):
        with pytest.raises(ValueError, match=message):
            save(model, tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())
    save(VMFClassifier().fit(rows, np.array(["1", "01", "2"])[labels]), tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="one label of two"):
        load(tmp_path / "m.safetensors", label=int)
