from __future__ import annotations

import math

import numpy as np
import pytest

from tests.libraries import optional
from vmf.distribution import VonMisesFisher
from vmf.errors import BadRowError, DegenerateFitError
from vmf.estimation import ConjugatePrior, SufficientStatistics

mpmath, stats = optional("mpmath"), optional("scipy.stats")


def some_direction(dim: int, seed: int = 0) -> np.ndarray:
    direction = np.random.default_rng([dim, seed]).normal(size=dim)
    return direction / np.linalg.norm(direction)


# Dimensions and concentrations at which SciPy's implementation is right.
@pytest.mark.parametrize("dim", [2, 3, 5, 20, 66])
@pytest.mark.parametrize("kappa", [0.1, 1.0, 30.0, 500.0])
def test_agrees_with_scipy(dim: int, kappa: float) -> None:
    mu = some_direction(dim)
    ours, theirs = VonMisesFisher(mu, kappa), stats.vonmises_fisher(mu, kappa)
    rows = np.concatenate([ours.sample(50, rng=1), -ours.sample(5, rng=2)])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(ours.logpdf(rows), theirs.logpdf(rows), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.pdf(rows), theirs.pdf(rows), rtol=1e-11)
    assert ours.entropy() == pytest.approx(theirs.entropy(), rel=1e-11, abs=1e-12)

    fitted = VonMisesFisher.fit(rows, estimator="mle")
    direction, concentration = stats.vonmises_fisher.fit(rows)
    np.testing.assert_allclose(fitted.mean_direction, direction, atol=1e-14)
    assert fitted.concentration == pytest.approx(concentration, rel=1e-7, abs=0.0)


def exact_logpdf(mu: np.ndarray, kappa: float, x: np.ndarray) -> float:
    """Return the log density in dimension 3, in 60 digits, at the direction of `x`."""
    with mpmath.workdps(60):
        m, y = (mpmath.matrix(v.tolist()) for v in (mu, x))
        cosine = (m.T * y)[0] / mpmath.norm(m) / mpmath.norm(y)
        k = mpmath.mpf(kappa)
        log_c = mpmath.log(k) - mpmath.log(2 * mpmath.pi * -mpmath.expm1(-2 * k)) - k
        return float(log_c + k * cosine)


@pytest.mark.parametrize("kappa", [1e-10, 0.3, 10.0, 1e4, 1e8, 1e12])
def test_logpdf_keeps_its_digits(kappa: float) -> None:
    mu = some_direction(3)
    distribution = VonMisesFisher(mu, kappa)
    rows = distribution.sample(20, rng=5)
    for row, value in zip(rows, distribution.logpdf(rows), strict=True):
        exact = exact_logpdf(distribution.mean_direction, kappa, row)
        # Rows are rounded to 1e-16, so |x - mu| to that; all else must keep its digits.
        rounding = 1e-16 * math.sqrt(kappa) + 2e-15
        assert value == pytest.approx(exact, rel=rounding, abs=10 * rounding)


def test_logpdf_takes_the_direction_only() -> None:
    mu = some_direction(512)
    distribution = VonMisesFisher(mu, 1e7)
    rows = distribution.sample(10, rng=6)
    off = rows * (1 + np.linspace(-9e-6, 9e-6, 10))[:, np.newaxis]
    np.testing.assert_allclose(distribution.logpdf(off), distribution.logpdf(rows), rtol=1e-10)


@pytest.mark.parametrize("dim", [2, 7, 2048, 32768])
def test_logpdf_at_the_mode_and_its_antipode(dim: int) -> None:
    mu, kappa = some_direction(dim), 3.5 * dim
    values = VonMisesFisher(mu, kappa).logpdf(np.stack([mu, -mu]))
    assert values[0] - values[1] == pytest.approx(2 * kappa, rel=1e-14, abs=0.0)


@pytest.mark.parametrize(("dim", "kappa"), [(2, 3.0), (50, 40.0), (2048, 500.0), (32768, 1e4)])
def test_entropy_is_the_mean_of_minus_logpdf(dim: int, kappa: float) -> None:
    distribution = VonMisesFisher(some_direction(dim), kappa)
    values = np.concatenate(
        [distribution.logpdf(chunk) for chunk in distribution.sample_chunks(500, rng=1)]
    )
    error = values.std() / math.sqrt(values.size)
    assert abs(values.mean() + distribution.entropy()) < 4 * error


