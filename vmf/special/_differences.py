"""Derivatives that no function of the core gives: Chebyshev interpolation of one that it does give.

The derivative of order (i, j) in (order or dimension, argument) of a function of the core is taken
from its interpolant at 18 Chebyshev points (Trefethen, Approximation Theory and Approximation
Practice, 2013, chapters 3, 8 and 21) along each axis that is differentiated. The interval has a
half-width of 0.3 times the distance to the nearest singularity in the complex plane, so that the
truncation error is below rounding, and stays inside the domain, so that derivatives at its border
are one-sided. Measured for 1e-3 <= v, x <= 1e4: the error of a first derivative is at most 6e-12
times |f|/d or |f'|, whichever is larger, d being that distance; each further order costs two digits.

The singularities are the zeros of I and K in the order (I: left of -1; K: on the imaginary axis, the
first beyond i x, DLMF 10.45) and in the argument (I: on the imaginary axis beyond i j_{v,1},
DLMF 10.21.3; K: left half-plane and 0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

Evaluate = Callable[[str, Any, Any], Any]

_POINTS = 18
_REACH = 0.3
# Elements differentiated together, so that the values at all points stay in cache.
_CHUNK = 4096

_ABSCISSAE = np.cos(np.pi * (np.arange(_POINTS) + 0.5) / _POINTS)
# From values at the abscissae to coefficients of Chebyshev polynomials.
_COEFFICIENTS = chebyshev.chebvander(_ABSCISSAE, _POINTS - 1).T * (2.0 / _POINTS)
_COEFFICIENTS[0] *= 0.5


def derivative(
    name: str, first: int, second: int, a: Any, x: Any, evaluate: Evaluate, xp: Any
) -> Any:
    """Return the derivative of order (`first`, `second`) of the function `name` at (a, x).

    Parameters
    ----------
    name : str
        One of `DIFFERENTIABLE`.
    first, second : int
        Orders in the first and the second argument, >= 0, not both 0.
    a, x : float64 arrays of one shape
    evaluate : callable
        evaluate(name, a, x), the function itself, on arrays of `xp`.
    xp : module
        numpy or cupy.
    """
    if not 0 < first + second < _POINTS - 2:
        raise NotImplementedError(f"derivative of {name} of order ({first}, {second})")
    lowest, distance_a, distance_x = DIFFERENTIABLE[name]
    shape = a.shape
    # Copies only where the arrays are views that repeat or skip elements.
    a, x = a.reshape(-1), x.reshape(-1)
    result = xp.empty(a.size)
    for start in range(0, a.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        result[part] = _derivative_of_chunk(
            (name, lowest),
            (first, second),
            (a[part], x[part]),
            (distance_a(a[part], x[part], xp), distance_x(a[part], x[part], xp)),
            evaluate,
            xp,
        )
    return result.reshape(shape)


def _derivative_of_chunk(
    function: tuple[str, float],
    orders: tuple[int, int],
    at: tuple[Any, Any],
    distances: tuple[Any, Any],
    evaluate: Evaluate,
    xp: Any,
) -> Any:
    name, lowest = function
    points, where, half_widths = [], [], []
    for value, distance, order, low in zip(at, distances, orders, (lowest, 0.0), strict=True):
        half_width = _REACH * distance
        centre = xp.maximum(value, low + half_width)
        steps = xp.asarray(_ABSCISSAE)[:, None]
        points.append(xp.maximum(centre + half_width * steps, low) if order else value[None, :])
        where.append((value - centre) / half_width)
        half_widths.append(half_width)
    # (points of the first argument, points of the second, elements), one point where order is 0.
    values = evaluate(name, points[0][:, None, :], points[1][None, :, :])
    for order, at_abscissa, half_width in zip(orders, where, half_widths, strict=True):
        values = _differentiate(values, order, at_abscissa, half_width, xp) if order else values[0]
    return values


def _differentiate(values: Any, order: int, where: Any, half_width: Any, xp: Any) -> Any:
    """Derivative at `where` in [-1, 1], along the first axis, of the interpolant of `values`."""
    to_derivative = xp.asarray(chebyshev.chebder(_COEFFICIENTS, order))
    coefficients = (to_derivative @ values.reshape(_POINTS, -1)).reshape(-1, *values.shape[1:])
    # Clenshaw's recurrence
    last = before = 0.0 * coefficients[0]
    for coefficient in coefficients[:0:-1]:
        last, before = coefficient + 2.0 * where * last - before, last
    return (coefficients[0] + where * last - before) / half_width**order


def _distance_order_i(v: Any, x: Any, xp: Any) -> Any:
    return xp.hypot(v + 1.0, 0.5 * x)


def _distance_order_ratio(v: Any, x: Any, xp: Any) -> Any:
    # The zero of I_(v-1) next to v = 0 is at -x^2/4 for small x.
    return v + x * (x / (4.0 + 2.0 * x))


def _distance_argument_ratio(v: Any, x: Any, xp: Any) -> Any:
    # j_{v-1,1} > sqrt(v (v + 4)) - 1/4 or so; it is 2 sqrt(v) for small v.
    return xp.hypot(x, xp.sqrt(v * (v + 4.0)))


def _first_zero_k(x: Any, xp: Any) -> Any:
    """Return a little less than the first t > 0 with K_{it}(x) = 0."""
    return xp.maximum(x, np.pi / (1.0 + xp.log1p(2.0 / x)))


def _distance_order_k(v: Any, x: Any, xp: Any) -> Any:
    return xp.hypot(v, _first_zero_k(x, xp))


def _distance_order_k_ratio(v: Any, x: Any, xp: Any) -> Any:
    # Zeros of K_v and of K_(v-1).
    return xp.hypot(xp.minimum(v, abs(v - 1.0)), _first_zero_k(x, xp))


def _distance_argument_k(v: Any, x: Any, xp: Any) -> Any:
    return x


def _distance_dimension(p: Any, kappa: Any, xp: Any) -> Any:
    return 2.0 * _distance_order_ratio(0.5 * p, kappa, xp)


def _distance_concentration(p: Any, kappa: Any, xp: Any) -> Any:
    return _distance_argument_ratio(0.5 * p, kappa, xp)


# Function -> the lowest first argument, the distances to the nearest singularity along both axes.
DIFFERENTIABLE: dict[str, tuple[float, Any, Any]] = {
    "iv_ratio": (0.0, _distance_order_ratio, _distance_argument_ratio),
    "log_iv_dv": (0.0, _distance_order_i, _distance_argument_ratio),
    "kv_ratio": (0.0, _distance_order_k_ratio, _distance_argument_k),
    "log_kv_dv": (0.0, _distance_order_k, _distance_argument_k),
    "mean_resultant_length_dkappa": (2.0, _distance_dimension, _distance_concentration),
}
