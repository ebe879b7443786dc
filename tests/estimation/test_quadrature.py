from __future__ import annotations

import numpy as np
import pytest

from vmf import special
from vmf.estimation.quadrature import integrate_over_concentration


@pytest.mark.parametrize("dim", [2, 3, 10, 2048])
@pytest.mark.parametrize("bounds", [(0.0, 0.5), (3.0, 3.0001), (0.0, 1e6), (50.0, 1e9)])
def test_slope_integrates_to_the_difference(dim: float, bounds: tuple[float, float]) -> None:
    low, high = bounds
    total = integrate_over_concentration(
        lambda k: special.mean_resultant_length_dkappa(dim, k), low, high, dim / 2
    )
    expected = special.mean_resultant_length(dim, high) - special.mean_resultant_length(dim, low)
    assert total == pytest.approx(float(expected), rel=4e-15, abs=2e-15)


def test_empty_range() -> None:
    assert integrate_over_concentration(np.ones_like, 2.0, 2.0, 1.0) == 0.0


def test_panels_keep_their_ends() -> None:
    assert integrate_over_concentration(np.ones_like, 1.0, 1e9, 7.0) == pytest.approx(
        1e9 - 1, rel=1e-9, abs=0.0
    )
    assert integrate_over_concentration(lambda k: k, 0.0, 1e-9, 1e4) == pytest.approx(
        5e-19, rel=1e-9, abs=0.0
    )
