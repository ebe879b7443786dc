"""First derivatives of the special functions, as formulas in these functions themselves.

They are written for no array library in particular: `f` is what a backend hands them. Derivatives of
log I and log K are functions of the core (DLMF 10.29.2), derivatives of those in the argument follow
from Bessel's equation. What is left, derivatives in the order of a function that is a derivative
already, is `f.difference`, see `vmf.special._differences`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol


class Functions(Protocol):
    """What formulas are made of: functions of the table, and a few operations on arrays."""

    def __call__(self, name: str, a: Any, x: Any, /) -> Any:
        """Return the function `name` at (a, x)."""

    def difference(self, name: str, first: int, second: int, a: Any, x: Any, /) -> Any:
        """Return the derivative of order (`first`, `second`) of `name`; see `DIFFERENTIABLE`."""

    def where(self, condition: Any, one: Any, other: Any, /) -> Any:
        """Return `one` where the condition holds, else `other`."""

    def maximum(self, one: Any, other: Any, /) -> Any:
        """Return the larger one, element by element."""

    def log(self, x: Any, /) -> Any:
        """Return the natural logarithm."""


Derivative = Callable[[Functions, Any, Any, Any], Any]
"""derivative(f, a, x, value) at (a, x), where the function itself has this value."""

Derivatives = tuple[Derivative, Derivative]
"""With respect to the first and to the second argument."""


def function(name: str) -> Derivative:
    """Return the derivative that is the function `name` of the table."""
    return lambda f, a, x, _: f(name, a, x)


def difference(name: str, first: int, second: int) -> Derivative:
    """Return the derivative of order (`first`, `second`) of the function `name`, by interpolation."""
    return lambda f, a, x, _: f.difference(name, first, second, a, x)


def minus(derivative: Derivative) -> Derivative:
    """Return the negative of a derivative."""
    return lambda f, a, x, value: -derivative(f, a, x, value)


# Of log I_v and log K_v


def log_i_scaled_x(f: Functions, v: Any, x: Any, _: Any) -> Any:
    """d/dx (log I_v - x), without the cancellation of I_v'/I_v - 1."""
    return _order_over_argument(f, v, x, 1) - f("iv_ratio_c", v + 1.0, x)


def log_k_scaled_x(f: Functions, v: Any, x: Any, _: Any) -> Any:
    """d/dx (log K_v + x)."""
    return 1.0 + f("log_kv_dx", v, x)


def log_i_xx(f: Functions, v: Any, x: Any, _: Any) -> Any:
    """Twice in x: A' of dimension 2 v + 2, less v/x^2."""
    slope = f("mean_resultant_length_dkappa", 2.0 * v + 2.0, x)
    return slope - _order_over_argument(f, v, x, 2)


def log_i_vx(f: Functions, v: Any, x: Any, _: Any) -> Any:
    """In the order and in x: d/dv of v/x + I_(v+1)/I_v."""
    return 1.0 / x + f.difference("iv_ratio", 1, 0, v + 1.0, x)


def log_k_xx(f: Functions, v: Any, x: Any, _: Any) -> Any:
    """Twice in x: with s = K_(v-1)/K_v, s' = s^2 + (2 v - 1) s/x - 1."""
    s = 1.0 / f("kv_ratio", v, x)
    return (v / x - (2.0 * v - 1.0) * s) / x - (s - 1.0) * (s + 1.0)


def log_k_vx(f: Functions, v: Any, x: Any, _: Any) -> Any:
    """In the order and in x: d/dv of v/x - K_(v+1)/K_v."""
    return 1.0 / x - f.difference("kv_ratio", 1, 0, v + 1.0, x)


# Of the ratios of consecutive orders


ratio_v = difference("iv_ratio", 1, 0)
"""d/dv I_v/I_(v-1)."""


def ratio_x(f: Functions, v: Any, x: Any, ratio: Any) -> Any:
    """d/dx I_v/I_(v-1) = 1 - r^2 - (2 v - 1) r/x, as A' of dimension 2 v where that exists."""
    has_dimension = v >= 1.0
    slope = f("mean_resultant_length_dkappa", f.where(has_dimension, 2.0 * v, 2.0), x)
    c = f("iv_ratio_c", v, x)
    zero = x == 0.0
    over_x = f.where(zero, 0.5 / v, ratio / f.where(zero, 1.0, x))
    return f.where(has_dimension, slope, c * (1.0 + ratio) - (2.0 * v - 1.0) * over_x)


def ratio_c_x(f: Functions, v: Any, x: Any, c: Any) -> Any:
    """d/dx (1 - I_v/I_(v-1))."""
    return -ratio_x(f, v, x, 1.0 - c)


def k_ratio_x(f: Functions, v: Any, x: Any, q: Any) -> Any:
    """d/dx K_v/K_(v-1), DLMF 10.29.2."""
    return (q - 1.0) * (q + 1.0) - (2.0 * v - 1.0) * q / x


# Of the distribution in dimension p


def log_normalizer_p(f: Functions, p: Any, kappa: Any, _: Any) -> Any:
    """(log kappa - log 2 pi - d/dv log I_v(kappa))/2 at v = p/2 - 1.

    The limit for kappa -> 0 is reached, up to kappa^2/(4 (v + 1)^2), where kappa is replaced.
    """
    v = 0.5 * p - 1.0
    kappa = f.maximum(kappa, 1e-8 * p)
    return 0.5 * (f.log(kappa / (2.0 * math.pi)) - f("log_iv_dv", v, kappa))


def resultant_p(f: Functions, p: Any, kappa: Any, _: Any) -> Any:
    """d/dp A_p(kappa)."""
    return 0.5 * f.difference("iv_ratio", 1, 0, 0.5 * p, kappa)


resultant_kappa = function("mean_resultant_length_dkappa")
"""d/dkappa A_p(kappa)."""


def entropy_p(f: Functions, p: Any, kappa: Any, _: Any) -> Any:
    """d/dp of -log C_p - kappa A_p."""
    return -log_normalizer_p(f, p, kappa, _) - kappa * resultant_p(f, p, kappa, _)


def entropy_kappa(f: Functions, p: Any, kappa: Any, _: Any) -> Any:
    """d/dkappa of -log C_p - kappa A_p, of which A_p cancels."""
    return -kappa * resultant_kappa(f, p, kappa, _)


# Of kappa, implicitly, from A_p(kappa) = rbar


def concentration_p(f: Functions, p: Any, _: Any, kappa: Any) -> Any:
    """d/dp of the kappa at which A_p is rbar, or 1 - A_p its complement."""
    return -resultant_p(f, p, kappa, _) / resultant_kappa(f, p, kappa, _)


def concentration_rbar(f: Functions, p: Any, _: Any, kappa: Any) -> Any:
    """d/drbar of the kappa at which A_p is rbar."""
    return 1.0 / resultant_kappa(f, p, kappa, _)


def concentration_c_rbar(f: Functions, p: Any, _: Any, kappa: Any) -> Any:
    """The same with respect to 1 - rbar."""
    return -1.0 / resultant_kappa(f, p, kappa, _)


def _order_over_argument(f: Functions, v: Any, x: Any, power: int) -> Any:
    """v/x^power, 0 at v = 0 also for x = 0."""
    zero = (v == 0.0) & (x == 0.0)
    return v / f.where(zero, 1.0, x) ** power
