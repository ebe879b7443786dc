from __future__ import annotations

import math

import numpy as np
import pytest

from vmf.distribution.sampling import sample
from vmf.errors import DegenerateFitError
from vmf.estimation import (
    ConjugatePrior,
    SufficientStatistics,
    concentration_interval,
    concentration_standard_error,
    fit,
    fit_concentration,
    mean_direction_interval,
)


def some_statistics() -> SufficientStatistics:
    rng = np.random.default_rng(8)
    return SufficientStatistics.from_rows(rng.normal(size=(50, 6)) + 2 * np.eye(6)[1])


@pytest.mark.parametrize("estimator", ["mle", "unbiased", "marginal", "sra"])
def test_result(estimator: str) -> None:
    stats = some_statistics()
    result = fit(stats, estimator)
    assert result.estimator == estimator
    assert result.concentration == fit_concentration(stats, estimator)
    np.testing.assert_array_equal(result.mean_direction, stats.mean_direction)
    assert result.statistics is stats
    assert result.concentration_standard_error == concentration_standard_error(
        stats, result.concentration
    )
    assert result.concentration_interval(0.9) == concentration_interval(stats, 0.9)
    assert result.mean_direction_half_angle() == mean_direction_interval(stats)


def test_map_includes_the_prior() -> None:
    stats = some_statistics()
    prior = ConjugatePrior([0, 0, 0, 0, 0, 1.0], 1000.0, 0.5)
    result = fit(stats, "map", prior)
    assert result.prior is prior
    assert result.mean_direction[5] > 0.99
    assert result.statistics is stats
    assert result.posterior_statistics.count == 1050
    posterior = stats + prior.statistics(6)
    assert result.concentration_interval() == concentration_interval(posterior)
    assert result.mean_direction_half_angle() == mean_direction_interval(posterior)
    assert fit(stats, "map").posterior_statistics.count == 51


def test_degenerate_fits_are_refused() -> None:
    row = [[0.6, 0.8]]
    with pytest.raises(DegenerateFitError, match="only one row"):
        fit(SufficientStatistics.from_rows(row))
    with pytest.raises(DegenerateFitError, match="one direction"):
        fit(SufficientStatistics.from_rows(row * 9))
    with pytest.raises(DegenerateFitError, match="R = 0"):
        fit(SufficientStatistics.from_rows([[0.6, 0.8], [-0.6, -0.8]]))
    with pytest.raises(ValueError, match="no rows"):
        fit(SufficientStatistics.empty(2))
    with pytest.raises(ValueError, match="unknown estimator"):
        fit(SufficientStatistics.from_rows(row), "best")


def test_one_row_with_a_prior() -> None:
    result = fit(SufficientStatistics.from_rows([[0.6, 0.8]]), "map")
    np.testing.assert_allclose(result.mean_direction, [0.6, 0.8])
    assert 0 < result.concentration < math.inf
    weak = ConjugatePrior(None, 1e-12, 0.0)
    nearly_one = fit(SufficientStatistics.from_rows([[0.6, 0.8]]), "map", weak)
    assert math.isnan(nearly_one.concentration_standard_error)


def test_caution_where_the_estimator_is_biased() -> None:
    rows = sample(np.eye(500)[0], 100.0, 40, rng=2)
    stats = SufficientStatistics.from_rows(rows)
    caution = fit(stats, "mle").caution
    assert caution is not None
    assert "'mle' is biased for 40 rows in dimension 500" in caution
    assert "\n" not in caution
    assert fit(stats, "unbiased").caution is None
    assert fit(stats, "marginal").caution is None
    assert fit(some_statistics(), "mle").caution is None
