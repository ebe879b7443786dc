from __future__ import annotations

import math

import pytest
from scipy import stats

from vmf.estimation.cosine import angle_quantile
from vmf.sampling import sample_one_minus_cosine


@pytest.mark.parametrize("kappa", [0.0, 1e-9, 0.7, 30.0, 1e5, 1e12])
@pytest.mark.parametrize("q", [0.01, 0.5, 0.95])
def test_dimension_three_closed_form(kappa: float, q: float) -> None:
    if kappa < 1e-6:
        one_minus_cosine = 2 * q
    else:
        one_minus_cosine = -math.log1p(q * math.expm1(-2 * kappa)) / kappa
    expected = 2 * math.asin(math.sqrt(one_minus_cosine / 2))
    assert angle_quantile(3, kappa, q) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("kappa", [0.0, 0.3, 5.0, 1e4])
def test_dimension_two_is_von_mises(kappa: float) -> None:
    expected = stats.vonmises.ppf(0.975, kappa) if kappa > 0 else 0.95 * math.pi
    assert angle_quantile(2, kappa, 0.95) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("dim", [4, 65, 4096, 1_000_001])
def test_uniform_is_symmetric(dim: int) -> None:
    assert angle_quantile(dim, 0.0, 0.5) == pytest.approx(math.pi / 2, rel=1e-6)
    # cos^2 ~ Beta(1/2, (p - 1)/2)
    cosine = math.sqrt(stats.beta.ppf(0.9, 0.5, (dim - 1) / 2))
    expected = math.acos(-cosine)
    assert angle_quantile(dim, 0.0, 0.95) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dim", [2, 5, 300, 32768])
@pytest.mark.parametrize("factor", [0.1, 1.0, 100.0])
def test_draws_fall_inside_as_often_as_said(dim: int, factor: float) -> None:
    kappa = factor * dim
    one_minus_cosine = sample_one_minus_cosine(dim, kappa, 20_000, rng=dim)
    for q in (0.05, 0.5, 0.95):
        angle = angle_quantile(dim, kappa, q)
        share = (one_minus_cosine <= 2 * math.sin(angle / 2) ** 2).mean()
        assert abs(share - q) < 4 * math.sqrt(q * (1 - q) / 20_000)
