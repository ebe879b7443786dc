"""Points where errors hide: both sides of every border between regions, and next to the zeros of
the logarithms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vmf._core import region
from vmf.arrays.types import FloatArray
from vmf.experiments import arb
from vmf.experiments.point_sets import Points, log_uniform


def _neighbours(rng: np.random.Generator, x: FloatArray, farthest: float) -> FloatArray:
    """A quarter of the points within 4 ulps of x, the rest up to `farthest` away (relative)."""
    ulps = rng.integers(-4, 5, len(x))
    far = x * (1 + rng.choice([-1.0, 1.0], len(x)) * log_uniform(rng, 1e-16, farthest, len(x)))
    return np.where(rng.random(len(x)) < 0.25, x + ulps * np.spacing(x), far)


def _zero(name: str, v: float) -> float:
    """The x > 0 where the logarithm is 0, to nearly the last bit; Newton in log x, from Arb."""
    slope = "log_iv_dx" if name == "log_iv" else "log_kv_dx"
    x = max(0.66 * v, 0.5)
    for _ in range(60):
        found = arb.references([name, slope], v, x)
        derivative = found[slope][0] + (1.0 if name == "log_kve" else 0.0)
        step = -found[name][0] / (x * derivative)
        x *= float(np.exp(np.clip(step, -1, 1)))
        if abs(step) < 4e-16:
            break
    return x


def zeros(name: str, rng: np.random.Generator, n: int) -> Points:
    """Orders in 0..1e7 with x a few ulps to 1e-3 (relative) away from the zero of log I or K."""
    each = 20
    count = -(-n // each)
    low = 1e-3
    v = np.where(
        rng.random(count) < 0.3, rng.uniform(low, 16, count), log_uniform(rng, low, 1e7, count)
    )
    x = np.array([_zero(name, order) for order in v.tolist()])
    v, x = np.repeat(v, each)[:n], np.repeat(x, each)[:n]
    return v, _neighbours(rng, x, 1e-3)


def borders(name: str, rng: np.random.Generator, n: int) -> Points | None:
    """Points from a few ulps to 1 % off the borders between the regions of a function.

    `vmf._core.region(name, v, x)` tells the region of each point. Lines of constant v and of
    constant x are cut where it changes, by bisection down to neighbouring doubles. None where the
    extension does not tell.
    """
    try:
        region(name, np.ones(1), np.ones(1))
    except (ValueError, KeyError):
        return None
    of_dimension = name in arb.DIMENSION_FUNCTIONS
    lowest = 2.0 if of_dimension else 1e-3
    lines, grid = max(8, n // 40), 256
    found: list[Points] = []
    for along_x in (True, False):
        fixed_low, fixed_high, low, high = (
            (lowest, 1e7, 1e-6, 1e8) if along_x else (1e-6, 1e8, lowest, 1e7)
        )
        fixed = np.where(
            rng.random(lines) < 0.5,
            log_uniform(rng, fixed_low, fixed_high, lines),
            rng.uniform(fixed_low, 150, lines),
        )
        steps = np.sort(log_uniform(rng, low, high, lines * grid).reshape(lines, grid), axis=1)

        def at(line: FloatArray, moving: FloatArray, along_x: bool = along_x) -> NDArray[np.int8]:
            v, x = (line, moving) if along_x else (moving, line)
            return np.asarray(region(name, v, x))

        tags = at(np.repeat(fixed, grid), steps.ravel()).reshape(lines, grid)
        i, j = np.nonzero(tags[:, 1:] != tags[:, :-1])
        line, left, right = fixed[i], steps[i, j], steps[i, j + 1]
        tag = tags[i, j]
        while True:
            # Halfway in the order of doubles: positive doubles sort like their bit patterns.
            a, b = left.view(np.int64), right.view(np.int64)
            if not len(a) or np.all(b - a <= 1):
                break
            middle = (a + (b - a) // 2).view(np.float64)
            same = at(line, middle) == tag
            left, right = np.where(same, middle, left), np.where(same, right, middle)
        found.append((line, right) if along_x else (right, line))
    v = np.concatenate([p[0] for p in found])
    x = np.concatenate([p[1] for p in found])
    if not len(v):
        return None
    v, x = _balanced(rng, np.asarray(region(name, v, x)), v, x, n)
    moved = rng.random(n) < 0.5
    v, x = (
        np.where(moved, v, _neighbours(rng, v, 1e-2)),
        np.where(moved, _neighbours(rng, x, 1e-2), x),
    )
    return np.maximum(v, 2.0 if of_dimension else 0.0), x


def _balanced(
    rng: np.random.Generator, tags: NDArray[np.int8], v: FloatArray, x: FloatArray, n: int
) -> Points:
    """n of the border points, each region's share alike, so that short borders are not missed."""
    kinds = np.unique(tags)
    chosen = np.concatenate(
        [rng.choice(np.flatnonzero(tags == kind), -(-n // len(kinds))) for kind in kinds]
    )
    chosen = rng.permutation(chosen)[:n]
    return v[chosen], x[chosen]
