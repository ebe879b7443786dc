"""Integrals over the concentration of functions built from A_p and A_p'.

Differences of log C_p between two concentrations are integrals of A_p. As integrals they keep
their relative accuracy when the concentrations are close or small, where subtracting two values of
log C_p, each of the size of p log p, keeps none.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from vmf.arrays.types import FloatArray

Function = Callable[[FloatArray], FloatArray]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


def integrate_over_concentration(
    function: Function, start: float, stop: float, scale: float
) -> float:
    """Return the integral of `function` from `start` to `stop` (>= start >= 0).

    Gauss-Legendre with 20 nodes on panels over which `scale` + kappa grows at most by half.
    A_p and its derivatives are analytic but for poles on the imaginary axis, beyond
    i j_{p/2-1,1} > i (p/2 - 1) (DLMF 10.21.3), so that `scale` = p/2 keeps each panel away from
    them and the error at the rounding level. `function` takes an array of concentrations.
    """
    if stop <= start:
        return 0.0
    panels = max(1, math.ceil(math.log((scale + stop) / (scale + start)) / math.log(1.5)))
    borders = (scale + start) * ((scale + stop) / (scale + start)) ** (
        np.arange(panels + 1) / panels
    ) - scale
    borders[0], borders[-1] = start, stop
    half_widths = 0.5 * np.diff(borders)[:, np.newaxis]
    points = borders[:-1, np.newaxis] + half_widths * (1.0 + _NODES)
    return float(np.sum(half_widths * _WEIGHTS * function(points)))


def integrals_over_concentration(function: Function, stops: FloatArray, scale: float) -> FloatArray:
    """Return the integrals of `function` from 0 to each of `stops` (>= 0), in their order.

    As `integrate_over_concentration`, one pass for all: `stops` are borders of panels too, and the
    integrals are the running sums.
    """
    if not stops.size:
        return np.zeros(0)
    panels = max(1, math.ceil(math.log1p(float(stops.max()) / scale) / math.log(1.5)))
    grid = scale * 1.5 ** np.arange(panels) - scale
    borders = np.union1d(grid, stops)
    half_widths = 0.5 * np.diff(borders)[:, np.newaxis]
    points = borders[:-1, np.newaxis] + half_widths * (1.0 + _NODES)
    each = np.sum(half_widths * _WEIGHTS * function(points), axis=1)
    total: FloatArray = np.append(0.0, np.cumsum(each))[np.searchsorted(borders, stops)]
    return total
