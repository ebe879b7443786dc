"""Limits, closed forms, identities and monotonicity of the special functions."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.libraries import optional
from vmf import special

mpmath, arb = optional("mpmath"), optional("vmf.experiments.arb")

EPS = 2.0**-52
INF = math.inf
SMALLEST = 5e-324

Array = npt.NDArray[np.float64]

# Every region and both sides of every border, for every order of interest.
ORDERS = (0.0, 1e-3, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 5.5, 12.7, 13.0, 15.4, 15.6, 31.0, 1023.0)
ARGUMENTS = (1e-8, 1e-3, 0.4, 0.6, 1.0, 3.0, 9.0, 21.0, 23.0, 30.0, 60.0, 250.0, 3000.0, 1e5)


def _grid(
    first: tuple[float, ...] = ORDERS, x: tuple[float, ...] = ARGUMENTS
) -> tuple[Array, Array]:
    a, b = np.meshgrid(first, x)
    return a.ravel(), b.ravel()


def _assert_close(actual: Array, expected: Array, bound: Array | float) -> None:
    """Every difference is within `bound`; the message lists where not, in units of it."""
    difference = np.abs(np.asarray(actual) - np.asarray(expected))
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = difference / bound
    outside = {int(i): float(excess[i]) for i in np.flatnonzero(~(difference <= bound))}
    assert not outside


def _one(value: Array) -> Array:
    return np.maximum(1.0, np.abs(value))


# Limits


@pytest.mark.parametrize(
    ("name", "first", "x", "limit"),
    [
        ("log_iv", 0.0, 0.0, 0.0),
        ("log_iv", 1e-300, 0.0, -INF),
        ("log_iv", 3.0, 0.0, -INF),
        ("log_iv", 3.0, INF, INF),
        ("log_iv", INF, 3.0, -INF),
        ("log_ive", 0.0, 0.0, 0.0),
        ("log_ive", 3.0, 0.0, -INF),
        ("log_ive", 3.0, INF, -INF),
        ("log_ive", INF, 3.0, -INF),
        ("log_kv", 0.0, 0.0, INF),
        ("log_kv", 3.0, 0.0, INF),
        ("log_kv", 3.0, INF, -INF),
        ("log_kv", INF, 3.0, INF),
        ("log_kve", 0.0, 0.0, INF),
        ("log_kve", 3.0, INF, -INF),
        ("log_kve", INF, 3.0, INF),
        ("iv_ratio", 0.0, 0.0, INF),
        ("iv_ratio", 0.25, 0.0, 0.0),
        ("iv_ratio", 3.0, 0.0, 0.0),
        ("iv_ratio", 3.0, INF, 1.0),
        ("iv_ratio", INF, 3.0, 0.0),
        ("iv_ratio_c", 0.0, 0.0, -INF),
        ("iv_ratio_c", 3.0, 0.0, 1.0),
        ("iv_ratio_c", 3.0, INF, 0.0),
        ("iv_ratio_c", INF, 3.0, 1.0),
        ("kv_ratio", 0.0, 0.0, 0.0),
        ("kv_ratio", 0.25, 0.0, 0.0),
        ("kv_ratio", 0.5, 0.0, 1.0),
        ("kv_ratio", 0.75, 0.0, INF),
        ("kv_ratio", 3.0, INF, 1.0),
        ("kv_ratio", INF, 3.0, INF),
        ("log_iv_dx", 0.0, 0.0, 0.0),
        ("log_iv_dx", 3.0, 0.0, INF),
        ("log_iv_dx", 3.0, INF, 1.0),
        ("log_iv_dv", 3.0, 0.0, -INF),
        ("log_iv_dv", 3.0, INF, 0.0),
        ("log_kv_dx", 0.0, 0.0, -INF),
        ("log_kv_dx", 3.0, 0.0, -INF),
        ("log_kv_dx", 3.0, INF, -1.0),
        ("log_kv_dv", 0.0, 0.0, 0.0),
        ("log_kv_dv", 3.0, 0.0, INF),
        ("log_kv_dv", 3.0, INF, 0.0),
        ("log_normalizer", 3.0, INF, -INF),
        ("log_normalizer_e", 3.0, INF, INF),
        ("mean_resultant_length", 3.0, 0.0, 0.0),
        ("mean_resultant_length", 3.0, INF, 1.0),
        ("mean_resultant_length_c", 3.0, 0.0, 1.0),
        ("mean_resultant_length_c", 3.0, INF, 0.0),
        ("mean_resultant_length_dkappa", 4.0, 0.0, 0.25),
        ("mean_resultant_length_dkappa", 4.0, INF, 0.0),
        ("entropy", 3.0, INF, -INF),
        ("concentration", 3.0, 0.0, 0.0),
        ("concentration", 3.0, 1.0, INF),
        ("concentration_c", 3.0, 1.0, 0.0),
        ("concentration_c", 3.0, 0.0, INF),
    ],
)
def test_limits(name: str, first: float, x: float, limit: float) -> None:
    with np.errstate(all="raise"):
        assert getattr(special, name)(first, x) == limit


@pytest.mark.parametrize("dimension", [2, 3, 4, 5, 64, 2048, 32768])
def test_uniform_distribution(dimension: int) -> None:
    """At kappa = 0 the density is one over the area of the sphere, DLMF 5.19.4."""
    area = mpmath.log(2) + (dimension / 2) * mpmath.log(mpmath.pi) - mpmath.loggamma(dimension / 2)
    for name, value in (("log_normalizer", -area), ("log_normalizer_e", -area), ("entropy", area)):
        expected = float(value)
        bound = 4 * EPS * max(1.0, abs(expected))
        assert abs(getattr(special, name)(dimension, 0.0) - expected) <= bound


@pytest.mark.parametrize("v", [0.0, 1e-3, 0.5, 1.0, 7.25, 15.0, 64.0, 1e3, 1e6, 1e9, 1e12])
def test_no_overflow_between_the_smallest_and_the_largest_argument(v: float) -> None:
    x = np.array([SMALLEST, 1e-310, 1e-300, 1e-150, 1e-9, 1.0, 1e9, 1e150, 1e300])
    order = np.full(x.shape, v)
    with np.errstate(all="raise"):
        for name in ("log_iv", "log_kv", "log_ive", "log_kve", "log_iv_dv", "log_kv_dv"):
            assert np.isfinite(getattr(special, name)(order, x)).all(), name
        for name in ("log_iv_dx", "log_kv_dx", "iv_ratio", "iv_ratio_c", "kv_ratio"):
            assert not np.isnan(getattr(special, name)(order, x)).any(), name
        dimension = 2 * order + 2
        for name in ("log_normalizer", "log_normalizer_e", "entropy"):
            assert np.isfinite(getattr(special, name)(dimension, x)).all(), name
        for name in ("", "_c", "_dkappa"):
            value = getattr(special, f"mean_resultant_length{name}")(dimension, x)
            assert ((value >= 0) & (value <= 1)).all(), name


@pytest.mark.parametrize("x", [SMALLEST, 1e-310, 1e-300, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize("v", [0.0, 0.01, 0.25, 0.5, 1.0, 3.5, 64.0, 1e6, 1e12])
def test_extreme_arguments_against_arb(v: float, x: float) -> None:
    for name, (true, _) in arb.references(arb.ORDER_FUNCTIONS, v, x).items():
        value = float(getattr(special, name)(v, x))
        relative = name in ("iv_ratio", "iv_ratio_c", "kv_ratio")
        # A subnormal result has the error of its coarse spacing.
        bound = 16 * EPS * (abs(true) if relative else max(1.0, abs(true))) + 4 * SMALLEST
        assert value == true or abs(value - true) <= bound, (name, value, true)


@pytest.mark.parametrize(
    ("v", "x"),
    [
        (3.05395113002727e79, 1.1725955795285168e150),
        (1.3013975958016927e60, 6.341201380290784e156),
        (1e16, 1e40),
        (0.0, 1e300),
        (1e200, 1e60),
        (1e160, 0.66e160),
        (8.9e307, 1e307),
    ],
)
def test_orders_beyond_all_squares_against_arb(v: float, x: float) -> None:
    # Not those of v - 1 and of ratios: the reference takes the ratio of two values next to each other.
    for name in ("log_iv", "log_kv", "log_ive", "log_kve"):
        true, rest = arb.reference(name, v, x)
        if math.isfinite(true):
            value = float(getattr(special, name)(v, x))
            assert arb.error_eps(value, true, rest, relative=False) <= 4, (name, value, true)


@pytest.mark.parametrize(
    ("name", "first", "x", "value"),
    [
        ("log_iv", 8.6e307, 1.0, -INF),  # the logarithm itself overflows
        ("log_kv", 8.6e307, 1.0, INF),
        ("log_normalizer", 5.25e306, 3.26e299, INF),
        ("entropy", 5.25e306, 3.26e299, -INF),
        ("iv_ratio", 1.5e308, 1.5e308, 1 / (1 + math.sqrt(2))),
        ("iv_ratio_c", 0.5, 7.14024427474025e275, 0.0),
        ("iv_ratio_c", 1.5, 1e300, 1e-300),
        ("kv_ratio", 1.5e308, 2.77e-5, INF),
        ("log_iv_dx", 1e160, 1e158, math.sqrt(10001)),
        ("log_iv_dv", 1.5e308, 1.5e308, -math.asinh(1)),
        ("log_kv_dv", 1.5e308, 1.5e308, math.asinh(1)),
        (
            "mean_resultant_length",
            2.3e303,
            1.7976931348623157e308,
            1.0 - 1.15e303 / 1.7976931348623157e308,
        ),
        ("mean_resultant_length_dkappa", 2e155, 1e155, 1 / (2e155 * (1 + 2**-0.5)) * 2**-0.5),
        ("concentration", 1.5624725340973855e308, 2.7658499947003344e-05, 4.3215645e303),
        ("concentration", 7.223252782243499e283, 0.5, 4.815501854828999e283),
        ("concentration_c", 7.223252782243499e283, 0.5, 4.815501854828999e283),
    ],
)
def test_orders_beyond_all_squares(name: str, first: float, x: float, value: float) -> None:
    assert getattr(special, name)(first, x) == pytest.approx(value, rel=1e-7)


# Closed forms, DLMF 10.39.1-2 and 10.49.9-12


def _half_order(name: str, x: float) -> float:
    t = mpmath.mpf(x)
    if name == "log_iv_1/2":
        value = mpmath.log(mpmath.sqrt(2 / (mpmath.pi * t)) * mpmath.sinh(t))
    elif name == "log_iv_3/2":
        value = mpmath.log(mpmath.sqrt(2 / (mpmath.pi * t)) * (mpmath.cosh(t) - mpmath.sinh(t) / t))
    elif name == "log_kv_1/2":
        value = mpmath.log(mpmath.pi / (2 * t)) / 2 - t
    elif name == "log_kv_3/2":
        value = mpmath.log(mpmath.pi / (2 * t)) / 2 - t + mpmath.log1p(1 / t)
    elif name == "langevin":
        value = mpmath.coth(t) - 1 / t
    elif name == "langevin_c":
        value = 1 - mpmath.coth(t) + 1 / t
    else:
        assert name == "log_normalizer_3"
        value = mpmath.log(t / (4 * mpmath.pi * mpmath.sinh(t)))
    return float(value)


CLOSED_ARGUMENTS = np.array([1e-6, 1e-3, 0.1, 0.45, 0.55, 1.3, 2.9, 7.0, 19.0, 24.4, 100.0, 699.0])


@pytest.mark.parametrize(
    ("name", "first", "closed"),
    [
        ("log_iv", 0.5, "log_iv_1/2"),
        ("log_iv", 1.5, "log_iv_3/2"),
        ("log_kv", 0.5, "log_kv_1/2"),
        ("log_kv", 1.5, "log_kv_3/2"),
        ("iv_ratio", 1.5, "langevin"),
        ("iv_ratio_c", 1.5, "langevin_c"),
        ("mean_resultant_length", 3.0, "langevin"),
        ("mean_resultant_length_c", 3.0, "langevin_c"),
        ("log_normalizer", 3.0, "log_normalizer_3"),
    ],
)
def test_closed_forms(name: str, first: float, closed: str) -> None:
    with mpmath.workdps(60):
        expected = np.array([_half_order(closed, float(x)) for x in CLOSED_ARGUMENTS])
    scale = np.abs(expected) if "langevin" in closed else _one(expected)
    _assert_close(getattr(special, name)(first, CLOSED_ARGUMENTS), expected, 4 * EPS * scale)


@pytest.mark.parametrize("beyond", [2.0**-53, 1e-12, 1e-6])
def test_the_ratio_of_k_just_above_order_one_half_at_the_smallest_arguments(beyond: float) -> None:
    """K_(1/2+e)/K_(1/2-e) = Gamma(1/2+e)/Gamma(1/2-e) (2/x)^(2e) (1 + O(x)), by DLMF 10.30.2."""
    v = 0.5 + beyond
    x = np.array([SMALLEST, 3 * SMALLEST, 5 * SMALLEST, 1e-320, 3e-318, 1e-312, 1e-309, 1e-300])
    digamma = -1.9635100260214235  # of 1/2
    expected = np.exp(2 * (v - 0.5) * (math.log(2) - np.log(x) + digamma))
    _assert_close(special.kv_ratio(v, x), expected, 8 * EPS)


def test_ratios_of_order_one_half() -> None:
    x = np.array([SMALLEST, 1e-310, 1e-300, 1e-9, 0.3, 1.0, 5.0, 17.0, 21.0, 23.0, 100.0, 300.0])
    _assert_close(special.kv_ratio(0.5, x), np.ones(x.shape), 4 * EPS)
    _assert_close(special.iv_ratio(0.5, x), np.tanh(x), 4 * EPS * np.tanh(x))
    complement = 2 * np.exp(-2 * x) / (1 + np.exp(-2 * x))
    # The reference's exp is good to an ulp of a rounded argument.
    _assert_close(special.iv_ratio_c(0.5, x), complement, (4 + 2 * x) * EPS * complement)


@pytest.mark.parametrize("offset", [0.0, 1e-12, 1e-9, 1e-6, 1e-3])
def test_complement_next_to_order_one_half(offset: float) -> None:
    """Both 2v - 1 and exp(-2x) are small there, and nothing else is left of 1 - I_v/I_(v-1)."""
    v = 0.5 + offset
    for x in (0.1, 1.0, 5.0, 10.0, 14.0, 18.0, 20.0, 21.9, 22.1, 30.0, 100.0):
        true, rest = arb.reference("iv_ratio_c", v, x)
        error = arb.error_eps(float(special.iv_ratio_c(v, x)), true, rest, relative=True)
        assert error <= 4, (v, x)


# Identities


def test_wronskian() -> None:
    """I_v K_(v+1) + I_(v+1) K_v = 1/x, DLMF 10.28.2."""
    v, x = _grid()
    terms = [
        (special.log_iv(v, x), special.log_kv(v + 1, x)),
        (special.log_iv(v + 1, x), special.log_kv(v, x)),
    ]
    size = sum(_one(a) + _one(b) for a, b in terms)
    left = np.logaddexp(*(a + b for a, b in terms))
    _assert_close(left, -np.log(x), 4 * EPS * size)


def test_three_term_recurrences() -> None:
    """Orders v - 1, v and v + 1, DLMF 10.29.1, divided by the middle one."""
    v, x = _grid(ORDERS[1:])
    below, above = 1 / special.iv_ratio(v, x), special.iv_ratio(v + 1, x)
    _assert_close(below - above, 2 * v / x, 8 * EPS * (below + above))
    below, above = 1 / special.kv_ratio(v, x), special.kv_ratio(v + 1, x)
    _assert_close(above - below, 2 * v / x, 8 * EPS * (below + above))


@pytest.mark.parametrize("kind", ["iv", "kv"])
def test_ratio_is_a_difference_of_logarithms(kind: str) -> None:
    v, x = _grid(tuple(order for order in ORDERS if order >= 1))
    logarithm = getattr(special, f"log_{kind}")
    here, below = logarithm(v, x), logarithm(v - 1, x)
    ratio = np.log(getattr(special, f"{kind}_ratio")(v, x))
    _assert_close(ratio, here - below, 8 * EPS * (_one(here) + _one(below)))


def test_complements() -> None:
    v, x = _grid()
    ratio = special.iv_ratio(v, x)
    _assert_close(ratio + special.iv_ratio_c(v, x), np.ones(v.shape), 8 * EPS * _one(ratio))
    p = 2 * v + 2
    total = special.mean_resultant_length(p, x) + special.mean_resultant_length_c(p, x)
    _assert_close(total, np.ones(v.shape), 4 * EPS)


def test_scaled_functions() -> None:
    v, x = _grid()
    p = 2 * v + 2
    for plain, scaled, first, sign in (
        (special.log_iv, special.log_ive, v, -1),
        (special.log_kv, special.log_kve, v, 1),
        (special.log_normalizer, special.log_normalizer_e, p, 1),
    ):
        value = plain(first, x)
        _assert_close(scaled(first, x), value + sign * x, 8 * EPS * (_one(value) + x))


def test_normaliser_and_resultant_length_are_those_of_the_bessel_functions() -> None:
    v, x = _grid()
    p = 2 * v + 2
    log_iv = special.log_iv(v, x)
    parts = v * np.log(x), (v + 1) * math.log(2 * math.pi), log_iv
    size = sum(_one(part) for part in parts)
    normalizer = special.log_normalizer(p, x)
    _assert_close(normalizer, parts[0] - parts[1] - parts[2], 8 * EPS * size)
    resultant = special.mean_resultant_length(p, x)
    _assert_close(resultant, special.iv_ratio(v + 1, x), 8 * EPS * resultant)
    entropy = special.entropy(p, x)
    bound = 16 * EPS * (_one(normalizer) + x * resultant)
    _assert_close(entropy, -normalizer - x * resultant, bound)


def test_derivatives_in_the_argument() -> None:
    """DLMF 10.29.2, and A' = 1 - A^2 - (p - 1) A/kappa."""
    v, x = _grid()
    first, second = special.iv_ratio(v + 1, x), v / x
    _assert_close(special.log_iv_dx(v, x), first + second, 16 * EPS * _one(first + second))
    first = 1 / special.kv_ratio(v, x)
    _assert_close(special.log_kv_dx(v, x), -first - second, 16 * EPS * _one(first + second))
    p = 2 * v + 2
    a = special.mean_resultant_length(p, x)
    slope = special.mean_resultant_length_dkappa(p, x)
    cancelled = 1 + a**2 + (p - 1) * a / x
    _assert_close(slope, 1 - a**2 - (p - 1) * a / x, 16 * EPS * cancelled)


