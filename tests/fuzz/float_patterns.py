"""float64 and float32 numbers of every class of bit patterns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_LAYOUT = {  # sign and exponent bits, mantissa bits
    np.dtype(np.float64): (np.dtype(np.uint64), 11, 52),
    np.dtype(np.float32): (np.dtype(np.uint32), 8, 23),
}


def _assembled(
    dtype: np.dtype[Any],
    sign: npt.NDArray[Any],
    exponent: npt.NDArray[Any],
    mantissa: npt.NDArray[Any],
) -> Array:
    unsigned, exponent_bits, mantissa_bits = _LAYOUT[dtype]
    bits = (
        (np.asarray(sign, np.uint64) << np.uint64(exponent_bits + mantissa_bits))
        | (np.asarray(exponent, np.uint64) << np.uint64(mantissa_bits))
        | np.asarray(mantissa, np.uint64)
    )
    return bits.astype(unsigned).view(dtype)


def _zeros(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> Array:
    return _assembled(dtype, rng.integers(0, 2, n), np.zeros(n), np.zeros(n))


def _subnormals(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> Array:
    """The smallest, the largest and any between, mostly small ones."""
    bits = _LAYOUT[dtype][2]
    mantissa = rng.integers(1, 1 << rng.integers(1, bits + 1, n), dtype=np.int64)
    ends = rng.random(n) < 0.2
    mantissa[ends] = rng.choice([1, (1 << bits) - 1], ends.sum())
    return _assembled(dtype, np.zeros(n), np.zeros(n), np.maximum(mantissa, 1))


def _powers_of_two(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> Array:
    """And the numbers next to them."""
    _, exponent_bits, _ = _LAYOUT[dtype]
    power = _assembled(
        dtype, np.zeros(n), rng.integers(1, (1 << exponent_bits) - 1, n), np.zeros(n)
    )
    unsigned = _LAYOUT[dtype][0]
    moved = power.view(unsigned).astype(np.int64) + rng.integers(-2, 3, n)
    return moved.astype(unsigned).view(dtype)


def _half_integers(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> Array:
    """0, 1/2, 1, ... and the numbers next to them: orders, dimensions, borders of regions."""
    value = (rng.integers(0, 1 << rng.integers(1, 16, n), dtype=np.int64) / 2).astype(dtype)
    toward = rng.choice([0.0, np.inf], n).astype(dtype)
    return np.where(rng.random(n) < 0.5, value, np.nextafter(value, toward))


def _moderate(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> Array:
    return (10 ** rng.uniform(-6, 6, n)).astype(dtype)


def _unit_interval(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> Array:
    """Up to both ends, in steps of the resolution."""
    near = (10 ** rng.uniform(-17, 0, n)).astype(dtype)
    return np.where(rng.random(n) < 0.5, near, dtype.type(1) - near)


def _huge(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> Array:
    _, exponent_bits, mantissa_bits = _LAYOUT[dtype]
    top = (1 << exponent_bits) - 2
    mantissa = rng.integers(0, 1 << mantissa_bits, n)
    mantissa[rng.random(n) < 0.2] = (1 << mantissa_bits) - 1
    return _assembled(dtype, np.zeros(n), top - rng.integers(0, 30, n), mantissa)


def _infinities(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> Array:
    return np.where(rng.random(n) < 0.8, np.inf, -np.inf).astype(dtype)


def _not_numbers(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> Array:
    """Quiet and signalling, of both signs, with any payload."""
    _, exponent_bits, mantissa_bits = _LAYOUT[dtype]
    payload = rng.integers(1, 1 << mantissa_bits, n)
    payload[rng.random(n) < 0.2] = 1
    return _assembled(dtype, rng.integers(0, 2, n), np.full(n, (1 << exponent_bits) - 1), payload)


def _any_bits(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> Array:
    unsigned = _LAYOUT[dtype][0]
    return rng.integers(0, np.iinfo(unsigned).max, n, dtype=unsigned.type, endpoint=True).view(
        dtype
    )


def _positive_bits(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> Array:
    return np.abs(_any_bits(rng, n, dtype))


CLASSES: dict[str, Callable[[np.random.Generator, int, np.dtype[Any]], Array]] = {
    "zeros": _zeros,
    "subnormals": _subnormals,
    "powers of two": _powers_of_two,
    "half-integers": _half_integers,
    "moderate": _moderate,
    "unit interval": _unit_interval,
    "huge": _huge,
    "infinities": _infinities,
    "not numbers": _not_numbers,
    "any bits": _any_bits,
    "positive bits": _positive_bits,
}


def draw(rng: np.random.Generator, n: int, dtype: Any, runs: bool = False) -> Array:
    """`n` numbers of all classes, side by side or, with `runs`, in runs of one class."""
    kind = np.dtype(dtype)
    names = list(CLASSES)
    length = 64 if runs else 1
    chosen = np.repeat(rng.integers(0, len(names), n // length + 1), length)[:n]
    result = np.empty(n, kind)
    for number, name in enumerate(names):
        places = np.flatnonzero(chosen == number)
        # Through integers: a float64 register of some processors would make a signalling NaN quiet.
        unsigned = _LAYOUT[kind][0]
        result.view(unsigned)[places] = CLASSES[name](rng, len(places), kind).view(unsigned)
    return result
