from __future__ import annotations

import math

import numpy as np
import pytest

from tests.libraries import optional
from vmf import special
from vmf.distribution.sampling import sample, sample_chunks, sample_one_minus_cosine

stats = optional("scipy.stats")

DRAWS = 4000


def some_direction(dim: int) -> np.ndarray:
    direction = np.random.default_rng(dim).normal(size=dim)
    return direction / np.linalg.norm(direction)


@pytest.mark.parametrize("dim", [3, 64, 2048, 32768])
@pytest.mark.parametrize("factor", [0.1, 1.0, 10.0])
def test_mean_cosine_of_rows(dim: int, factor: float) -> None:
    mu, kappa = some_direction(dim), factor * dim
    cosines = np.concatenate(
        [chunk @ mu for chunk in sample_chunks(mu, kappa, DRAWS, rng=dim)], dtype=np.float64
    )
    assert cosines.shape == (DRAWS,)
    mean = float(special.mean_resultant_length(dim, kappa))
    error = math.sqrt(float(special.mean_resultant_length_dkappa(dim, kappa)) / DRAWS)
    assert abs(cosines.mean() - mean) < 4 * error


@pytest.mark.parametrize("dim", [2, 3, 4, 64, 2048, 32768, 1_000_000])
@pytest.mark.parametrize("kappa", [0.0, 1e-300, 1e-8, 0.5, 30.0, 3e3, 1e6, 1e12, 1e300])
def test_mean_and_variance_of_the_cosine(dim: int, kappa: float) -> None:
    draws = 20_000
    q = sample_one_minus_cosine(dim, kappa, draws, rng=int(dim + math.log(kappa + 1)))
    assert q.min() >= 0
    assert q.max() <= 2
    mean = float(special.mean_resultant_length_c(dim, kappa))
    if kappa < 1e100:
        variance = float(special.mean_resultant_length_dkappa(dim, kappa))
    else:
        variance = 0.5 * (dim - 1) / kappa / kappa
    scale = mean if kappa > dim else math.sqrt(variance)  # keeps 1e-600 from underflowing
    deviation = (q - mean) / scale
    spread = math.sqrt(variance) / scale if kappa < 1e100 else math.sqrt(2 / (dim - 1))
    assert abs(deviation.mean()) < 4 * spread / math.sqrt(draws)
    kurtosis = stats.kurtosis(q / scale, fisher=False)
    assert deviation.var() == pytest.approx(
        spread**2, rel=5 * math.sqrt((kurtosis - 1) / draws), abs=0.0
    )


@pytest.mark.parametrize("dim", [2, 3, 4, 64, 2048])
@pytest.mark.parametrize("factor", [0.0, 0.05, 1.0, 20.0, 1e5])
def test_distribution_of_the_cosine(dim: int, factor: float) -> None:
    kappa = factor * dim
    q = sample_one_minus_cosine(dim, kappa, DRAWS, rng=dim)
    # The angle t has density exp(kappa cos t) sin(t)^(p-2), summed on a fine grid.
    angles = 2 * np.arcsin(np.sqrt(q / 2))
    low, high = angles.min(), angles.max()
    margin = 0.5 * (high - low)
    grid = np.linspace(max(low - margin, 1e-300), min(high + margin, math.pi), 200_001)
    with np.errstate(divide="ignore"):
        log_density = -2 * kappa * np.sin(grid / 2) ** 2 + (dim - 2) * np.log(np.sin(grid))
    density = np.exp(log_density - log_density.max())
    below = np.cumsum(density)
    assert stats.kstest(angles, lambda t: np.interp(t, grid, below / below[-1])).pvalue > 1e-3


@pytest.mark.parametrize("dim", [2, 3, 5])
@pytest.mark.parametrize("kappa", [0.0, 2.0])
def test_moments_of_rows(dim: int, kappa: float) -> None:
    mu, draws = some_direction(dim), 40_000
    rows = sample(mu, kappa, draws, rng=1)
    a = float(special.mean_resultant_length(dim, kappa))
    np.testing.assert_allclose(rows.mean(axis=0), a * mu, atol=5 / math.sqrt(draws))
    # E x x' = mu mu' (1 - (p - 1) s) + s (I - mu mu'), s = A/kappa, 1/p for the uniform.
    s = a / kappa if kappa else 1 / dim
    expected = s * np.eye(dim) + (1 - dim * s) * np.outer(mu, mu)
    np.testing.assert_allclose(rows.T @ rows / draws, expected, atol=5 / math.sqrt(draws))