@pytest.mark.parametrize(
    ("name", "derivative", "in_order"),
    [
        ("log_iv", "log_iv_dx", False),
        ("log_kv", "log_kv_dx", False),
        ("log_iv", "log_iv_dv", True),
        ("log_kv", "log_kv_dv", True),
    ],
)
def test_derivatives_against_differences(name: str, derivative: str, in_order: bool) -> None:
    v, x = _grid(
        (0.5, 1.0, 3.3, 12.0, 14.0, 40.0, 500.0), (0.2, 0.4, 0.8, 2.0, 10.0, 30.0, 90.0, 900.0)
    )
    function = getattr(special, name)
    step = 1e-3 * (np.ones(v.shape) if in_order else x)

    def difference(h: Array) -> Array:
        change = (h, 0.0) if in_order else (0.0, h)
        up, down = (function(v + s * change[0], x + s * change[1]) for s in (1, -1))
        return (up - down) / (2 * h)  # type: ignore[no-any-return]

    richardson = (4 * difference(step / 2) - difference(step)) / 3
    rounding = 8 * EPS * _one(function(v, x)) / step
    value = getattr(special, derivative)(v, x)
    _assert_close(value, richardson, rounding + 1e-10 * _one(value))


def test_log_kv_is_even_in_its_order() -> None:
    x = np.array([1e-3, 0.3, 0.7, 5.0, 20.0, 30.0])
    assert (np.abs(special.log_kv_dv(0.0, x)) <= EPS).all()


