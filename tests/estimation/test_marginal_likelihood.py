from __future__ import annotations

import math

import numpy as np
import pytest

from vmf import special
from vmf.estimation import SufficientStatistics
from vmf.estimation.marginal_likelihood import MarginalLikelihood


def log_likelihood(likelihood: MarginalLikelihood, kappa: float) -> float:
    p, n, r = likelihood.dim, likelihood.count, likelihood.resultant_length
    return float(n * special.log_normalizer(p, kappa) - special.log_normalizer(p, r * kappa))


CASES = [(3.0, 10.0, 0.5), (3.0, 40.0, 0.3), (2.0, 12.0, 0.8), (50.0, 20.0, 0.6), (9.0, 7.0, 0.95)]


@pytest.mark.parametrize(("p", "n", "r"), CASES)
def test_deviance_is_that_of_the_formula(p: float, n: float, r: float) -> None:
    likelihood = MarginalLikelihood(p, n, r, 1 - r)
    top = likelihood.maximum()
    for kappa in (0.2 * top, 0.9 * top, 1.1 * top, 4 * top):
        expected = 2 * (log_likelihood(likelihood, top) - log_likelihood(likelihood, kappa))
        assert likelihood.deviance(kappa, top) == pytest.approx(expected, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize(("p", "n", "r"), CASES)
def test_maximum_and_interval(p: float, n: float, r: float) -> None:
    likelihood = MarginalLikelihood(p, n, r, 1 - r)
    top = likelihood.maximum()
    around = [log_likelihood(likelihood, top * f) for f in (0.99, 1.0, 1.01)]
    assert around[1] > max(around[0], around[2])
    low, high = likelihood.interval(3.84)
    assert low < top < high
    assert likelihood.deviance(high, top) == pytest.approx(3.84, rel=1e-9, abs=0.0)
    assert low == 0 or likelihood.deviance(low, top) == pytest.approx(3.84, rel=1e-9, abs=0.0)


def test_no_evidence_against_uniformity() -> None:
    likelihood = MarginalLikelihood(10.0, 25.0, 0.19, 0.81)
    assert likelihood.maximum() == 0.0
    low, high = likelihood.interval(3.84)
    assert low == 0.0
    assert likelihood.deviance(high, 0.0) == pytest.approx(3.84, rel=1e-9, abs=0.0)


def test_concentrated_rows_follow_the_gamma_law() -> None:
    # 2 kappa (n - r) is chi-squared with (n - 1)(p - 1) degrees of freedom: the likelihood is
    # that of a gamma scale with that many.
    n, p, c = 6.0, 4.0, 1e-13
    likelihood = MarginalLikelihood(p, n, 1 - c, c)
    half = 0.5 * (n - 1) * (p - 1)
    top = half / (n * c)
    assert likelihood.maximum() == pytest.approx(top, rel=1e-9, abs=0.0)
    expected = 2 * half * (1 - math.log(2.0))
    assert likelihood.deviance(2 * top, top) == pytest.approx(expected, rel=1e-8, abs=0.0)


def test_needs_two_rows() -> None:
    with pytest.raises(ValueError, match="two or more"):
        MarginalLikelihood.of(SufficientStatistics.from_rows([[1.0, 0.0]]))
    lopsided = SufficientStatistics.from_rows(np.eye(3), weights=[1.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="two or more"):
        MarginalLikelihood.of(lopsided)


def test_equal_rows_have_no_interval() -> None:
    with pytest.raises(ValueError, match="R = 1"):
        MarginalLikelihood(3.0, 5.0, 1.0, 0.0).interval(3.84)


def test_score_bends_where_the_resultant_does() -> None:
    # r kappa reaches p/2 long before kappa does: the integral must follow both scales.
    likelihood = MarginalLikelihood(20.0, 1e4, 0.9, 0.1)
    top = likelihood.maximum()
    n, r = likelihood.count, likelihood.resultant_length
    expected = 2 * (
        n * (special.log_normalizer(20, top) - special.log_normalizer(20, 0.0))
        - (special.log_normalizer(20, r * top) - special.log_normalizer(20, 0.0))
    )
    assert likelihood.deviance(0.0, top) == pytest.approx(float(expected), rel=1e-12, abs=0.0)
