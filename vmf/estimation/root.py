"""A bracketed root of a function of one variable."""

from __future__ import annotations

from collections.abc import Callable

_EPS = 2.0**-52


def find_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where `function` changes sign in [`low`, `high`], to a few units of rounding.

    Chandrupatla, Advances in Engineering Software 28 (1997) 145-149: inverse quadratic
    interpolation where the three last points allow it, else bisection.

    Raises
    ------
    ValueError
        If the function has the same sign at both ends.
    """
    a, b = high, low
    f_a, f_b = function(a), function(b)
    if f_a == 0:
        return a
    if f_b == 0:
        return b
    if (f_a > 0) == (f_b > 0):
        raise ValueError(f"no change of sign between {low} and {high}")
    c, f_c = a, f_a
    share = 0.5
    while True:
        x = a + share * (b - a)
        f_x = function(x)
        if (f_x > 0) == (f_a > 0):
            c, f_c = a, f_a
        else:
            c, f_c, b, f_b = b, f_b, a, f_a
        a, f_a = x, f_x
        best = a if abs(f_a) < abs(f_b) else b
        smallest = 2.0 * _EPS * abs(best) / abs(b - a) if b != a else 1.0
        if f_a == 0 or smallest > 0.5 or x == b:
            return best
        xi = (a - b) / (c - b)
        phi = (f_a - f_b) / (f_c - f_b)
        if phi * phi < xi and (1.0 - phi) ** 2 < 1.0 - xi:
            share = f_a / (f_b - f_a) * f_c / (f_b - f_c) + (c - a) / (b - a) * f_a / (
                f_c - f_a
            ) * f_b / (f_c - f_b)
        else:
            share = 0.5
        share = min(max(share, smallest), 1.0 - smallest)