# Concentration


DIMENSIONS = (2.0, 3.0, 5.0, 64.0, 2048.0, 32768.0, 1e7)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_concentration_inverts_the_mean_resultant_length(dimension: float) -> None:
    lengths = np.concatenate([np.logspace(-12, -0.5, 40), 1 - np.logspace(-0.5, -12, 40)])
    again = special.mean_resultant_length(dimension, special.concentration(dimension, lengths))
    # Both directions round: 4 eps for the inverse, 4 eps for A_p.
    _assert_close(again, lengths, 8 * EPS * lengths)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_concentration_of_the_complement(dimension: float) -> None:
    complements = np.concatenate([np.logspace(-300, -12, 30), np.logspace(-12, -0.001, 40)])
    kappa = special.concentration_c(dimension, complements)
    assert np.isfinite(kappa).all()
    again = special.mean_resultant_length_c(dimension, kappa)
    _assert_close(again, complements, 8 * EPS * complements)


def test_concentration_for_tiny_lengths() -> None:
    """A_p(kappa) = kappa/p + O(kappa^3)."""
    lengths = np.array([SMALLEST, 1e-310, 1e-300, 1e-200, 1e-100, 1e-20])
    for dimension in DIMENSIONS:
        kappa = special.concentration(dimension, lengths)
        _assert_close(kappa, dimension * lengths, 4 * EPS * dimension * lengths)


