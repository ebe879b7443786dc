"""Densities and the class posterior against the definitions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.libraries import optional
from tests.uncertainty.known_model import KnownModel, log_normalizer
from vmf import uncertainty
from vmf.errors import BadRowError

mpmath, scipy_special = optional("mpmath"), optional("scipy.special")


def joint(model, X):
    return model.log_priors_ + model.log_density(X)


def test_log_density_is_that_of_the_mixture(model):
    X = model.draw(30)
    np.testing.assert_allclose(
        uncertainty.log_density(model, X),
        scipy_special.logsumexp(joint(model, X), axis=1),
        rtol=1e-13,
    )
    np.testing.assert_allclose(
        uncertainty.class_log_density(model, X), model.log_density(X).max(axis=1), rtol=1e-13
    )


def test_the_weights_of_a_mixture_serve_as_priors(model):
    X = model.draw(5)
    expected = uncertainty.log_density(model, X)
    model.weights_ = np.exp(model.log_priors_)
    del model.log_priors_
    np.testing.assert_allclose(uncertainty.log_density(model, X), expected, rtol=1e-13)


def test_a_component_without_weight_counts_for_nothing(model):
    X = model.draw(5)
    model.weights_ = np.array([0.5, 0.5, 0.0])
    del model.log_priors_
    expected = scipy_special.logsumexp(model.log_density(X)[:, :2] + np.log(0.5), axis=1)
    np.testing.assert_allclose(uncertainty.log_density(model, X), expected, rtol=1e-13)


def test_the_cosine_of_the_nearest_mean(model):
    X = 3.0 * model.draw(20)
    cosines = X @ model.mean_directions_.T / np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(
        uncertainty.nearest_mean_cosine(model, X), cosines.max(axis=1), rtol=1e-12
    )


def test_the_class_posterior(model):
    X = model.draw(50)
    p = np.exp(scipy_special.log_softmax(joint(model, X), axis=1))
    largest = p.max(axis=1)
    np.testing.assert_allclose(uncertainty.max_probability(model, X), largest, rtol=1e-12)
    np.testing.assert_allclose(
        uncertainty.entropy(model, X, higher="ood"), scipy_special.entr(p).sum(axis=1), atol=1e-14
    )
    odds = uncertainty.log_odds(model, X)
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), largest, rtol=1e-12)


def test_entropy_and_odds_where_the_probability_is_1_to_the_last_digit():
    model = KnownModel(6, (4000.0, 5000.0, 6000.0))
    X = model.mean_directions_[:1] + 1e-3
    assert uncertainty.max_probability(model, X)[0] == 1.0
    with mpmath.workdps(60 + 2000):
        exact = [mpmath.exp(mpmath.mpf(float(v))) for v in joint(model, X)[0]]
        p = [value / mpmath.fsum(exact) for value in exact]
        entropy = -mpmath.fsum(q * mpmath.log(q) for q in p)
        odds = mpmath.log(p[0]) - mpmath.log(1 - p[0])
        assert 0 < entropy < 1e-20
        np.testing.assert_allclose(
            uncertainty.entropy(model, X, higher="ood")[0], float(entropy), rtol=1e-9
        )
        np.testing.assert_allclose(uncertainty.log_odds(model, X)[0], float(odds), rtol=1e-12)


def test_entropy_ends_at_the_log_of_the_classes(model):
    model.mean_directions_ = np.repeat(model.mean_directions_[:1], 3, axis=0)
    model.concentrations_ = np.full(3, 10.0)
    model.log_priors_ = np.log(np.full(3, 1 / 3))
    assert uncertainty.entropy(model, model.draw(1), higher="ood") == pytest.approx(np.log(3))


def test_the_predictive_density_integrates_over_the_mean():
    """By an average over draws of the mean directions, in three dimensions."""
    model = KnownModel(3, (4.0, 6.0, 8.0))
    model.posterior_concentrations_ = np.array([5.0, 9.0, 3.0])
    X = model.draw(4)
    from vmf import VonMisesFisher

    total = np.zeros(len(X))
    for k in range(3):
        posterior = VonMisesFisher(model.mean_directions_[k], model.posterior_concentrations_[k])
        means = posterior.sample(200_000, k)
        kappa = model.concentrations_[k]
        density = float(mpmath.exp(log_normalizer(3, kappa))) * np.exp(kappa * X @ means.T)
        total += np.exp(model.log_priors_[k]) * density.mean(axis=1)
    found = uncertainty.predictive_log_density(model, X)
    np.testing.assert_allclose(found, np.log(total), atol=0.01)
    assert (np.abs(found - uncertainty.log_density(model, X)) > 0.05).any()


def test_the_predictive_density_of_sure_means_is_the_density(model):
    X = model.draw(10)
    model.posterior_concentrations_ = np.full(3, 1e14)
    np.testing.assert_allclose(
        uncertainty.predictive_log_density(model, X), uncertainty.log_density(model, X), atol=1e-8
    )


SCORES_OF_A_MODEL = (
    uncertainty.log_density, uncertainty.class_log_density, uncertainty.predictive_log_density,
    uncertainty.nearest_mean_cosine, uncertainty.max_probability, uncertainty.log_odds,
    uncertainty.entropy, uncertainty.mutual_information,
)  # fmt: skip


@pytest.mark.parametrize("score", SCORES_OF_A_MODEL)
def test_both_conventions_and_only_directions_count(model, score):
    X = model.draw(20)
    certain = score(model, X)
    np.testing.assert_array_equal(score(model, X, higher="ood"), -certain)
    np.testing.assert_allclose(score(model, 1e200 * X), certain, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="higher is 'up'; expected 'certain' or 'ood'"):
        score(model, X, higher="up")


@pytest.mark.parametrize("score", SCORES_OF_A_MODEL)
def test_the_middle_of_a_class_is_more_certain_than_the_middle_of_two(model, score):
    means = model.mean_directions_
    certain = score(model, np.stack([means[0], means[0] + means[1]]))
    assert certain[0] > certain[1]


@pytest.mark.parametrize("score", SCORES_OF_A_MODEL)
def test_bad_rows_and_types(model, score):
    X = model.draw(3)
    X[4, 2] = np.nan
    with pytest.raises(BadRowError, match=r"row 4, column 2 .*nan"):
        score(model, X)
    X[4] = 0.0
    with pytest.raises(BadRowError, match=r"row 4 .*zero"):
        score(model, X)
    with pytest.raises(ValueError, match="X has dimension 5, the model 6"):
        score(model, X[:4, :5])
    with pytest.raises(ValueError, match="1-D"):
        score(model, X[0])
    with pytest.raises(TypeError, match="numeric"):
        score(model, np.array([["a", "b"]]))


@pytest.mark.parametrize("score", SCORES_OF_A_MODEL)
def test_half_precision_and_read_only_maps(model, score, tmp_path):
    X = model.draw(5).astype(np.float16)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    wide = X.astype(np.float64)
    np.testing.assert_allclose(score(model, mapped), score(model, wide), rtol=1e-9, atol=1e-12)
