from __future__ import annotations

import numpy as np
import pytest

from vmf.estimation import ConjugatePrior, SufficientStatistics


def test_pseudo_rows() -> None:
    stats = ConjugatePrior([0.0, 3.0], pseudo_count=2.5, mean_resultant_length=0.8).statistics(2)
    np.testing.assert_allclose(stats.resultant, [0.0, 2.0])
    assert (stats.count, stats.weight, stats.weight2) == (2.5, 2.5, 2.5)
    assert stats.one_minus_mean_resultant_length == pytest.approx(0.2, rel=1e-15, abs=0.0)
    near_one = ConjugatePrior([0.0, 3.0], 2.5, 1 - 1e-13).statistics(2)
    assert near_one.one_minus_mean_resultant_length == 1 - (1 - 1e-13)
    np.testing.assert_array_equal(ConjugatePrior().statistics(4).resultant, np.zeros(4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pseudo_count": 0.0}, "pseudo_count is 0"),
        ({"pseudo_count": np.inf}, "pseudo_count is inf"),
        ({"mean_resultant_length": 1.0, "mean_direction": [1.0, 0.0]}, "below 1"),
        ({"mean_resultant_length": -0.1}, "at least 0"),
        ({"mean_resultant_length": 0.1}, "needs a mean_direction"),
        ({"mean_direction": [0.0, 0.0]}, "not zero"),
        ({"mean_direction": [np.nan, 0.0]}, "finite"),
        ({"mean_direction": [1.0]}, "dim 2 or more"),
    ],
)
def test_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConjugatePrior(**arguments)


def test_dimension_must_match() -> None:
    with pytest.raises(ValueError, match="dimension 2, the data have dimension 3"):
        ConjugatePrior([1.0, 0.0]).statistics(3)


def test_prior_from_other_rows() -> None:
    others = SufficientStatistics.from_rows([[1.0, 0.0], [0.0, 1.0]])
    prior = ConjugatePrior.from_statistics(others, 10.0)
    stats = prior.statistics(2)
    np.testing.assert_allclose(stats.resultant, 5 * others.resultant, rtol=1e-15)
    assert stats.weight == 10.0
    with pytest.raises(ValueError, match="below 1"):
        ConjugatePrior.from_statistics(SufficientStatistics.from_rows([[1.0, 0.0]]), 1.0)
