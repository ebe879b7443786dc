"""The mutual information against draws of whole mean directions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.libraries import optional
from tests.uncertainty.known_model import KnownModel
from vmf import VonMisesFisher, special
from vmf.uncertainty import entropy, mutual_information

entr, log_softmax = optional("scipy.special").entr, optional("scipy.special").log_softmax


def by_whole_draws(model, X, draws, seed):
    dimension = X.shape[1]
    parts = zip(model.mean_directions_, model.posterior_concentrations_, strict=True)
    means = [VonMisesFisher(m, b).sample(draws, seed + k) for k, (m, b) in enumerate(parts)]
    cosines = np.stack([X @ m.T for m in means], axis=-1)
    kappa = model.concentrations_
    joint = model.log_priors_ + special.log_normalizer(dimension, kappa) + kappa * cosines
    p = np.exp(log_softmax(joint, axis=-1))
    return entr(p.mean(axis=1)).sum(axis=-1) - entr(p).sum(axis=-1).mean(axis=1)


@pytest.mark.parametrize("dimension", [2, 3, 4, 30])
def test_agrees_with_draws_of_whole_directions(dimension):
    model = KnownModel(dimension, (9.0, 14.0, 20.0))
    model.posterior_concentrations_ = np.array([20.0, 50.0, 10.0])
    X = model.draw(3)
    found = mutual_information(model, X, draws=40_000, higher="ood")
    np.testing.assert_allclose(found, by_whole_draws(model, X, 40_000, 5), atol=6e-3)
    assert found.max() > 0.05


def test_vanishes_when_the_means_are_known(model):
    model.posterior_concentrations_ = np.full(3, 1e12)
    X = model.draw(10)
    assert (mutual_information(model, X, higher="ood") < 1e-6).all()


def test_is_at_most_the_entropy_of_the_average(model):
    X = model.draw(40)
    found = mutual_information(model, X, higher="ood")
    assert (found >= 0).all()
    assert (found <= np.log(3)).all()
    model.posterior_concentrations_ *= 100
    assert mutual_information(model, X, higher="ood").mean() < found.mean()
    assert entropy(model, X, higher="ood").mean() > found.mean()


def test_the_seed_decides_and_other_rows_do_not(model):
    X = model.draw(20)
    found = mutual_information(model, X, rng=3)
    np.testing.assert_array_equal(mutual_information(model, X, rng=3), found)
    np.testing.assert_allclose(mutual_information(model, X[7:9], rng=3), found[7:9], rtol=1e-10)
    assert (mutual_information(model, X, rng=4) != found).any()


def test_what_it_needs(model):
    with pytest.raises(ValueError, match="draws is 1"):
        mutual_information(model, model.draw(1), draws=1)
    del model.posterior_concentrations_
    with pytest.raises(ValueError, match="KnownModel has no posterior_concentrations_"):
        mutual_information(model, model.draw(1))
