"""The algorithm of the paper that this toolkit starts from, restated as a peer to be measured.

A. Plesner, H. H. B. Sørensen, S. Hauberg, "Accurate Computation of the Logarithm of Modified Bessel
Functions on GPUs", ICS 2024, arXiv 2409.08729: a table of conditions on (v, x) names the expression
for log I_v(x) and log K_v(x), each evaluated on a log scale. This is float64 NumPy written from the
formulas; the authors' C++ and CUDA code (CUSF) is faster and may differ in the last digits. The
number of nodes of the integral for K is that of a port of their code, not confirmed.

`vmf.special` uses none of this.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from vmf.arrays.types import FloatArray

EXPRESSIONS = ("mu 3", "mu 20", "U 4", "U 6", "U 9", "U 13", "fallback")
FALLBACK = len(EXPRESSIONS) - 1

_MU_TERMS = {0: 3, 1: 20}
_U_TERMS = {2: 4, 3: 6, 4: 9, 5: 13}
_SERIES_TERMS = 41
_INTERVALS = 600
_ROTHWELL = 8  # the power that Rothwell's substitution leaves at the origin is _ROTHWELL - 1
_CHUNK = 2048


def expression(v: npt.ArrayLike, x: npt.ArrayLike) -> npt.NDArray[np.int8]:
    """Index into `EXPRESSIONS` of what the paper's table uses at each point; its first true row."""
    v, x = np.broadcast_arrays(np.asarray(v, np.float64), np.asarray(x, np.float64))
    with np.errstate(divide="ignore"):
        log_v, log_x = np.log(v), np.log(x)
    rows = [
        ((x > 1400) & (v < 3.05)) | ((0.6229 * log_x - 3.2318 > log_v) & (v > 3.1)),
        ((x > 30) & (v < 15.3919)) | ((0.5113 * log_x + 0.7939 > log_v) & (x > 59.6925)),
        ((x > 274.2377) & (v > 0.3)) | (v > 163.6993),
        ((x > 84.4153) & (v > 0.46)) | (v > 56.9971),
        ((x > 35.9074) & (v > 0.6)) | (v > 20.1534),
        ((x > 19.6931) & (v > 0.7)) | (v > 12.6964),
    ]
    codes: npt.NDArray[np.int8] = np.select(rows, range(FALLBACK), FALLBACK).astype(np.int8)
    return codes


def log_iv(v: npt.ArrayLike, x: npt.ArrayLike) -> FloatArray:
    """log I_v(x) for v >= 0, x > 0, by the paper's table."""
    return _evaluate(v, x, kind="i")


def log_kv(v: npt.ArrayLike, x: npt.ArrayLike) -> FloatArray:
    """log K_v(x) for v >= 0, x > 0, by the paper's table."""
    return _evaluate(v, x, kind="k")


def _evaluate(v: npt.ArrayLike, x: npt.ArrayLike, kind: str) -> FloatArray:
    v, x = np.broadcast_arrays(np.asarray(v, np.float64), np.asarray(x, np.float64))
    codes = expression(v, x)
    result = np.full(v.shape, np.nan)
    with np.errstate(all="ignore"):
        for code in np.unique(codes):
            here = codes == code
            if code in _MU_TERMS:
                found = _large_argument(v[here], x[here], _MU_TERMS[code], kind)
            elif code in _U_TERMS:
                found = _large_order(v[here], x[here], _U_TERMS[code], kind)
            else:
                fallback = _power_series if kind == "i" else _integral
                found = _in_chunks(fallback, v[here], x[here])
            result[here] = found
    return result


def _large_argument(v: FloatArray, x: FloatArray, terms: int, kind: str) -> FloatArray:
    """DLMF 10.40.1-2: the expansion for x much larger than v^2."""
    sign = -1.0 if kind == "i" else 1.0
    term, total = np.ones_like(x), np.ones_like(x)
    for k in range(1, terms + 1):
        term = sign * term * (4 * v * v - (2 * k - 1) ** 2) / (8 * k * x)
        total = total + term
    if kind == "i":
        return x - 0.5 * np.log(2 * np.pi * x) + np.log(np.abs(total))
    return 0.5 * np.log(np.pi / (2 * x)) - x + np.log(np.abs(total))