def test_concentration_outside_its_domain() -> None:
    for name in ("concentration", "concentration_c"):
        for value in (-1e-300, -1.0, 1.0 + EPS, 2.0, INF, -INF):
            with np.errstate(invalid="ignore"):
                assert np.isnan(getattr(special, name)(3.0, value))
            with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
                getattr(special, name)(3.0, value)


# Monotonicity and bounds

orders = st.one_of(st.floats(0, 40), st.floats(-3, 9).map(lambda e: 10.0**e))
arguments = st.one_of(st.floats(1e-6, 60), st.floats(-12, 9).map(lambda e: 10.0**e))
factors = st.floats(1e-12, 1.0)


def _slack(*values: float) -> float:
    return 8 * EPS * max(1.0, *map(abs, values))


@settings(deadline=None, max_examples=300)
@given(v=orders, x=arguments, factor=factors)
def test_logarithms_are_monotone(v: float, x: float, factor: float) -> None:
    further, higher = x * (1 + factor), v + factor * max(v, 1.0)
    for name, in_x, in_v in (
        ("log_iv", 1, -1), ("log_kv", -1, 1), ("log_kve", -1, 1),
    ):  # fmt: skip
        function = getattr(special, name)
        here, there, above = function(v, x), function(v, further), function(higher, x)
        assert in_x * (there - here) >= -_slack(here, there), name
        assert in_v * (above - here) >= -_slack(here, above), name


