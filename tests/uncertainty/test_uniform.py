"""The distance to the uniform distribution against mpmath and the distribution's own."""

from __future__ import annotations

import numpy as np
import pytest

from tests.libraries import optional
from tests.uncertainty.known_model import log_normalizer
from vmf import VonMisesFisher
from vmf.uncertainty import kl_to_uniform

mpmath = optional("mpmath")


@pytest.mark.parametrize("dimension", [2, 3, 50, 2048])
def test_against_mpmath(dimension):
    kappa = np.array([1e4, 0.0, 1e-6, 0.1, 3.0, 700.0, 3.0])
    found = kl_to_uniform(kappa, dimension)
    with mpmath.workdps(60):
        for k, value in zip(kappa, found, strict=True):
            if k == 0:
                assert value == 0
                continue
            v = mpmath.mpf(dimension) / 2
            ratio = mpmath.besseli(v, k) / mpmath.besseli(v - 1, k)
            exact = k * ratio + log_normalizer(dimension, k) - log_normalizer(dimension, 0)
            assert value == pytest.approx(float(exact), rel=1e-12)


def test_agrees_with_the_distribution_and_increases():
    kappa = np.geomspace(1e-3, 1e5, 40)
    found = kl_to_uniform(kappa, 128)
    assert (np.diff(found) > 0).all()
    mu = np.eye(128)[0]
    expected = [VonMisesFisher(mu, k).kl_to_uniform() for k in kappa]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(kl_to_uniform(kappa, 128, higher="ood"), -found)


def test_no_rows_and_wrong_ones():
    assert kl_to_uniform([], 5).shape == (0,)
    with pytest.raises(ValueError, match="dimension is 1"):
        kl_to_uniform([1.0], 1)
    with pytest.raises(ValueError, match=r"concentration\[2\] is nan"):
        kl_to_uniform([1.0, 2.0, np.nan], 4)
