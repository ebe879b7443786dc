from __future__ import annotations

import numpy as np
import pytest

from benchmarks.simulation import simulate_resultants
from vmf.estimation import (
    ConjugatePrior,
    SufficientStatistics,
    fit_concentration,
)
from vmf.estimation.pooled import pooled_concentration


@pytest.mark.parametrize("estimator", ["mle", "unbiased", "marginal", "map", "banerjee"])
def test_one_set_is_the_estimator_itself(estimator):
    one = simulate_resultants(20, 15.0, 40, 1, rng=0).statistics(0)
    expected = fit_concentration(one, "unbiased" if estimator == "marginal" else estimator)
    assert pooled_concentration([one], estimator) == pytest.approx(expected, rel=1e-12)


def test_maximum_likelihood_is_a_maximum():
    from vmf import special

    sets = [simulate_resultants(10, k, n, 1, rng=n).statistics(0) for k, n in ((5, 30), (9, 80))]
    found = pooled_concentration(sets, "mle")

    def log_likelihood(kappa):
        return sum(
            one.weight * special.log_normalizer(10.0, kappa)
            + kappa * one.weight * one.mean_resultant_length
            for one in sets
        )

    assert log_likelihood(found) > max(log_likelihood(found * 1.001), log_likelihood(found / 1.001))


def test_unbiased_pools_many_small_sets_without_bias():
    drawn = simulate_resultants(64, 20.0, 4, 4000, rng=0)
    sets = [drawn.statistics(index) for index in range(4000)]
    assert pooled_concentration(sets, "unbiased") == pytest.approx(20.0, rel=0.03)
    assert pooled_concentration(sets, "mle") > 40.0


def test_a_set_of_one_row_says_nothing_to_unbiased():
    several = simulate_resultants(8, 10.0, 50, 1, rng=0).statistics(0)
    single = SufficientStatistics.from_rows(np.eye(8)[:1])
    both = pooled_concentration([several, single, SufficientStatistics.empty(8)], "unbiased")
    assert both == pytest.approx(pooled_concentration([several], "unbiased"), rel=1e-12)
    with pytest.raises(ValueError, match="every set is one"):
        pooled_concentration([single, single], "unbiased")
    assert pooled_concentration([single, single], "mle") == np.inf
    with pytest.raises(ValueError, match="no rows"):
        pooled_concentration([SufficientStatistics.empty(8)])
    prior = ConjugatePrior(None, 2.0)
    added = single + prior.statistics(8)
    assert pooled_concentration([single, single], "map", prior) == pytest.approx(
        fit_concentration(added, "mle")
    )


def test_equal_and_uniform_sets():
    equal = SufficientStatistics.from_rows(np.tile(np.eye(5)[:1], (4, 1)))
    assert pooled_concentration([equal, equal], "unbiased") == np.inf
    cancelling = SufficientStatistics.from_rows(np.concatenate([np.eye(5), -np.eye(5)]))
    assert pooled_concentration([cancelling], "unbiased") == 0.0
