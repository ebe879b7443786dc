"""The kernel density against its definition and scikit-learn's search."""

from __future__ import annotations

import numpy as np
import pytest

from tests.libraries import optional
from vmf import VonMisesFisher, special
from vmf.errors import BadRowError
from vmf.uncertainty import VMFKernelDensity

logsumexp = optional("scipy.special").logsumexp


@pytest.fixture
def rows() -> np.ndarray:
    return VonMisesFisher(np.eye(8)[0], 12.0).sample(300, 0)


def by_definition(training, X, kappa):
    exponents = special.log_normalizer(8, kappa) + kappa * X @ training.T
    return logsumexp(exponents, axis=1) - np.log(len(training))


def test_is_the_mean_of_the_kernels(rows):
    X = np.random.default_rng(1).standard_normal((20, 8))
    found = VMFKernelDensity(30.0).fit(5 * rows).score_samples(X)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(found, by_definition(rows, unit, 30.0), rtol=1e-12)


def test_blocks_do_not_matter(rows):
    density = VMFKernelDensity(30.0).fit(rows)
    whole = density.score_samples(rows)
    # A sum of terms of about 30, some of whose values are near 0: what is accurate is the difference.
    np.testing.assert_allclose(
        density.score_samples(rows, block_elements=56), whole, rtol=0.0, atol=1e-13
    )


def test_far_rows_do_not_underflow(rows):
    far = VMFKernelDensity(1e6).fit(rows).score_samples(-rows[:1])
    assert np.isfinite(far).all()
    assert far[0] < -1e5


def test_the_bandwidth_maximises_the_leave_one_out_likelihood(rows):
    best = VMFKernelDensity().fit(rows).concentration_

    def likelihood(kappa):
        exponents = special.log_normalizer(8, kappa) + kappa * rows @ rows.T
        np.fill_diagonal(exponents, -np.inf)
        return logsumexp(exponents, axis=1).mean()

    nearby = [likelihood(best * factor) for factor in (0.9, 0.99, 1.0, 1.01, 1.1)]
    assert int(np.argmax(nearby)) == 2


def test_a_few_anchors_give_about_the_same_bandwidth(rows):
    every = VMFKernelDensity().fit(rows).concentration_
    some = VMFKernelDensity(anchors=100, rng=1).fit(rows).concentration_
    assert some == pytest.approx(every, rel=0.3)
    assert some == VMFKernelDensity(anchors=100, rng=1).fit(rows).concentration_


def test_conventions_and_order(rows):
    density = VMFKernelDensity().fit(rows)
    X = np.stack([np.eye(8)[0], np.eye(8)[1], -np.eye(8)[0]])
    found = density.score_samples(X)
    assert found[0] > found[1] > found[2]
    np.testing.assert_array_equal(density.score_samples(X, higher="ood"), -found)


def test_single_precision_stays_single(rows):
    density = VMFKernelDensity(30.0).fit(rows.astype(np.float16))
    assert density.training_.dtype == np.float32
    np.testing.assert_allclose(
        density.score_samples(rows), VMFKernelDensity(30.0).fit(rows).score_samples(rows), atol=0.05
    )


def test_what_cannot_be_fitted(rows):
    with pytest.raises(ValueError, match="at least 2"):
        VMFKernelDensity().fit(rows[:1])
    with pytest.raises(ValueError, match="most rows have an equal one"):
        VMFKernelDensity().fit(np.concatenate([rows, rows]))
    with pytest.raises(ValueError, match="largest for kappa = 0"):
        VMFKernelDensity().fit(np.concatenate([np.eye(8), -np.eye(8)]))
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="concentration is"):
            VMFKernelDensity(wrong).fit(rows)
    with pytest.raises(ValueError, match="X has dimension 3, the training rows 8"):
        VMFKernelDensity(1.0).fit(rows).score_samples(rows[:, :3])
    rows[5, 1] = np.nan
    with pytest.raises(BadRowError, match="row 5, column 1"):
        VMFKernelDensity(1.0).fit(rows)


def test_clusters_around_the_whole_sphere_have_a_bandwidth():
    """Their mean cosine is below 0, so that the likelihood falls next to kappa = 0 too."""
    means = np.concatenate([np.eye(8), -np.eye(8)])
    X = np.concatenate([VonMisesFisher(m, 200.0).sample(20, k) for k, m in enumerate(means)])
    assert 50 < VMFKernelDensity().fit(X).concentration_ < 2000