def test_logpdf_shapes_and_types() -> None:
    distribution = VonMisesFisher([0.0, 0.6, 0.8], 4.0)
    axes = np.eye(3)
    values = distribution.logpdf(axes)
    assert values.shape == (3,)
    assert distribution.logpdf(axes.reshape(1, 3, 3)).shape == (1, 3)
    assert distribution.logpdf(np.empty((0, 3))).shape == (0,)
    single = distribution.logpdf([0, 0, 1])
    assert np.ndim(single) == 0
    assert single == values[2]
    np.testing.assert_array_equal(distribution.logpdf(axes.astype(np.float16)), values)
    np.testing.assert_allclose(distribution.pdf(axes), np.exp(values), rtol=1e-15)


def test_logpdf_does_not_change_its_input() -> None:
    distribution = VonMisesFisher([0.0, 0.6, 0.8], 1e4)
    rows = distribution.sample(5, rng=0)
    before = rows.copy()
    distribution.logpdf(rows)
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([[1.0, 0.0], [0.6, 0.9]], ValueError, "row 1 .* has norm 1.08"),
        ([[1.0, 0.0], [np.nan, 0.9]], ValueError, "row 1 .* has norm nan"),
        ([0.0, 0.0], ValueError, "row 0 .* has norm 0"),
        ([1.0, 0.0, 0.0], ValueError, "last axis must have length 2"),
        (1.0, ValueError, "last axis"),
        (["a", "b"], TypeError, "numeric"),
    ],
)
def test_logpdf_refuses(x: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        VonMisesFisher([0.6, 0.8], 1.0).logpdf(x)


def exact_kl(a: VonMisesFisher, b: VonMisesFisher) -> float:
    """KL(a || b) from the closed form, in 120 digits."""
    with mpmath.workdps(120):
        v = mpmath.mpf(a.dimension) / 2 - 1

        def log_c(k: float) -> mpmath.mpf:
            # up to a constant
            return -mpmath.log(mpmath.hyp0f1(v + 1, mpmath.mpf(k) ** 2 / 4))

        k1, k2 = mpmath.mpf(a.concentration), mpmath.mpf(b.concentration)
        ratio = k1 / 2 / (v + 1) * mpmath.hyp0f1(v + 2, k1**2 / 4) / mpmath.hyp0f1(v + 1, k1**2 / 4)
        chord = mpmath.fsum(
            (mpmath.mpf(x) - mpmath.mpf(y)) ** 2
            for x, y in zip(a.mean_direction.tolist(), b.mean_direction.tolist(), strict=True)
        )
        return float(log_c(k1) - log_c(k2) + ratio * (k1 - k2 * (1 - chord / 2)))


@pytest.mark.parametrize("dim", [2, 3, 64, 2048])
@pytest.mark.parametrize(
    ("k1", "k2"),
    [(10.0, 10.0), (10.0, 10.0 + 1e-9), (1e-6, 0.0), (0.0, 1e-6), (300.0, 2.0), (2.0, 300.0)],
)
@pytest.mark.parametrize("turn", [0.0, 1e-7, 1.0])
def test_kl_divergence(dim: int, k1: float, k2: float, turn: float) -> None:
    mu = some_direction(dim)
    other = some_direction(dim, seed=1)
    nu = mu + turn * (other - mu)
    a, b = VonMisesFisher(mu, k1), VonMisesFisher(nu / np.linalg.norm(nu), k2)
    # Only the rounding of mean directions, 1e-16 next to their distance, limits it.
    rel = 1e-13 + (1e-8 if turn == 1e-7 else 0)
    assert a.kl_divergence(b) == pytest.approx(exact_kl(a, b), rel=rel, abs=1e-28)
    assert a.kl_divergence(b) >= 0


def test_kl_to_uniform() -> None:
    for dim, kappa in [(2, 3.0), (9, 200.0), (2048, 1e-3)]:
        distribution = VonMisesFisher(some_direction(dim), kappa)
        uniform = VonMisesFisher(some_direction(dim, seed=1), 0.0)
        assert distribution.kl_to_uniform() == distribution.kl_divergence(uniform)
        assert distribution.kl_to_uniform() == pytest.approx(
            exact_kl(distribution, uniform), rel=1e-13, abs=0.0
        )
    # kappa^2 / (2 p) for small kappa, where log area - entropy has no digits left.
    tiny = VonMisesFisher(some_direction(32768), 1e-4)
    assert tiny.kl_to_uniform() == pytest.approx(1e-8 / 65536, rel=1e-10, abs=0.0)
    large = VonMisesFisher(some_direction(32768), 1e6)
    uniform_entropy = VonMisesFisher(some_direction(32768), 0.0).entropy()
    assert large.kl_to_uniform() == pytest.approx(
        uniform_entropy - large.entropy(), rel=1e-11, abs=0.0
    )


def test_kl_refuses() -> None:
    with pytest.raises(ValueError, match="dimensions differ: 2 and 3"):
        VonMisesFisher([1.0, 0.0], 1.0).kl_divergence(VonMisesFisher([1.0, 0.0, 0.0], 1.0))
    with pytest.raises(TypeError, match="expected a VonMisesFisher"):
        VonMisesFisher([1.0, 0.0], 1.0).kl_divergence(3.0)


def test_moments_and_attributes() -> None:
    distribution = VonMisesFisher([0.0, 0.6, 0.8], 5.0)
    a = 1 / math.tanh(5.0) - 1 / 5.0
    assert distribution.mean_resultant_length == pytest.approx(a, rel=1e-15, abs=0.0)
    np.testing.assert_allclose(distribution.mean, [0.0, 0.6 * a, 0.8 * a])
    np.testing.assert_allclose(distribution.mode, [0.0, 0.6, 0.8])
    assert distribution.dimension == 3
    assert distribution.concentration == 5.0
    assert distribution.fit_ is None
    assert repr(distribution) == "VonMisesFisher(dimension=3, concentration=5.0)"
    with pytest.raises(ValueError, match="read-only"):
        distribution.mean_direction[0] = 1.0
    with pytest.raises(AttributeError):
        distribution.concentration = 2.0


@pytest.mark.parametrize(
    ("mu", "kappa", "message"),
    [
        ([1.0], 1.0, "dim 2 or more"),
        ([[1.0, 0.0]], 1.0, "shape"),
        ([1.0, 1.0], 1.0, "divide it by its norm"),
        ([np.nan, 1.0], 1.0, "norm nan"),
        ([1.0, 0.0], -1.0, "concentration is -1"),
        ([1.0, 0.0], math.inf, "concentration is inf"),
        ([1.0, 0.0], math.nan, "concentration is nan"),
    ],
)
def test_constructor_refuses(mu: object, kappa: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VonMisesFisher(mu, kappa)


@pytest.mark.parametrize("dim", [2, 3, 67, 2048])
@pytest.mark.parametrize("factor", [0.2, 1.0, 50.0])
@pytest.mark.parametrize("estimator", ["unbiased", "marginal"])
def test_fit_recovers_what_was_sampled(dim: int, factor: float, estimator: str) -> None:
    true = VonMisesFisher(some_direction(dim), factor * dim)
    fitted = VonMisesFisher.fit(true.sample(800, rng=dim), estimator=estimator)
    assert fitted.fit_ is not None
    error = fitted.fit_.concentration_standard_error
    assert abs(fitted.concentration - true.concentration) < 4 * error
    low, high = fitted.fit_.concentration_interval(0.9999)
    assert low < true.concentration < high
    angle = math.acos(min(1.0, fitted.mean_direction @ true.mean_direction))
    assert angle < fitted.fit_.mean_direction_half_angle(0.9999)


def test_fit_in_32768_dimensions() -> None:
    true = VonMisesFisher(some_direction(32768), 9000.0)
    statistics = SufficientStatistics.empty(32768)
    for chunk in true.sample_chunks(300, rng=1, dtype=np.float32):
        statistics = statistics.update(chunk)
    fitted = VonMisesFisher.from_statistics(statistics, "unbiased")
    assert fitted.fit_ is not None
    low, high = fitted.fit_.concentration_interval(0.9999)
    assert low < 9000.0 < high
    assert high - low < 500


def test_fit_options() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(60, 4)) + np.eye(4)[2]
    weights = rng.exponential(size=60)
    fitted = VonMisesFisher.fit(rows, weights)
    expected = SufficientStatistics.from_rows(rows, weights=weights)
    np.testing.assert_array_equal(fitted.mean_direction, expected.mean_direction)
    assert fitted.fit_ is not None
    assert fitted.fit_.statistics.normalised == 60
    prior = ConjugatePrior(None, 1e6, 0.0)
    assert VonMisesFisher.fit(rows, estimator="map", prior=prior).concentration < 1e-3
    rows[7, 1] = np.nan
    with pytest.raises(BadRowError, match="row 7, column 1"):
        VonMisesFisher.fit(rows)
    skipped = VonMisesFisher.fit(rows, on_bad_rows="skip")
    assert skipped.fit_ is not None
    assert skipped.fit_.statistics.skipped == 1


def test_fit_refuses_degenerate_data() -> None:
    with pytest.raises(DegenerateFitError, match="one direction"):
        VonMisesFisher.fit(np.ones((10, 4)))
    with pytest.raises(DegenerateFitError, match="only one row"):
        VonMisesFisher.fit(np.ones((1, 4)))
    with pytest.raises(DegenerateFitError, match="R = 0"):
        VonMisesFisher.fit([[1.0, 0.0], [-1.0, 0.0]])
