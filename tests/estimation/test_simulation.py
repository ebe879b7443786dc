from __future__ import annotations

import numpy as np
import pytest

from benchmarks.simulation import simulate_resultants
from tests.libraries import optional
from vmf.distribution.sampling import sample
from vmf.estimation import SufficientStatistics

scipy_stats = optional("scipy.stats")


@pytest.mark.parametrize(("dim", "kappa", "n"), [(2, 1.0, 8), (3, 5.0, 6), (20, 10.0, 12)])
def test_same_distribution_as_sums_of_rows(dim: int, kappa: float, n: int) -> None:
    mu = np.eye(dim)[0]
    fast = simulate_resultants(dim, kappa, n, 2000, rng=1)
    rows = sample(mu, kappa, 2000 * n, rng=2).reshape(2000, n, dim)
    total = rows.sum(axis=1)
    length = np.linalg.norm(total, axis=1)
    assert scipy_stats.ks_2samp(fast.length, length).pvalue > 1e-3
    angle = np.arccos(np.clip(total[:, 0] / length, -1, 1))
    assert scipy_stats.ks_2samp(fast.angle, angle).pvalue > 1e-3
    np.testing.assert_allclose(fast.dispersion, n - fast.length, atol=1e-12)


def test_statistics_carry_the_resultant() -> None:
    drawn = simulate_resultants(5, 1e10, 4, 3, rng=3)
    stats = drawn.statistics(2)
    assert isinstance(stats, SufficientStatistics)
    assert stats.count == 4
    assert stats.one_minus_mean_resultant_length == drawn.dispersion[2] / 4
    assert np.arccos(stats.mean_direction[0]) == pytest.approx(drawn.angle[2], rel=1e-3, abs=0.0)
    # (n - 1)(p - 1)/(2 kappa) = 6e-10
    assert 1e-11 < drawn.dispersion[2] < 1e-8
