from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.simulation import simulate_resultants
from vmf import special
from vmf.estimation import (
    ConjugatePrior,
    SufficientStatistics,
    fit_concentration,
    map_estimate,
    marginal,
    mle,
    unbiased,
)


def statistics_with(r: float, n: float = 100.0, dim: int = 5) -> SufficientStatistics:
    resultant = np.zeros(dim)
    resultant[1] = n * r
    return SufficientStatistics(n, n, n, resultant, np.zeros(dim), dispersion=n * (1 - r))


@pytest.mark.parametrize("dim", [2, 3, 64, 2048, 32768])
@pytest.mark.parametrize("r", [1e-8, 0.1, 0.49, 0.51, 0.99, 1 - 1e-9])
def test_mle_inverts_the_mean_resultant_length(dim: int, r: float) -> None:
    kappa = mle(statistics_with(r, dim=dim))
    a = float(special.mean_resultant_length(dim, kappa))
    a_c = float(special.mean_resultant_length_c(dim, kappa))
    assert abs(a - r) <= 4e-15 * r
    assert abs(a_c - (1 - r)) <= 4e-15 * (1 - r) + 2.3e-16 * r


def test_mle_uses_the_dispersion() -> None:
    n, dispersion = 100.0, 3.7e-18
    stats = SufficientStatistics(
        n, n, n, np.array([n, 0.0, 0.0]), np.zeros(3), dispersion=dispersion
    )
    # For p = 3 and large kappa, 1 - A = 1/kappa.
    assert mle(stats) == pytest.approx(n / dispersion, rel=1e-14, abs=0.0)


def test_degenerate_resultants() -> None:
    assert mle(statistics_with(0.0)) == 0.0
    assert mle(statistics_with(1.0)) == math.inf
    assert unbiased(statistics_with(1.0)) == math.inf
    assert marginal(statistics_with(1.0)) == math.inf
    assert unbiased(statistics_with(0.0999)) == 0.0
    assert marginal(statistics_with(0.0999)) == 0.0
    assert unbiased(statistics_with(0.1001)) > 0.0
    assert marginal(statistics_with(0.1001)) > 0.0
    assert mle(statistics_with(1.0, n=1.0)) == math.inf
    for estimator in (unbiased, marginal):
        with pytest.raises(ValueError, match="two or more"):
            estimator(statistics_with(1.0, n=1.0))
    with pytest.raises(ValueError, match="no rows"):
        mle(SufficientStatistics.empty(3))


def test_unbiased_solves_its_equation() -> None:
    stats = statistics_with(0.3, n=50.0, dim=200)
    a = float(special.mean_resultant_length(200, unbiased(stats)))
    assert a * a == pytest.approx((50 * 0.09 - 1) / 49, rel=1e-13, abs=0.0)
    concentrated = statistics_with(1 - 1e-10, n=50.0, dim=7)
    a_c = float(special.mean_resultant_length_c(7, unbiased(concentrated)))
    one_minus_r = concentrated.one_minus_mean_resultant_length
    assert a_c == pytest.approx(one_minus_r * 50 / 49, rel=1e-9, abs=0.0)


@pytest.mark.parametrize("dim", [2, 3, 300])
@pytest.mark.parametrize("r", [0.15, 0.45, 0.55, 0.999, 1 - 1e-11])
def test_marginal_solves_its_equation(dim: int, r: float) -> None:
    n = 100.0
    kappa = marginal(statistics_with(r, n, dim))
    left_c = n * float(special.mean_resultant_length_c(dim, kappa))
    right_c = n * (1 - r) + n * r * float(special.mean_resultant_length_c(dim, n * r * kappa))
    left = n * float(special.mean_resultant_length(dim, kappa))
    right = n * r * float(special.mean_resultant_length(dim, n * r * kappa))
    assert left_c == pytest.approx(right_c, rel=1e-12, abs=0.0)
    assert left == pytest.approx(right, rel=1e-12, abs=0.0)


def test_corrections_vanish_for_many_rows() -> None:
    stats = statistics_with(0.4, n=1e9, dim=6)
    for estimator in (unbiased, marginal):
        assert estimator(stats) == pytest.approx(mle(stats), rel=1e-7, abs=0.0)


def test_weights_enter_as_effective_rows() -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(30, 6)) + 2 * np.eye(6)[0]
    weights = rng.exponential(size=30)
    one = SufficientStatistics.from_rows(rows, weights=weights)
    scaled = SufficientStatistics.from_rows(rows, weights=1000 * weights)
    for estimator in (mle, unbiased, marginal):
        assert estimator(one) == pytest.approx(estimator(scaled), rel=1e-12, abs=0.0)
    n, r = one.effective_count, one.mean_resultant_length
    a = float(special.mean_resultant_length(6, unbiased(one)))
    assert a * a == pytest.approx((n * r * r - 1) / (n - 1), rel=1e-12, abs=0.0)


def test_high_dimension_bias() -> None:
    # p = 2048, n = 200: the maximum-likelihood estimate is off by 23 %, the other two are not.
    kappa, replicates = 204.8, 100
    drawn = simulate_resultants(2048, kappa, 200, replicates, rng=1)
    stats = [drawn.statistics(i) for i in range(replicates)]
    means = {f: np.mean([f(s) for s in stats]) / kappa for f in (mle, unbiased, marginal)}
    assert 1.22 < means[mle] < 1.25
    assert abs(means[unbiased] - 1) < 0.01
    assert abs(means[marginal] - 1) < 0.01


def test_map_adds_pseudo_rows() -> None:
    direction = np.array([0.0, 0.0, 1.0, 0.0, 0.0])
    prior = ConjugatePrior(direction, pseudo_count=20.0, mean_resultant_length=0.9)
    stats = statistics_with(0.5)
    r = math.hypot(50.0, 18.0) / 120.0
    assert map_estimate(stats, prior) == pytest.approx(
        special.concentration(5, r), rel=1e-13, abs=0.0
    )
    # The default is one row without direction, which bounds what a single row can claim.
    single = SufficientStatistics.from_rows([[0.6, 0.8]])
    assert map_estimate(single) == pytest.approx(special.concentration(2, 0.5), rel=1e-13, abs=0.0)
    # A strong prior with the data's own summary changes nothing.
    agreeing = ConjugatePrior([0.0, 2.0, 0.0, 0.0, 0.0], 1e6, 0.5)
    assert map_estimate(stats, agreeing) == pytest.approx(mle(stats), rel=1e-12, abs=0.0)


@pytest.mark.parametrize(
    "estimator", ["mle", "unbiased", "marginal", "map", "banerjee", "tanabe", "sra", "song"]
)
def test_fit_concentration_knows_every_estimator(estimator: str) -> None:
    stats = statistics_with(0.6, n=1000.0, dim=20)
    exact = float(special.concentration(20, 0.6))
    value = fit_concentration(stats, estimator)
    assert isinstance(value, float)
    assert value == pytest.approx(exact, rel=0.02, abs=0.0)


def test_fit_concentration_refuses() -> None:
    stats = statistics_with(0.6)
    with pytest.raises(ValueError, match="unknown estimator 'newton'; choose one of mle, unbiased"):
        fit_concentration(stats, "newton")
    with pytest.raises(ValueError, match="'map' only"):
        fit_concentration(stats, "mle", ConjugatePrior())
