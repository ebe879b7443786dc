from __future__ import annotations

import math

import pytest

from vmf.estimation.root import find_root


@pytest.mark.parametrize(
    ("function", "low", "high", "root"),
    [
        (lambda x: x * x - 2, 0.0, 2.0, math.sqrt(2)),
        (lambda x: 2 - x * x, 0.0, 2.0, math.sqrt(2)),
        (lambda x: math.exp(x) - 1e-3, -50.0, 1.0, math.log(1e-3)),
        (lambda x: (x - 3e-200) * 1e250, 0.0, 1e-190, 3e-200),
        (lambda x: (x - 1.5) ** 9, 0.0, 2.0, 1.5),
        (lambda x: math.copysign(1.0, x - 0.3), 0.0, 1.0, 0.3),
        (lambda x: x, 0.0, 1.0, 0.0),
        (lambda x: x - 1, 0.0, 1.0, 1.0),
    ],
)
def test_roots(function: object, low: float, high: float, root: float) -> None:
    calls = 0

    def counted(x: float) -> float:
        nonlocal calls
        calls += 1
        return function(x)

    assert find_root(counted, low, high) == pytest.approx(root, rel=4e-15, abs=0.0)
    assert calls < 120


def test_smooth_functions_take_few_calls() -> None:
    calls = []
    find_root(lambda x: calls.append(x) or math.tanh(x) - 0.3, 0.0, 10.0)
    assert len(calls) < 20


def test_needs_a_change_of_sign() -> None:
    with pytest.raises(ValueError, match="no change of sign"):
        find_root(lambda x: x + 1, 0.0, 1.0)
