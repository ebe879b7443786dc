from __future__ import annotations

import numpy as np
import pytest

from vmf import special
from vmf.estimation import banerjee, song, sra, tanabe

R = np.array([1e-6, 0.01, 0.3, 0.7, 0.95, 0.999])


def relative_error(value: np.ndarray, dim: float) -> np.ndarray:
    return np.abs(np.asarray(value) / special.concentration(dim, R) - 1)


@pytest.mark.parametrize("dim", [3, 64, 2048, 32768])
def test_order_of_accuracy(dim: int) -> None:
    # Banerjee is off by at most 1/2 in kappa and by R^2/p; each method improves on the one before.
    assert np.all(relative_error(banerjee(dim, R), dim) < 0.2)
    assert np.all(relative_error(tanabe(dim, R), dim) < 0.2 / dim**0.5)
    assert np.all(relative_error(sra(dim, R, steps=1), dim) < 0.1 / dim)
    assert np.all(relative_error(sra(dim, R), dim) < 4e-3 / dim**2 + 4e-13)
    assert np.all(relative_error(song(dim, R), dim) < 1e-4 / dim**3 + 4e-13)


def test_published_formulas() -> None:
    assert banerjee(10, 0.5) == pytest.approx(0.5 * (10 - 0.25) / 0.75, rel=1e-15, abs=0.0)
    assert sra(10, 0.5, steps=0) == banerjee(10, 0.5)
    # One Newton step by hand with A' = 1 - A^2 - (p - 1) A / kappa.
    kappa = float(banerjee(10, 0.5))
    a = float(special.mean_resultant_length(10, kappa))
    newton = kappa - (a - 0.5) / (1 - a * a - 9 * a / kappa)
    assert sra(10, 0.5, steps=1) == pytest.approx(newton, rel=1e-12, abs=0.0)


def test_tanabe_in_dimension_two_starts_from_zero() -> None:
    # The lower bound is 0 there, where kappa / A_2(kappa) has the limit 2.
    upper = 2 * 0.3 / (1 - 0.09)
    map_upper = 0.3 * upper / float(special.mean_resultant_length(2, upper))
    expected = upper * 2 * 0.3 / (upper - map_upper + 2 * 0.3)
    assert tanabe(2, 0.3) == pytest.approx(expected, rel=1e-13, abs=0.0)


@pytest.mark.parametrize("function", [banerjee, tanabe, sra, song])
def test_limits_shapes_and_errors(function: object) -> None:
    assert callable(function)
    assert function(5, 0.0) == 0.0
    assert function(5, 1.0) == np.inf
    assert function(5, [0.0, 0.5, 1.0]).shape == (3,)
    assert function([[2], [70]], [0.2, 0.4, 0.6]).shape == (2, 3)
    assert np.ndim(function(5, 0.4)) == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        function(5, 1.01)
    with pytest.raises(ValueError, match="between 0 and 1"):
        function(5, np.nan)
    with pytest.raises(ValueError, match="2 or more"):
        function(1, 0.5)


def test_sra_has_three_steps() -> None:
    with pytest.raises(ValueError, match="kappa_0, kappa_1 and kappa_2"):
        sra(5, 0.5, steps=3)
