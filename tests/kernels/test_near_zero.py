"""Next to the zeros of the logarithms the error is small against the value, not only against 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from vmf import special
from vmf.experiments import arb
from vmf.experiments.awkward_points import zeros
from vmf.experiments.point_sets import log_uniform

Array = NDArray[np.float64]
BOUND = 8.0  # eps, relative


def _sign_change(function: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """The double next to a change of sign, by halving the order of doubles between low and high."""
    a, b = low.view(np.int64).copy(), high.view(np.int64).copy()
    rising = function(high) > 0
    for _ in range(64):
        middle = a + (b - a) // 2
        above = (function(middle.view(np.float64)) > 0) == rising
        a, b = np.where(above, a, middle), np.where(above, middle, b)
    return b.view(np.float64)


def _around(rng: np.random.Generator, x: Array) -> Array:
    """Each x eight times: itself, its neighbours and points up to 10 % off."""
    x = np.repeat(x, 8)
    far = x * (1 + rng.choice([-1.0, 1.0], len(x)) * log_uniform(rng, 1e-16, 0.1, len(x)))
    return np.where(np.arange(len(x)) % 8 < 3, x + (np.arange(len(x)) % 8 - 1) * np.spacing(x), far)


def _worst(name: str, first: Array, x: Array) -> float:
    computed = getattr(special, name)(first, x)
    return max(
        arb.error_eps(y, *arb.reference(name, a, b), relative=True)
        for y, a, b in zip(computed.tolist(), first.tolist(), x.tolist(), strict=True)
    )


@pytest.mark.parametrize("name", ["log_iv", "log_kv", "log_kve"])
def test_relative_error_next_to_the_zero_of_each_order(name: str) -> None:
    order, x = zeros(name, np.random.default_rng(41), 400)
    assert _worst(name, order, x) <= BOUND


@pytest.mark.parametrize("name", ["log_iv", "log_kv", "log_kve"])
def test_relative_error_where_a_coarser_formula_hands_over(name: str) -> None:
    rng = np.random.default_rng(42)
    order, x = zeros(name, rng, 300)
    x = x * np.exp(rng.uniform(-0.4, 0.4, len(x)))
    assert _worst(name, order, x) <= BOUND


def test_log_iv_near_the_origin() -> None:
    rng = np.random.default_rng(43)
    order = log_uniform(rng, 1e-250, 0.06, 40)
    x = _sign_change(lambda x: special.log_iv(order, x), np.full(40, 1e-140), np.full(40, 1.0))
    assert _worst("log_iv", np.repeat(order, 8), _around(rng, x)) <= BOUND


def test_log_normalizer_next_to_its_zero() -> None:
    rng = np.random.default_rng(44)
    dim = np.floor(log_uniform(rng, 22, 1e6, 30))
    kappa = _sign_change(lambda x: special.log_normalizer(dim, x), np.full(30, 1e-3), 100.0 * dim)
    assert _worst("log_normalizer", np.repeat(dim, 8), _around(rng, kappa)) <= BOUND
