"""The expected likelihood kernel against mpmath and an average over draws."""

from __future__ import annotations

import numpy as np
import pytest

from tests.libraries import optional
from tests.uncertainty.known_model import log_normalizer
from vmf import VonMisesFisher
from vmf.uncertainty import elk_matrix, elk_pairs, elk_to_classes, log_elk

mpmath, logsumexp = optional("mpmath"), optional("scipy.special").logsumexp


@pytest.mark.parametrize("dimension", [2, 3, 17, 512, 4096])
@pytest.mark.parametrize(
    ("k1", "k2"), [(0.0, 0.0), (0.0, 5.0), (1e-3, 2.0), (30.0, 400.0), (1e5, 1e5)]
)
@pytest.mark.parametrize("away", [0.0, 1e-12, 0.3, 1.0, 1.7, 2.0])
def test_against_mpmath(dimension, k1, k2, away):
    with mpmath.workdps(60):
        cosine = 1 - mpmath.mpf(away)
        length = mpmath.sqrt(mpmath.mpf(k1) ** 2 + mpmath.mpf(k2) ** 2 + 2 * k1 * k2 * cosine)
        one, two = log_normalizer(dimension, k1), log_normalizer(dimension, k2)
        p = mpmath.mpf(dimension)
        if length == 0:
            both = log_normalizer(dimension, 0)
        else:
            both = (
                (p / 2 - 1) * mpmath.log(length)
                - p / 2 * mpmath.log(2 * mpmath.pi)
                - mpmath.log(mpmath.besseli(p / 2 - 1, length))
            )
        exact = one + two - both
        # Three normalisers and the excess, each rounded once.
        largest = max(abs(one + k1), abs(two + k2), abs(both + length), k1 + k2 - length, 1)
    found = log_elk(dimension, k1, k2, away)
    assert abs(float(exact) - float(found)) <= 8 * 2.0**-52 * float(largest)


def test_is_the_mean_of_one_density_over_the_other():
    a, b = VonMisesFisher([1.0, 0, 0, 0], 6.0), VonMisesFisher([0.6, 0.8, 0, 0], 3.0)
    average = b.pdf(a.sample(400_000, 0)).mean()
    found = elk_pairs([a.mean_direction], [6.0], [b.mean_direction], [3.0])
    assert np.exp(found[0]) == pytest.approx(average, rel=5e-3)


def test_the_matrix_holds_all_pairs_and_is_symmetric():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((7, 5)), rng.standard_normal((4, 5))
    Y[1] = X[3] * 2 + 1e-9
    kx, ky = rng.uniform(0, 50, 7), rng.uniform(0, 1e4, 4)
    found = elk_matrix(X, kx, Y, ky)
    for i in range(7):
        for j in range(4):
            pair = elk_pairs(X[i : i + 1], kx[i : i + 1], Y[j : j + 1], ky[j : j + 1])
            np.testing.assert_allclose(found[i, j], pair[0], rtol=1e-10)
    np.testing.assert_allclose(found, elk_matrix(Y, ky, X, kx).T, rtol=1e-12)
    np.testing.assert_array_equal(elk_matrix(X, kx, Y, ky, higher="ood"), -found)


def test_certain_pairs_say_more_either_way():
    near, far = 1e-3, 0.8
    sure, unsure = 500.0, 20.0
    assert log_elk(16, sure, sure, near) > log_elk(16, unsure, unsure, near)
    assert log_elk(16, sure, sure, far) < log_elk(16, unsure, unsure, far)


def test_against_classes(model):
    X, kappa = model.draw(6), np.linspace(0, 80, 18)
    away = 1 - X @ model.mean_directions_.T
    each = log_elk(6, kappa[:, np.newaxis], model.concentrations_, away)
    expected = logsumexp(model.log_priors_ + each, axis=1)
    np.testing.assert_allclose(elk_to_classes(model, X, kappa), expected, rtol=1e-10)


def test_what_does_not_fit(model):
    X = model.draw(1)
    with pytest.raises(ValueError, match="Y \\(2, 6\\); pairs need the same"):
        elk_pairs(X, np.ones(3), X[:2], np.ones(2))
    with pytest.raises(ValueError, match="concentration_x has 2 entries for 3 rows"):
        elk_pairs(X, np.ones(2), X, np.ones(3))
    with pytest.raises(ValueError, match=r"concentration\[1\] is -1.0"):
        elk_matrix(X, [1, -1, 1], X, np.ones(3))
    with pytest.raises(ValueError, match="X has dimension 6, Y 5"):
        elk_matrix(X, np.ones(3), X[:, :5], np.ones(3))
    with pytest.raises(ValueError, match=r"shape \(3, 1\)"):
        elk_to_classes(model, X, np.ones((3, 1)))
