from __future__ import annotations

import math

import pytest

from tests.libraries import optional
from vmf.distribution.sampling import sample_one_minus_cosine
from vmf.estimation.quantiles import angle_quantile, log_chi_squared_quantile, log_f_quantile

stats = optional("scipy.stats")


@pytest.mark.parametrize("kappa", [0.0, 1e-9, 0.7, 30.0, 1e5, 1e12])
@pytest.mark.parametrize("q", [0.01, 0.5, 0.95])
def test_dimension_three_closed_form(kappa: float, q: float) -> None:
    inverse = -math.log1p(q * math.expm1(-2 * kappa)) / kappa if kappa > 1e-6 else 2 * q
    expected = 2 * math.asin(math.sqrt(inverse / 2))
    assert angle_quantile(3, kappa, q) == pytest.approx(expected, rel=2e-5, abs=0.0)


@pytest.mark.parametrize("kappa", [0.0, 0.3, 5.0, 1e4])
def test_dimension_two_is_von_mises(kappa: float) -> None:
    expected = stats.vonmises.ppf(0.975, kappa) if kappa > 0 else 0.95 * math.pi
    assert angle_quantile(2, kappa, 0.95) == pytest.approx(expected, rel=2e-5, abs=0.0)


@pytest.mark.parametrize("dim", [4, 65, 4096, 1_000_001])
def test_uniform_is_symmetric(dim: int) -> None:
    assert angle_quantile(dim, 0.0, 0.5) == pytest.approx(math.pi / 2, rel=1e-6, abs=0.0)
    # cos^2 ~ Beta(1/2, (p - 1)/2)
    cosine = math.sqrt(stats.beta.ppf(0.9, 0.5, (dim - 1) / 2))
    expected = math.acos(-cosine)
    assert angle_quantile(dim, 0.0, 0.95) == pytest.approx(expected, rel=1e-5, abs=0.0)


@pytest.mark.parametrize("dim", [2, 5, 300, 32768])
@pytest.mark.parametrize("factor", [0.1, 1.0, 100.0])
def test_draws_fall_inside_as_often_as_said(dim: int, factor: float) -> None:
    kappa = factor * dim
    one_minus_cosine = sample_one_minus_cosine(dim, kappa, 20_000, rng=dim)
    for q in (0.05, 0.5, 0.95):
        angle = angle_quantile(dim, kappa, q)
        share = (one_minus_cosine <= 2 * math.sin(angle / 2) ** 2).mean()
        assert abs(share - q) < 4 * math.sqrt(q * (1 - q) / 20_000)


@pytest.mark.parametrize("freedom", [1.0, 2.0, 17.0, 2047.0, 1e6])
@pytest.mark.parametrize("q", [0.05, 0.5, 0.95, 0.999])
def test_chi_squared(freedom: float, q: float) -> None:
    expected = math.log(stats.chi2.ppf(q, freedom) / freedom)
    assert log_chi_squared_quantile(freedom, q) == pytest.approx(
        expected, abs=2e-4 * math.sqrt(2 / freedom)
    )


@pytest.mark.parametrize("m", [1.0, 2.0, 63.0, 32767.0])
@pytest.mark.parametrize("d", [0.5, 3.0, 40.0, 1e9])
@pytest.mark.parametrize("q", [0.5, 0.95])
def test_f(m: float, d: float, q: float) -> None:
    expected = math.log(stats.f.ppf(q, m, d))
    assert log_f_quantile(m, d, q) == pytest.approx(expected, abs=1e-3 * math.sqrt(2 / m + 2 / d))
