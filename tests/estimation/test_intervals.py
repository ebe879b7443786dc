from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.simulation import simulate_resultants
from vmf import special
from vmf.distribution.sampling import sample
from vmf.estimation import (
    SufficientStatistics,
    concentration_interval,
    concentration_standard_error,
    marginal,
    mean_direction_interval,
    unbiased,
)

# Dimension, kappa, rows: few rows, rows ~ dimension, dimension above rows; spread and concentrated.
CASES = [
    (2, 2.0, 20),
    (3, 30.0, 5),
    (3, 1.0, 200),
    (64, 6.4, 64),
    (64, 640.0, 20),
    (2048, 205.0, 200),
    (2048, 2048.0, 2000),
    (32768, 3277.0, 50),
]
REPLICATES = 200
# 95 % of 200 is 190; four binomial standard deviations below.
FEWEST_HITS = 178


def test_coverage_in_any_dimension() -> None:
    for dim, kappa, n in CASES:
        drawn = simulate_resultants(dim, kappa, n, REPLICATES, rng=dim + n)
        hits = cone_hits = 0
        estimates, errors = [], []
        for i in range(REPLICATES):
            stats = drawn.statistics(i)
            low, high = concentration_interval(stats)
            hits += low <= kappa <= high
            cone_hits += drawn.angle[i] <= mean_direction_interval(stats)
            estimates.append(unbiased(stats))
            errors.append(concentration_standard_error(stats, kappa))
        assert hits >= FEWEST_HITS, (dim, kappa, n, hits)
        # The cone may cover more in the hardest corners, never less.
        assert cone_hits >= FEWEST_HITS, (dim, kappa, n, cone_hits)
        if n >= 20:
            # The standard error is the actual spread: 200 draws show it to 5 %, four of them.
            assert np.std(estimates) == pytest.approx(errors[0], rel=0.25, abs=0.0), (dim, kappa, n)


def test_interval_is_not_too_wide() -> None:
    drawn = simulate_resultants(2048, 205.0, 200, REPLICATES, rng=7)
    hits = 0
    for i in range(REPLICATES):
        low, high = concentration_interval(drawn.statistics(i), level=0.5)
        hits += low <= 205.0 <= high
    assert abs(hits - 100) < 4 * math.sqrt(50)


def test_large_sample_limits() -> None:
    dim, kappa, n = 5, 8.0, 1e8
    r = float(special.mean_resultant_length(dim, kappa))
    stats = SufficientStatistics(n, n, n, n * r * np.eye(dim)[0], np.zeros(dim))
    fisher = 1 / math.sqrt(n * float(special.mean_resultant_length_dkappa(dim, kappa)))
    assert concentration_standard_error(stats) == pytest.approx(fisher, rel=1e-6, abs=0.0)
    low, high = concentration_interval(stats)
    assert low == pytest.approx(kappa - 1.959964 * fisher, abs=0.001 * fisher)
    assert high == pytest.approx(kappa + 1.959964 * fisher, abs=0.001 * fisher)
    # 95 % point of chi-squared with 4 degrees of freedom.
    cone = math.acos(1 - 9.487729 / (2 * n * kappa * r))
    assert mean_direction_interval(stats) == pytest.approx(cone, rel=1e-4, abs=0.0)


def test_concentrated_cone_is_that_of_watson_and_williams() -> None:
    n, dim, c = 5.0, 3, 1e-9
    stats = SufficientStatistics(
        n, n, n, n * (1 - c) * np.eye(dim)[0], np.zeros(dim), dispersion=n * c
    )
    # (n - 1) r (1 - cos) / (n - r) ~ F(2, 8), whose 95 % point is 4.458970.
    one_minus_cosine = 4.458970 * n * c / ((n - 1) * n)
    assert mean_direction_interval(stats) == pytest.approx(
        math.sqrt(2 * one_minus_cosine), rel=1e-4, abs=0.0
    )


def test_standard_error_of_concentrated_rows() -> None:
    # 2 kappa (n - r) ~ chi^2 with (n - 1)(p - 1): relative error sqrt(2 / that) to leading order.
    n, dim = 6.0, 9
    stats = SufficientStatistics(
        n, n, n, n * (1 - 1e-10) * np.eye(dim)[0], np.zeros(dim), dispersion=n * 1e-10
    )
    kappa = marginal(stats)
    assert concentration_standard_error(stats) / kappa == pytest.approx(
        math.sqrt(2 / (5 * 8)), rel=1e-6, abs=0.0
    )


def test_weighted_rows_are_covered() -> None:
    rng = np.random.default_rng(11)
    mu = np.full(16, 0.25)
    hits = cone_hits = 0
    for _ in range(REPLICATES):
        rows = sample(mu, 12.0, 60, rng)
        stats = SufficientStatistics.from_rows(rows, weights=rng.exponential(size=60))
        low, high = concentration_interval(stats)
        hits += low <= 12.0 <= high
        cosine = float(np.clip(stats.mean_direction @ mu, -1, 1))
        cone_hits += math.acos(cosine) <= mean_direction_interval(stats)
    assert hits >= FEWEST_HITS
    assert cone_hits >= FEWEST_HITS


def test_uniform_rows() -> None:
    rows = np.vstack([np.eye(4), -np.eye(4), 0.1 * np.eye(4)[:1]])
    stats = SufficientStatistics.from_rows(rows)
    assert concentration_standard_error(stats) == math.inf
    low, high = concentration_interval(stats)
    assert low == 0
    assert high > 0
    # Nothing is known about the direction: the cone of 95 % of the sphere.
    assert mean_direction_interval(stats) > math.pi / 2


def test_degenerate_statistics() -> None:
    equal = SufficientStatistics.from_rows([[0.6, 0.8], [0.6, 0.8]])
    assert mean_direction_interval(equal) == 0.0
    with pytest.raises(ValueError, match="R = 1"):
        concentration_interval(equal)
    with pytest.raises(ValueError, match="finite"):
        concentration_standard_error(equal)
    opposite = SufficientStatistics.from_rows([[0.6, 0.8], [-0.6, -0.8]])
    with pytest.raises(ValueError, match="R = 0"):
        mean_direction_interval(opposite)
    single = SufficientStatistics.from_rows([[0.6, 0.8]])
    for function in (concentration_interval, concentration_standard_error, mean_direction_interval):
        with pytest.raises(ValueError, match="two or more"):
            function(single)


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 95.0, math.nan])
def test_level_is_checked(level: float) -> None:
    stats = SufficientStatistics.from_rows(np.eye(3) + 1)
    for function in (concentration_interval, mean_direction_interval):
        with pytest.raises(ValueError, match="between 0 and 1"):
            function(stats, level)
