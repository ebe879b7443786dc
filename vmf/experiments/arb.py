"""Reference values by ball arithmetic (python-flint's Arb) for every function of `vmf.special`.

Two evaluations of the Bessel functions, joined where both hold:

* sqrt(v^2 + x^2) < 100: Arb's own `bessel_i` and `bessel_k`, whose balls are rigorous.
* elsewhere: the uniform expansion in the order, DLMF 10.41.3-4, with as many terms as the working
  precision asks for. Its remainder is added to the ball as 16 times the last two terms (term k is
  about k / (2 w) times the one before, w >= 100). That is an estimate, not a proof; the tests
  compare the two evaluations on both sides of the seam. Where 90 terms do not reach the
  precision, Arb's own functions take over.

Every value is computed again at a higher precision until Arb vouches for `ACCURACY_BITS` bits
relative to the value itself, also next to a zero of the logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache

from flint import arb, arb_poly, ctx, fmpq, fmpq_poly

ACCURACY_BITS = 80
EPS = 2.0**-52
SMALLEST_NORMAL = 2.0**-1022

_UNIFORM_FROM = 100.0
_MOST_TERMS = 90
_PRECISIONS = (128, 224, 416, 700, 1300, 2600, 5200, 10400)
_DIFFERENCE_BITS = 110  # step 2^-110 for derivatives with respect to the order


class _NotEnoughPrecision(ArithmeticError):
    pass


def _uniform_polynomials() -> list[fmpq_poly]:
    """q_0, q_1, ...: u_k(t) = t^k q_k(t^2), DLMF 10.41.9."""
    found = [fmpq_poly([1])]
    eighth = fmpq(1, 8)
    for k in range(_MOST_TERMS):
        q = found[-1].coeffs()
        following = [fmpq(0)] * (len(q) + 1)
        for j, c in enumerate(q):
            n = k + 2 * j  # c p^n is one term of u_k
            following[j] += c * fmpq(n, 2) + c * eighth / (n + 1)
            following[j + 1] -= c * fmpq(n, 2) + 5 * c * eighth / (n + 3)
        found.append(fmpq_poly(following))
    return found


@lru_cache(maxsize=1)
def _polynomials() -> list[fmpq_poly]:
    return _uniform_polynomials()


@lru_cache(maxsize=2048)
def _polynomial_at(k: int, precision: int) -> tuple[arb_poly, arb_poly]:
    q = arb_poly(_polynomials()[k])
    return q, q.derivative()


def _magnitude(a: arb) -> arb:
    return arb(a.abs_upper())


class _Bessel:
    """log I_v, log K_v (scaled or not) and their derivatives at one point and one precision.

    `v` may be negative for I (order v - 1 of the ratio); K takes |v|.
    """

    def __init__(self, v: arb, x: arb) -> None:
        self.v = v
        self.x = x
        self.w = (v * v + x * x).sqrt()
        self.uniform = bool(self.w > _UNIFORM_FROM)
        self._sums: tuple[arb, arb, arb, arb] | None = None

    def _expansion(self) -> tuple[arb, arb, arb, arb]:
        """S = sum u_k/v^k and its d/dv for I, the same with alternating signs for K."""
        if self._sums is not None:
            return self._sums
        v, x, w = self.v, self.x, self.w
        tt = (v / w) ** 2
        dtt = 2 * v * (x / (w * w)) ** 2
        even, odd, deven, dodd = arb(1), arb(0), arb(0), arb(0)
        inverse = 1 / w
        power = arb(1)
        bound = arb(2) ** (-ctx.prec)
        last = arb(1)
        for k in range(1, _MOST_TERMS):
            q, dq = _polynomial_at(k, ctx.prec)
            power = power * inverse
            value = q(tt)
            term = value * power
            dterm = (dq(tt) * dtt - k * v * inverse * inverse * value) * power
            if k & 1:
                odd += term
                dodd += dterm
            else:
                even += term
                deven += dterm
            size = _magnitude(term) + _magnitude(dterm)
            if size < bound and last < bound:
                tail = arb(0, (16 * (size + last)).abs_upper())
                break
            last = size
        else:
            raise _NotEnoughPrecision
        self._sums = (
            even + odd + tail,
            deven + dodd + tail,
            even - odd + tail,
            deven - dodd + tail,
        )
        return self._sums

    def _exponent(self) -> arb:
        """v eta - x = w - x + v log(x / (v + w)), without the loss of w - x for large x."""
        v, x, w = self.v, self.x, self.w
        return v * v / (w + x) - v * (v / x).asinh()

    def log_ive(self) -> arb:
        if self.uniform:
            try:
                return (
                    self._exponent()
                    - (2 * arb.pi() * self.w).log() / 2
                    + self._expansion()[0].log()
                )
            except _NotEnoughPrecision:
                pass
        return self.x.bessel_i(self.v, scaled=True).log()

    def log_kve(self) -> arb:
        if self.uniform:
            try:
                return (
                    -self._exponent()
                    + (arb.pi() / (2 * self.w)).log() / 2
                    + self._expansion()[2].log()
                )
            except _NotEnoughPrecision:
                pass
        return self.x.bessel_k(self.v, scaled=True).log()

    def _dv(self, which: str) -> arb:
        if self.uniform:
            try:
                s, ds, a, da = self._expansion()
                slope = -(self.v / self.x).asinh()
                if which == "i":
                    return slope - self.v / (2 * self.w**2) + ds / s
                return -slope - self.v / (2 * self.w**2) + da / a
            except _NotEnoughPrecision:
                pass
        # Central difference; the truncation h^2 f'''/6 is far below 2^-ACCURACY_BITS of f' because
        # log I and log K are analytic in v on the scale 1 / log(1/x) at least.
        h = arb(2) ** (-_DIFFERENCE_BITS)
        work = ctx.prec
        ctx.prec = work + 2 * _DIFFERENCE_BITS
        try:
            if which == "i":
                up, down = (self.x.bessel_i(u, scaled=True) for u in (self.v + h, self.v - h))
            else:
                up, down = (self.x.bessel_k(u, scaled=True) for u in (self.v + h, self.v - h))
            return (up / down).log() / (2 * h)
        finally:
            ctx.prec = work

    def log_iv_dv(self) -> arb:
        return self._dv("i")

    def log_kv_dv(self) -> arb:
        return self._dv("k")


class _Point:
    """Everything asked for at one (v, x), sharing the Bessel functions, at one precision."""

    def __init__(self, v: arb, x: arb) -> None:
        self.v = v
        self.x = x
        self._bessel: dict[int, _Bessel] = {}
        self._values: dict[tuple[str, int], arb] = {}

    def bessel(self, shift: int) -> _Bessel:
        if shift not in self._bessel:
            self._bessel[shift] = _Bessel(self.v + shift, self.x)
        return self._bessel[shift]

    def log_i(self, shift: int = 0) -> arb:
        key = ("i", shift)
        if key not in self._values:
            self._values[key] = self.bessel(shift).log_ive()
        return self._values[key]

    def log_k(self, shift: int = 0) -> arb:
        key = ("k", shift)
        if key not in self._values:
            self._values[key] = self.bessel(shift).log_kve()
        return self._values[key]

    def ratio(self) -> arb:
        if self.v == arb(1) / 2:
            return self.x.tanh()
        return (self.log_i(0) - self.log_i(-1)).exp()

    def ratio_c(self) -> arb:
        # I_{1/2} / I_{-1/2} = tanh x: the uniform expansion does not see exp(-2x).
        if self.v == arb(1) / 2:
            return 2 / ((2 * self.x).exp() + 1) if self.x < 10000 else arb(0)
        return -((self.log_i(0) - self.log_i(-1)).expm1())


def _log_iv(p: _Point) -> arb:
    return p.log_i() + p.x


def _log_kv(p: _Point) -> arb:
    return p.log_k() - p.x


def _log_iv_dx(p: _Point) -> arb:
    return (p.log_i(1) - p.log_i(0)).exp() + p.v / p.x


def _log_kv_dx(p: _Point) -> arb:
    return -((p.log_k(-1) - p.log_k(0)).exp()) - p.v / p.x


def _kv_ratio(p: _Point) -> arb:
    return (p.log_k(0) - p.log_k(-1)).exp()


_ORDER_FUNCTIONS: dict[str, Callable[[_Point], arb]] = {
    "log_iv": _log_iv,
    "log_kv": _log_kv,
    "log_ive": lambda p: p.log_i(),
    "log_kve": lambda p: p.log_k(),
    "iv_ratio": lambda p: p.ratio(),
    "iv_ratio_c": lambda p: p.ratio_c(),
    "kv_ratio": _kv_ratio,
    "log_iv_dx": _log_iv_dx,
    "log_iv_dv": lambda p: p.bessel(0).log_iv_dv(),
    "log_kv_dx": _log_kv_dx,
    "log_kv_dv": lambda p: p.bessel(0).log_kv_dv(),
}


def _log_normalizer(p: _Point) -> arb:
    """`p.v` is dim / 2 throughout these functions."""
    return (p.v - 1) * p.x.log() - p.v * (2 * arb.pi()).log() - (p.log_i(-1) + p.x)


def _log_normalizer_e(p: _Point) -> arb:
    return (p.v - 1) * p.x.log() - p.v * (2 * arb.pi()).log() - p.log_i(-1)


def _resultant_slope(p: _Point) -> arb:
    if p.v == arb(1) / 2:
        return 4 / ((p.x.exp() + (-p.x).exp()) ** 2) if p.x < 10000 else arb(0)
    a = p.ratio()
    # 1 - a^2 = (1 - a)(1 + a) keeps the bits of 1 - a
    return p.ratio_c() * (1 + a) - (2 * p.v - 1) * a / p.x


def _entropy(p: _Point) -> arb:
    return -_log_normalizer(p) - p.x * p.ratio()


_DIMENSION_FUNCTIONS: dict[str, Callable[[_Point], arb]] = {
    "log_normalizer": _log_normalizer,
    "log_normalizer_e": _log_normalizer_e,
    "mean_resultant_length": lambda p: p.ratio(),
    "mean_resultant_length_c": lambda p: p.ratio_c(),
    "mean_resultant_length_dkappa": _resultant_slope,
    "entropy": _entropy,
}

ORDER_FUNCTIONS = tuple(_ORDER_FUNCTIONS)
DIMENSION_FUNCTIONS = tuple(_DIMENSION_FUNCTIONS)


def _double_double(value: arb) -> tuple[float, float]:
    hi = float(value)
    if not math.isfinite(hi):
        return hi, 0.0
    return hi, float(value - arb(hi))


def _good(value: arb) -> bool:
    if not value.is_finite():
        return False
    if value.is_zero() or value.rel_accuracy_bits() >= ACCURACY_BITS:
        return True
    # Below the smallest subnormal the digits no longer matter.
    return bool(abs(value) < arb(2) ** -1100)


def references(
    names: Iterable[str], first: float, x: float, *, highest_precision: int = _PRECISIONS[-1]
) -> dict[str, tuple[float, float]]:
    """True values at one point as double-doubles (hi, lo).

    Parameters
    ----------
    names
        Functions of `vmf.special`, either all of an order (`ORDER_FUNCTIONS`) or all of a
        dimension (`DIMENSION_FUNCTIONS`).
    first
        The order v, or the dimension; >= 0 (dimension >= 1).
    x
        The argument, > 0.
    """
    left = list(names)
    of_dimension = left[0] in _DIMENSION_FUNCTIONS if left else False
    table = _DIMENSION_FUNCTIONS if of_dimension else _ORDER_FUNCTIONS
    if not (x > 0 and math.isfinite(x) and first >= (1 if of_dimension else 0)):
        raise ValueError(f"no reference at ({first!r}, {x!r})")
    found: dict[str, tuple[float, float]] = {}
    before = ctx.prec
    try:
        for precision in _PRECISIONS:
            if precision > highest_precision:
                break
            ctx.prec = precision
            point = _Point(arb(first) / 2 if of_dimension else arb(first), arb(x))
            missed = []
            for name in left:
                if name == "log_kv_dv" and first == 0:
                    found[name] = (0.0, 0.0)  # K is even in v
                    continue
                value = table[name](point)
                if _good(value):
                    found[name] = _double_double(value)
                else:
                    missed.append(name)
            left = missed
            if not left:
                return found
    finally:
        ctx.prec = before
    raise ArithmeticError(f"{left} at ({first!r}, {x!r}): precision exhausted")


def reference(name: str, first: float, x: float) -> tuple[float, float]:
    """True value of one function as a double-double (hi, lo)."""
    return references([name], first, x)[name]


def error_eps(computed: float, hi: float, lo: float, *, relative: bool) -> float:
    """|computed - (hi + lo)| in units of 2^-52 max(1, |value|), or 2^-52 |value| if `relative`.

    A value below the smallest normal number counts as that number, the resolution of float64.
    """
    if computed == hi and not math.isfinite(hi):
        return 0.0
    if not math.isfinite(computed) or not math.isfinite(hi):
        return math.inf
    scale = max(abs(hi), SMALLEST_NORMAL) if relative else max(1.0, abs(hi))
    return abs((computed - hi) - lo) / scale / EPS
