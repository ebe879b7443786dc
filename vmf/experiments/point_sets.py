"""The ranges over which accuracy and speed are stated, drawn afresh from a random generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vmf.arrays.types import FloatArray

Points = tuple[FloatArray, FloatArray]
Draw = Callable[[np.random.Generator, int], Points]


def log_uniform(rng: np.random.Generator, low: float, high: float, n: int) -> FloatArray:
    return np.exp(rng.uniform(np.log(low), np.log(high), n)).clip(low, high)


def log_spaced_integers(rng: np.random.Generator, low: int, high: int, n: int) -> FloatArray:
    return np.floor(log_uniform(rng, low, high + 1, n)).clip(low, high)


def _shuffled(rng: np.random.Generator, parts: list[Points]) -> Points:
    v = np.concatenate([p[0] for p in parts])
    x = np.concatenate([p[1] for p in parts])
    order = rng.permutation(len(v))
    return v[order], x[order]


def uniform150(rng: np.random.Generator, n: int) -> Points:
    """v, x uniform in (0, 150)."""
    return rng.uniform(0, 150, n), np.maximum(rng.uniform(0, 150, n), 1e-300)


def uniform1e4(rng: np.random.Generator, n: int) -> Points:
    """v, x uniform in (0, 1e4)."""
    return rng.uniform(0, 1e4, n), np.maximum(rng.uniform(0, 1e4, n), 1e-300)


def loguniform(rng: np.random.Generator, n: int) -> Points:
    """v in 1e-3..1e7, x in 1e-300..1e8, log-uniform; a third of the points with x >= 1e-3."""
    third = n // 3
    v = log_uniform(rng, 1e-3, 1e7, n)
    x = np.concatenate(
        [log_uniform(rng, 1e-300, 1e8, n - third), log_uniform(rng, 1e-3, 1e8, third)]
    )
    return v, rng.permutation(x)


def small(rng: np.random.Generator, n: int) -> Points:
    """v in 0..16 (uniform, log-uniform, integer, half-integer), x in 1e-6..40."""
    k = n // 4
    v = np.concatenate(
        [
            rng.uniform(0, 16, n - 3 * k),
            log_uniform(rng, 1e-6, 16, k),
            rng.integers(0, 17, k).astype(float),
            rng.integers(0, 16, k) + 0.5,
        ]
    )
    x = np.where(rng.random(n) < 0.5, rng.uniform(1e-6, 40, n), log_uniform(rng, 1e-6, 40, n))
    return rng.permutation(v), x


def vmf(rng: np.random.Generator, n: int) -> Points:
    """v = p/2 - 1 for log-spaced integers p from 2 to 1e6, kappa log-uniform in 1e-3..1e7."""
    return log_spaced_integers(rng, 2, 10**6, n) / 2 - 1, log_uniform(rng, 1e-3, 1e7, n)


def zero_order(rng: np.random.Generator, n: int) -> Points:
    """v = 0, x log-uniform in 1e-300..10, half of the points above 1e-10."""
    half = n // 2
    x = np.concatenate([log_uniform(rng, 1e-300, 10, n - half), log_uniform(rng, 1e-10, 10, half)])
    return np.zeros(n), rng.permutation(x)


def ratio(rng: np.random.Generator, n: int) -> Points:
    """v in 1e-3..1e7 log-uniform (some integers, half-integers); x log-uniform in 1e-3..1e8 or,
    for half of the points, within a factor 1e3 of max(v, 1).
    """
    v = log_uniform(rng, 1e-3, 1e7, n)
    kind = rng.random(n)
    v = np.where(kind < 0.15, np.ceil(v), np.where(kind < 0.3, np.floor(v) + 0.5, v))
    near = log_uniform(rng, 1e-3, 1e3, n) * np.maximum(v, 1)
    return v, np.where(rng.random(n) < 0.5, near, log_uniform(rng, 1e-3, 1e8, n))


def dimensions(rng: np.random.Generator, n: int) -> Points:
    """p from 2 to 1e7 (log-spaced integers), kappa log-uniform in 1e-3..1e8 or, for half of the
    points, within a factor 1e3 of p.
    """
    p = log_spaced_integers(rng, 2, 10**7, n)
    near = log_uniform(rng, 1e-3, 1e3, n) * p
    return p, np.where(rng.random(n) < 0.5, near, log_uniform(rng, 1e-3, 1e8, n))


def concentration(rng: np.random.Generator, n: int) -> Points:
    """p from 2 to 1e7 (log-spaced integers), R in 1e-12..1 - 1e-12: uniform, log-uniform towards
    0 and log-uniform towards 1, a third each (so 1 - R is distributed like R).
    """
    p = log_spaced_integers(rng, 2, 10**7, n)
    third = n // 3
    r = np.concatenate(
        [
            rng.uniform(1e-12, 1 - 1e-12, n - 2 * third),
            log_uniform(rng, 1e-12, 1, third),
            1 - log_uniform(rng, 1e-12, 1, third),
        ]
    )
    return p, rng.permutation(r).clip(1e-12, 1 - 1e-12)


RANGES: dict[str, Draw] = {
    "uniform150": uniform150,
    "uniform1e4": uniform1e4,
    "loguniform": loguniform,
    "small": small,
    "vmf": vmf,
}