@settings(deadline=None, max_examples=300)
@given(v=orders, x=arguments)
def test_ratio_keeps_amos_bounds(v: float, x: float) -> None:
    """x/(v + 1/2 + sqrt((v + 3/2)^2 + x^2)) <= I_(v+1)/I_v <= the same with v + 1/2 in the root.

    D. E. Amos, Math. Comp. 28, 1974, eq. 9 and 11.
    """
    ratio = special.iv_ratio(v + 1, x)
    low = x / (v + 0.5 + math.hypot(v + 1.5, x))
    high = x / (v + 0.5 + math.hypot(v + 0.5, x))
    assert low * (1 - 8 * EPS) <= ratio <= high * (1 + 8 * EPS)


@settings(deadline=None, max_examples=300)
@given(dimension=orders, kappa=arguments, factor=factors)
def test_vmf_functions_are_monotone(dimension: float, kappa: float, factor: float) -> None:
    p, further = dimension + 2, kappa * (1 + factor)
    for name, sign in (
        ("mean_resultant_length", 1), ("mean_resultant_length_c", -1), ("entropy", -1),
        ("log_normalizer", -1), ("log_normalizer_e", 1),
    ):  # fmt: skip
        function = getattr(special, name)
        here, there = function(p, kappa), function(p, further)
        slack = 8 * EPS * abs(here) if "resultant" in name else 2 * _slack(here)
        assert sign * (there - here) >= -slack, name


@settings(deadline=None, max_examples=300)
@given(dimension=orders, length=st.floats(1e-12, 1 - 1e-12))
def test_concentration_is_between_its_bounds(dimension: float, length: float) -> None:
    """R (p - 2)/(1 - R^2) < kappa < R p/(1 - R^2): Hornik and Gruen, J. Stat. Softw. 58, 2014."""
    p = dimension + 2
    kappa = special.concentration(p, length)
    scale = length / ((1 - length) * (1 + length))
    # Near 1 the bound's own 1 - R carries the rounding of R.
    slack = 8 * EPS + 2 * EPS / (1 - length)
    assert (p - 2) * scale * (1 - slack) <= kappa <= p * scale * (1 + slack)
