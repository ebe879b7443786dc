"""The scores of models that were fitted, beside what these say themselves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.uncertainty.known_model import KnownModel
from vmf import uncertainty
from vmf.uncertainty import SCORES, Reference

pytest.importorskip("sklearn")
from scipy.special import entr

from vmf.models import VMFClassifier, VMFMixture


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    X = KnownModel(6).draw(40)
    labels = np.repeat(["ant", "bee", "cow"], 40)
    return X * np.random.default_rng(0).uniform(1, 3, (120, 1)), labels


def test_a_classifier(rows):
    model = VMFClassifier().fit(*rows)
    new = KnownModel(6).draw(10, seed=9)
    np.testing.assert_allclose(uncertainty.log_density(model, new), model.score_samples(new))
    p = model.predict_proba(new)
    np.testing.assert_allclose(uncertainty.max_probability(model, new), p.max(axis=1), rtol=1e-9)
    np.testing.assert_allclose(
        uncertainty.entropy(model, new, higher="ood"), entr(p).sum(axis=1), atol=1e-12
    )


def test_the_predictive_density_is_that_of_a_predictive_classifier(rows):
    X, labels = rows
    few = np.r_[0:3, 40:44, 80:90]
    plain = VMFClassifier().fit(X[few], labels[few])
    predictive = VMFClassifier(predictive=True).fit(X[few], labels[few])
    expected = predictive.score_samples(X)
    np.testing.assert_allclose(uncertainty.predictive_log_density(plain, X), expected, rtol=1e-10)
    assert np.abs(expected - plain.score_samples(X)).max() > 0.1


def test_a_class_of_few_rows_is_the_least_known(rows):
    """Its mean direction is open, so that the class of rows next to it is too."""
    X, labels = rows
    few = np.r_[0:3, 40:80, 80:120]
    sure, unsure = (
        VMFClassifier().fit(X, labels),
        VMFClassifier(concentration="tied").fit(X[few], labels[few]),
    )
    between = sure.mean_directions_[0] + sure.mean_directions_[1]
    known, open_ = (
        uncertainty.mutual_information(model, [between], draws=2000, higher="ood")[0]
        for model in (sure, unsure)
    )
    assert open_ > known


@pytest.mark.parametrize("name", list(SCORES))
def test_a_mixture(rows, name):
    X, _ = rows
    model = VMFMixture(3, random_state=0).fit(X)
    reference = Reference(model, X)
    found = SCORES[name](reference, X)
    assert np.isfinite(found).all()
    if name == "log_density":
        np.testing.assert_allclose(found, model.score_samples(X), rtol=1e-10)
