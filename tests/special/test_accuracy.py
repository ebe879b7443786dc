"""Every function of vmf.special against Arb, on points drawn afresh in every run.

`python -m vmf.experiments.accuracy` is the same measure on many more points.
"""

from __future__ import annotations

import secrets

import mpmath
import numpy as np
import pytest

from vmf import special
from vmf.experiments import accuracy, arb

POINTS = 300


@pytest.fixture
def seed() -> int:
    return secrets.randbits(63)


@pytest.mark.parametrize(
    ("points", "names"),
    [
        (points, family)
        for points in accuracy.SETS
        for family in accuracy.families(points, accuracy.FUNCTIONS)
    ],
    ids=lambda part: part if isinstance(part, str) else part[0],
)
def test_error_is_within_the_bar(points: str, names: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = accuracy.measure(points, names, special, rng, POINTS, accuracy.References(jobs=1))
    assert {row.function for row in rows} == set(names)
    above = [row for row in rows if not row.ok]
    assert not above, f"seed {seed}: {above}"


def _mpmath_log_iv(v: float, x: float) -> mpmath.mpf:
    """The ascending series, DLMF 10.25.2, summed as it stands."""
    order, quarter = mpmath.mpf(v), mpmath.mpf(x) ** 2 / 4
    term = total = mpmath.mpf(1)
    k = 0
    while term > total * mpmath.mpf(10) ** -70:
        k += 1
        term *= quarter / (k * (k + order))
        total += term
    return order * mpmath.log(mpmath.mpf(x) / 2) - mpmath.loggamma(order + 1) + mpmath.log(total)


def _mpmath_log_kv(v: float, x: float) -> mpmath.mpf:
    """The integral over exp(-x cosh t + v t), DLMF 10.32.9, by the trapezoidal rule."""
    order, argument, step = mpmath.mpf(v), mpmath.mpf(x), mpmath.mpf(1) / 256
    peak = mpmath.asinh(order / argument)
    top = order * peak - argument * mpmath.cosh(peak)
    total = mpmath.mpf(0)
    for direction in (1, -1):
        t = peak if direction == 1 else peak - step
        while (height := order * t - argument * mpmath.cosh(t) - top) > -120:
            total += mpmath.exp(height)
            t += direction * step
    return top + mpmath.log(total * step / 2)


@pytest.mark.parametrize(
    ("v", "x"),
    [(0.0, 1e-6), (0.5, 90.0), (12.7, 9.0), (76.0, 60.0), (76.0, 80.0), (76.0, 1015.0),
     (15.5, 1e-3), (150.0, 149.9), (1023.0, 678.0)],
)  # fmt: skip
def test_reference_agrees_with_mpmath(v: float, x: float) -> None:
    with mpmath.workdps(80):
        for name, truth in (("log_iv", _mpmath_log_iv(v, x)), ("log_kv", _mpmath_log_kv(v, x))):
            hi, lo = arb.reference(name, v, x)
            assert abs(mpmath.mpf(hi) + mpmath.mpf(lo) - truth) <= 2.0**-78 * abs(truth)


def test_both_evaluations_of_the_reference_agree_at_the_seam(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    radius, angle = rng.uniform(101, 300, 60), rng.uniform(0, np.pi / 2, 60)
    names = arb.ORDER_FUNCTIONS
    for v, x in zip(radius * np.sin(angle), radius * np.cos(angle), strict=True):
        uniform = arb.references(names, float(v), float(x))
        with monkeypatch.context() as patch:
            patch.setattr(arb, "_UNIFORM_FROM", np.inf)
            direct = arb.references(names, float(v), float(x))
        for name in names:
            (hi, lo), (other_hi, other_lo) = uniform[name], direct[name]
            assert abs((hi - other_hi) + (lo - other_lo)) <= 2.0**-76 * abs(hi), (seed, name, v, x)