def test_same_mean_as_scipy() -> None:
    mu = some_direction(8)
    ours = sample(mu, 12.0, DRAWS, rng=3) @ mu
    theirs = stats.vonmises_fisher(mu, 12.0).rvs(DRAWS, random_state=4) @ mu
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("dim", [2, 3, 40])
def test_rotation_to_any_axis(axis: int, sign: float, dim: int) -> None:
    mu = sign * np.eye(dim)[axis]
    rows = sample(mu, 1e12, 50, rng=0)
    np.testing.assert_allclose(rows @ mu, 1.0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-15 * dim)
    off_axis = np.delete(rows, axis, axis=1)
    assert (off_axis > 0).any()
    assert (off_axis < 0).any()


def test_tangents_are_independent_of_the_cosine() -> None:
    mu = some_direction(4)
    rows = sample(mu, 3.0, DRAWS, rng=9)
    cosines = rows @ mu
    other = np.cross(np.eye(3)[0], mu[:3])
    other = np.append(other / np.linalg.norm(other), 0.0)
    assert abs(other @ mu) < 1e-15
    along = rows @ other / np.sqrt(1 - cosines**2)
    assert abs(stats.spearmanr(cosines, along).statistic) < 4 / math.sqrt(DRAWS)
    assert abs(stats.spearmanr(cosines, along**2).statistic) < 4 / math.sqrt(DRAWS)
    # A coordinate of a uniform direction in 3 dimensions is uniform on (-1, 1).
    assert stats.kstest(along, stats.uniform(-1, 2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("dim", [2, 3, 300])
def test_chunks_join_to_the_sample(dim: int) -> None:
    mu, size = some_direction(dim), 70_001 if dim == 2 else 1111
    whole = sample(mu, 5.0, size, rng=42)
    for chunk_rows in (None, 1, 100, 65_537):
        if chunk_rows == 1 and dim == 2:
            continue
        chunks = list(sample_chunks(mu, 5.0, size, rng=42, chunk_rows=chunk_rows))
        np.testing.assert_array_equal(np.concatenate(chunks), whole)
        if chunk_rows:
            assert len(chunks) == -(-size // chunk_rows)
    assert not np.array_equal(sample(mu, 5.0, size, rng=43), whole)


def test_float32_is_the_rounded_sample() -> None:
    mu = some_direction(10)
    single = sample(mu, 5.0, 100, rng=1, dtype=np.float32)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, sample(mu, 5.0, 100, rng=1).astype(np.float32))


def test_generator_is_advanced() -> None:
    rng = np.random.default_rng(0)
    mu = some_direction(3)
    assert not np.array_equal(sample(mu, 1.0, 5, rng), sample(mu, 1.0, 5, rng))


def test_no_rows() -> None:
    rows = sample(some_direction(6), 1.0, 0, dtype=np.float32)
    assert rows.shape == (0, 6)
    assert rows.dtype == np.float32
    assert sample_one_minus_cosine(5, 1.0, 0).shape == (0,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean_direction": [1.0]}, "dimension 2 or more"),
        ({"mean_direction": [[1.0, 0.0]]}, r"expected \(dim,\)"),
        ({"mean_direction": [1.0, 1.0]}, "unit length"),
        ({"mean_direction": [np.nan, 1.0]}, "unit length"),
        ({"kappa": -1.0}, "kappa is -1"),
        ({"kappa": math.inf}, "kappa is inf"),
        ({"kappa": math.nan}, "kappa is nan"),
        ({"size": -1}, "size is -1"),
        ({"dtype": np.float16}, "float32 or float64"),
    ],
)
def test_refuses(changes: dict, message: str) -> None:
    arguments = {"mean_direction": [0.6, 0.8], "kappa": 1.0, "size": 3} | changes
    with pytest.raises(ValueError, match=message):
        sample(**arguments)
    with pytest.raises(ValueError, match=message):
        sample_chunks(**arguments)


def test_refuses_empty_chunks() -> None:
    with pytest.raises(ValueError, match="chunk_rows is 0"):
        sample_chunks([0.6, 0.8], 1.0, 3, chunk_rows=0)