def _large_order(v: FloatArray, x: FloatArray, terms: int, kind: str) -> FloatArray:
    """DLMF 10.41.3-4: the expansion that is uniform in x for large v."""
    z = x / v
    s = np.sqrt(1 + z * z)
    t = 1 / s
    eta = s + np.log(z / (1 + s))
    sign = 1.0 if kind == "i" else -1.0
    total, power = np.ones_like(x), np.ones_like(x)
    for u in _debye_polynomials()[1 : terms + 1]:
        power = power * sign / v
        total = total + np.polynomial.polynomial.polyval(t, u) * power
    exponent = v * eta if kind == "i" else -v * eta
    front = -0.5 * np.log(2 * np.pi * v) if kind == "i" else 0.5 * np.log(np.pi / (2 * v))
    found: FloatArray = exponent + front - 0.5 * np.log(s) + np.log(total)
    return found


@lru_cache(maxsize=1)
def _debye_polynomials() -> list[FloatArray]:
    """u_0, u_1, ... of DLMF 10.41.9 in ascending powers of t, computed in rationals."""
    found = [[Fraction(1)]]
    for _ in range(max(_U_TERMS.values())):
        u = found[-1]
        following = [Fraction(0)] * (len(u) + 3)
        for n, c in enumerate(u):
            # t^2 (1 - t^2) u'/2 and the integral of (1 - 5 t^2) u/8, power by power
            following[n + 1] += c * n / 2 + c / (8 * (n + 1))
            following[n + 3] -= c * n / 2 + 5 * c / (8 * (n + 3))
        found.append(following)
    return [np.array([float(c) for c in u]) for u in found]


def _power_series(v: FloatArray, x: FloatArray) -> FloatArray:
    """DLMF 10.25.2, the 41 terms around the largest, factored out of the sum."""
    peak = np.floor((np.hypot(v, x) - v) / 2)
    first = np.maximum(peak - _SERIES_TERMS // 2, 0)
    k = first[:, None] + np.arange(_SERIES_TERMS)
    order = v[:, None]
    logs = (2 * k + order) * np.log(x / 2)[:, None] - gammaln(k + 1) - gammaln(k + order + 1)
    return _log_sum(logs)


def _integral(v: FloatArray, x: FloatArray) -> FloatArray:
    """Rothwell's integral over [0, 1] by Simpson's rule, on a log scale.

    K_v(x) = sqrt(pi) (2x)^-v e^-x / Gamma(v + 1/2) times the integral over s > 0 of
    e^-s (s (2x + s))^(v - 1/2); s = u^beta maps the part below 1, s = 1/u the part above.
    """
    u = np.arange(1, _INTERVALS + 1) / _INTERVALS  # both integrands vanish at 0
    weights = np.where(np.arange(1, _INTERVALS + 1) % 2, 4.0, 2.0)
    weights[-1] = 1.0
    order, argument, log_u = v[:, None], x[:, None], np.log(u)
    beta = 2 * _ROTHWELL / (2 * order + 1)
    s = np.exp(beta * log_u)
    below = np.log(beta) - s + (order - 0.5) * np.log(2 * argument + s) + (_ROTHWELL - 1) * log_u
    above = -1 / u - (2 * order + 1) * log_u + (order - 0.5) * np.log1p(2 * argument * u)
    logs = np.logaddexp(below, above) + np.log(weights / (3 * _INTERVALS))
    front: FloatArray = 0.5 * math.log(math.pi) - v * np.log(2 * x) - x - gammaln(v + 0.5)
    return front + _log_sum(logs)


def _log_sum(logs: FloatArray) -> FloatArray:
    largest = logs.max(axis=1, keepdims=True)
    return np.asarray(largest[:, 0] + np.log(np.exp(logs - largest).sum(axis=1)))


def _in_chunks(
    function: Callable[[FloatArray, FloatArray], FloatArray], v: FloatArray, x: FloatArray
) -> FloatArray:
    parts = [function(v[i : i + _CHUNK], x[i : i + _CHUNK]) for i in range(0, len(v), _CHUNK)]
    return np.concatenate(parts) if parts else np.empty(0)
