"""The paper's algorithm, restated: right where the paper's formulas are good."""

from __future__ import annotations

import numpy as np
import pytest

from vmf.experiments import arb, paper_algorithm


def errors(name: str, v: np.ndarray, x: np.ndarray) -> np.ndarray:
    computed = getattr(paper_algorithm, name)(v, x)
    found = []
    for value, order, argument in zip(computed, v, x, strict=True):
        hi, lo = arb.reference(name, float(order), float(argument))
        found.append(arb.error_eps(float(value), hi, lo, relative=False))
    return np.array(found)


# A point inside the part of the plane where each expression is accurate.
GOOD = {
    "mu 3": (1.0, 5000.0), "mu 20": (5.0, 100.0), "U 4": (1000.0, 300.0), "U 6": (70.0, 30.0),
    "U 9": (30.0, 20.0), "U 13": (15.0, 10.0), "fallback": (5.0, 12.0),
}  # fmt: skip


@pytest.mark.parametrize("name", ["log_iv", "log_kv"])
@pytest.mark.parametrize("expression", paper_algorithm.EXPRESSIONS)
def test_each_expression_where_it_is_good(name, expression):
    rng = np.random.default_rng(3)
    v, x = (centre * rng.uniform(0.99, 1.01, 20) for centre in GOOD[expression])
    codes = paper_algorithm.expression(v, x)
    assert {paper_algorithm.EXPRESSIONS[code] for code in codes} == {expression}
    assert errors(name, v, x).max() < 64


def test_the_weak_spot_above_the_order_edge_is_the_paper_s():
    v, x = np.array([76.0]), np.array([1015.0])
    assert errors("log_iv", v, x)[0] > 500


def test_debye_polynomials_are_those_of_dlmf():
    u = paper_algorithm._debye_polynomials()
    np.testing.assert_allclose(u[1][[1, 3]], [3 / 24, -5 / 24], rtol=1e-15)
    np.testing.assert_allclose(u[2][[2, 4, 6]], np.array([81, -462, 385]) / 1152, rtol=1e-15)
    assert len(u) == 14


def test_shapes_and_empty_input():
    assert paper_algorithm.log_iv(np.ones((2, 1)), np.ones(3)).shape == (2, 3)
    assert paper_algorithm.log_kv(np.ones(0), np.ones(0)).shape == (0,)
