"""What must hold of every function of `vmf.special`, whatever the bits of its arguments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from vmf import _core
from vmf.special._table import TABLE, Entry

from .float_patterns import draw

Array = npt.NDArray[Any]

EPS = 2.0**-52
ENTRIES = {entry.name: entry for entry in TABLE}


@contextmanager
def instruction_set(name: str) -> Iterator[None]:
    """Compute with this one inside the block."""
    before = _core.get_instruction_set()
    _core.set_instruction_set(name)
    try:
        yield
    finally:
        _core.set_instruction_set(before)


def undefined(entry: Entry, a: Array, x: Array) -> Array:
    """Where a function has no value although both arguments are numbers: as documented."""
    lowest = 0.0 if entry.first == "v" else 2.0
    with np.errstate(invalid="ignore"):
        outside = (a < lowest) | (x < 0) | (("rbar" in entry.second) & (x > 1))
        return outside | (np.isinf(a) & np.isinf(x))


def same_bits(left: Array, right: Array) -> Array:
    """Equal bit for bit, but every NaN is as good as another."""
    unsigned = np.uint64 if left.dtype == np.float64 else np.uint32
    both_nan = np.isnan(left) & np.isnan(right)
    return both_nan | (left.view(unsigned) == right.view(unsigned))


def assert_everywhere(holds: Array, what: str, entry: Entry, a: Array, x: Array, y: Array) -> None:
    """Fail with the first pair of arguments, by value and bits, for which `holds` is not true."""
    if holds.all():
        return
    k = int(np.flatnonzero(~holds)[0])
    unsigned = np.uint64 if y.dtype == np.float64 else np.uint32
    a, x = (np.broadcast_to(v, y.shape)[k : k + 1].astype(y.dtype) for v in (a, x))
    raise AssertionError(
        f"{what}: {entry.name}({a[0]!r}, {x[0]!r}) = {y[k]!r}; bits {a.view(unsigned)[0]:#x},"
        f" {x.view(unsigned)[0]:#x}; {_core.get_instruction_set()}; {int((~holds).sum())} of {holds.size}"
    )


functions = st.sampled_from(sorted(ENTRIES))
instruction_sets = st.sampled_from(_core.instruction_sets())
seeds = st.integers(0, 2**32 - 1)
lengths = st.one_of(st.integers(1, 80), st.integers(81, 3000))


def check_values(name: str, isa: str, seed: int, n: int, runs: bool) -> int:
    """NaN exactly where documented, values in range, the error state; returns pairs tried."""
    entry, rng = ENTRIES[name], np.random.default_rng(seed)
    a, x = draw(rng, n, np.float64, runs), draw(rng, n, np.float64, runs)
    f = getattr(_core, name)
    with instruction_set(isa):
        with np.errstate(all="ignore"):
            y = f(a, x)
        given_nan = np.isnan(a) | np.isnan(x)
        bad = undefined(entry, a, x) & ~given_nan
        assert_everywhere(np.isnan(y) == (given_nan | bad), "NaN or not", entry, a, x, y)
        with np.errstate(all="raise"):
            good = ~bad
            f(a[good], x[good])
            for one_a, one_x in zip(a[bad][:3], x[bad][:3], strict=True):
                try:
                    f(one_a, one_x)
                except FloatingPointError as error:
                    assert "invalid" in str(error)  # noqa: PT017
                else:
                    raise AssertionError(f"{name}({one_a!r}, {one_x!r}) raised no error state")
        fine = ~(given_nan | bad)
        _check_range(entry, a[fine], x[fine], y[fine])
    return n


def _check_range(entry: Entry, a: Array, x: Array, y: Array) -> None:
    """Bounds that hold of the true values hold of the computed ones, to their documented error."""
    rounding = 16 * EPS
    big_order = a >= 0.5
    if entry.name == "iv_ratio":
        holds = (y >= 0) & (~big_order | (y <= 1))
    elif entry.name == "iv_ratio_c":
        holds = (y <= 1) & (~big_order | (y >= 0))
    elif entry.name in ("mean_resultant_length", "mean_resultant_length_c"):
        holds = (y >= 0) & (y <= 1)
    elif entry.name == "mean_resultant_length_dkappa":
        holds = (y >= 0) & (y <= 0.5)
    elif entry.name == "kv_ratio":
        holds = np.where(big_order, y >= 1 - rounding, (y >= 0) & (y <= 1 + rounding))
    elif entry.name == "log_ive":
        holds = y <= 0
    elif entry.name == "log_iv_dv":
        holds = y <= rounding
    elif entry.name == "log_iv_dx":
        holds = y >= 0
    elif entry.name == "log_kv_dx":
        holds = y <= -1 + rounding
    elif entry.name == "log_kv_dv":
        holds = y >= -rounding
    elif entry.name in ("concentration", "concentration_c"):
        holds = y >= 0
    else:
        return
    assert_everywhere(holds, "out of range", entry, a, x, y)


def check_layouts(name: str, isa: str, seed: int, n: int, single: bool, runs: bool) -> int:
    """A value depends on its two arguments alone: not on place, strides, neighbours or memory."""
    entry, rng = ENTRIES[name], np.random.default_rng(seed)
    dtype = np.float32 if single else np.float64
    a, x = draw(rng, n, dtype, runs), draw(rng, n, dtype, runs)
    f = getattr(_core, name)

    def same(what: str, found: Array, expected: Array, a: Array = a, x: Array = x) -> None:
        assert_everywhere(same_bits(found, expected), what, entry, a, x, found)

    with np.errstate(all="ignore"), instruction_set(isa):
        plain = f(a, x)
        assert plain.dtype == dtype
        some = rng.integers(0, n, min(n, 40))
        alone = np.array([f(a[k], x[k]) for k in some], dtype)
        same("alone", alone, plain[some], a[some], x[some])
        order = rng.permutation(n)
        same("elsewhere", f(a[order], x[order]), plain[order], a[order], x[order])
        first = int(rng.integers(0, n))
        last = int(rng.integers(first, n)) + 1
        same(
            "a part",
            f(a[first:last], x[first:last]),
            plain[first:last],
            a[first:last],
            x[first:last],
        )
        step = int(rng.integers(2, 9))
        wide_a, wide_x = np.repeat(a, step), np.repeat(x, step + 1)
        same("strided", f(wide_a[::step], wide_x[:: step + 1]), plain)
        same("backwards", np.ascontiguousarray(f(a[::-1], x[::-1])[::-1]), plain)
        k = int(rng.integers(0, n))
        same("one order", f(a[k], x), f(np.full_like(a, a[k]), x), a[k], x)
        same("one argument", f(a, x[k]), f(a, np.full_like(x, x[k])), a, x[k])
        for inputs in (0, 1):
            over = [a.copy(), x.copy()]
            f(over[0], over[1], out=over[inputs])
            same("in place", over[inputs], plain)
        memory = np.full(n * step + 32, dtype(-7))
        f(a, x, out=memory[16 : 16 + n * step : step])
        same("out with steps", np.ascontiguousarray(memory[16 : 16 + n * step : step]), plain)
        memory[16 : 16 + n * step : step] = -7
        assert (memory == -7).all(), "wrote beside its output"
        overlapping = np.concatenate([x, x])
        shift = int(rng.integers(0, n))
        f(a, overlapping[:n], out=overlapping[shift : shift + n])
        same("over its own input", overlapping[shift : shift + n].copy(), plain)
        if single:
            wide = f(a.astype(np.float64), x.astype(np.float64)).astype(np.float32)
            same("float32", plain, wide)
    return n


def check_monotone(name: str, isa: str, seed: int, n: int) -> int:
    """Along one argument the computed values go the way of the true ones, to their rounding."""
    entry, rng = ENTRIES[name], np.random.default_rng(seed)
    f = getattr(_core, name)
    direction = _DIRECTIONS.get(name)
    if direction is None:
        return 0
    a = np.abs(draw(rng, 1, np.float64))[0]
    if not np.isfinite(a):
        return 0
    a = max(a, 0.5 if entry.first == "v" else 2.0)
    x = np.abs(draw(rng, n, np.float64))
    x = np.sort(x[np.isfinite(x) & (x <= (1.0 if "rbar" in entry.second else np.inf))])
    with np.errstate(all="ignore"), instruction_set(isa):
        y = f(a, x)
    finite = np.isfinite(y)
    x, y = x[finite], y[finite]
    size = np.maximum(np.abs(y[1:]), np.abs(y[:-1]))
    relative = "ratio" in name or "resultant" in name or name.startswith("concentration")
    slack = 16 * EPS * (size if relative else np.maximum(1.0, size)) + 1e-322
    holds = direction * np.diff(y) >= -slack
    assert_everywhere(holds, "goes the other way", entry, a, x[1:], y[1:])
    return n


_DIRECTIONS = {
    "log_iv": 1,
    "log_kv": -1,
    "log_kve": -1,
    "iv_ratio": 1,
    "iv_ratio_c": -1,
    "kv_ratio": -1,
    "log_kv_dx": 1,
    "log_normalizer": -1,
    "log_normalizer_e": 1,
    "mean_resultant_length": 1,
    "mean_resultant_length_c": -1,
    "mean_resultant_length_dkappa": -1,
    "entropy": -1,
    "concentration": 1,
    "concentration_c": -1,
}


def check_identities(isa: str, seed: int, n: int) -> int:
    """Between functions at the same point, to the sum of their documented errors."""
    rng = np.random.default_rng(seed)
    v, x = (np.abs(draw(rng, n, np.float64)) for _ in range(2))
    fine = np.isfinite(v) & np.isfinite(x)
    v, x = v[fine], x[fine]
    with np.errstate(all="ignore"), instruction_set(isa):
        p = np.minimum(2 * v + 2, 1e308)
        ratio, rest = _core.iv_ratio(v, x), _core.iv_ratio_c(v, x)
        finite = np.isfinite(ratio)
        assert_everywhere(
            ~finite | (np.abs(ratio + rest - 1) <= 8 * EPS * np.maximum(1, ratio)),
            "ratio and complement", ENTRIES["iv_ratio"], v, x, ratio,
        )  # fmt: skip
        length, rest = _core.mean_resultant_length(p, x), _core.mean_resultant_length_c(p, x)
        assert_everywhere(
            np.abs(length + rest - 1) <= 8 * EPS,
            "length and complement", ENTRIES["mean_resultant_length"], p, x, length,
        )  # fmt: skip
        for plain, scaled, first, sign in (
            ("log_iv", "log_ive", v, -1), ("log_kv", "log_kve", v, 1),
            ("log_normalizer", "log_normalizer_e", p, 1),
        ):  # fmt: skip
            value, other = getattr(_core, plain)(first, x), getattr(_core, scaled)(first, x)
            bound = 8 * EPS * (np.maximum(1, np.abs(value)) + x)
            finite = np.isfinite(value) & np.isfinite(other) & np.isfinite(bound)
            assert_everywhere(
                ~finite | (np.abs(value + sign * x - other) <= bound),
                "plain and scaled", ENTRIES[scaled], first, x, other,
            )  # fmt: skip
        # A_p of its inverse, both forms; where the result is subnormal its spacing is all there is.
        for name, forward in (
            ("concentration", "mean_resultant_length"),
            ("concentration_c", "mean_resultant_length_c"),
        ):
            rbar = np.abs(draw(rng, len(p), np.float64))
            rbar = np.where(rbar <= 1, rbar, rng.random(len(p)))
            kappa = getattr(_core, name)(p, rbar)
            back = getattr(_core, forward)(p, kappa)
            bound = 12 * EPS * rbar + 1e-322
            ends = (kappa == 0) | (kappa > 1e300) | (kappa < 1e-300)
            assert_everywhere(
                ends | (np.abs(back - rbar) <= bound), "inverse", ENTRIES[name], p, rbar, kappa
            )
    return n
