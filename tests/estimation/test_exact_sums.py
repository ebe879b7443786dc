"""The same bits from any chunk, file and merge order."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vmf
from vmf.arrays.rows import row_sums
from vmf.estimation import SufficientStatistics, fit, statistics_by_class

DTYPES = (np.float16, np.float32, np.float64)


def awkward_rows(rng: np.random.Generator, n: int, dim: int, dtype: type, kind: str) -> np.ndarray:
    """Rows whose sum in float64 depends on the order of the additions."""
    rows = rng.standard_normal((n, dim))
    if kind == "cancelling":  # all but a few rows meet their opposite
        half = n // 2
        rows[half : 2 * half] = -rows[:half]
        rows[0] += 1e-3
    elif kind == "wide":  # coordinates of very different sizes
        rows *= 10.0 ** rng.integers(-12, 3, (n, dim))
    elif kind == "axes":
        rows = np.eye(dim)[rng.integers(0, dim, n)] * rng.choice([-1.0, 1.0], (n, 1))
        rows += 1e-3 * rng.standard_normal((n, dim))
    elif kind == "concentrated":
        rows = rows * 0.05 + np.eye(dim)[0]
    if dtype is np.float64 and kind != "concentrated":  # squares of some overflow or underflow
        rows *= 10.0 ** rng.choice([-200.0, -150.0, 0.0, 0.0, 0.0, 160.0, 250.0], (n, 1))
    if dtype is np.float16:
        rows /= np.abs(rows).max(axis=1, keepdims=True)
    return rows.astype(dtype)


def bits(statistics: SufficientStatistics) -> tuple[bytes | float | int, ...]:
    """All that a fit can see of statistics, comparable bit for bit."""
    return (
        statistics.count,
        statistics.weight,
        statistics.weight2,
        statistics.normalised,
        statistics.dispersion,
        statistics.mean_resultant_length,
        statistics.one_minus_mean_resultant_length,
        (statistics.resultant + 0.0).tobytes(),
        (statistics.resultant_lo + 0.0).tobytes(),
        # Rows that cancel exactly have none.
        statistics.mean_direction.tobytes() if statistics.mean_resultant_length else b"",
        fit(statistics).concentration if statistics.mean_resultant_length else 0.0,
    )


def in_parts(
    rows: np.ndarray, borders: list[int], rng: np.random.Generator
) -> SufficientStatistics:
    """The parts between the borders, added in a random tree."""
    edges = [0, *sorted(b % (len(rows) + 1) for b in borders), len(rows)]
    parts = [SufficientStatistics.from_rows(rows[a:b]) for a, b in pairwise(edges)]
    while len(parts) > 1:
        first = parts.pop(int(rng.integers(len(parts))))
        other = int(rng.integers(len(parts)))
        parts[other] = parts[other] + first
    return parts[0]


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(20, 400),
    dim=st.sampled_from([2, 3, 17, 64, 300]),
    dtype=st.sampled_from(DTYPES),
    kind=st.sampled_from(["plain", "cancelling", "wide", "axes", "concentrated"]),
    borders=st.lists(st.integers(0, 400), max_size=12),
)
def test_any_cut_and_any_order_give_the_same_bits(seed, n, dim, dtype, kind, borders):
    rng = np.random.default_rng(seed)
    rows = awkward_rows(rng, n, dim, dtype, kind)
    whole = bits(SufficientStatistics.from_rows(rows))
    assert bits(in_parts(rows, borders, rng)) == whole
    shuffled = rng.permutation(n)
    assert bits(in_parts(rows[shuffled], borders, rng)) == whole


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["plain", "cancelling", "wide", "axes"])
def test_the_sum_is_the_exact_one_of_rounded_unit_rows(kind, dtype):
    rng = np.random.default_rng(7)
    rows = awkward_rows(rng, 3000, 3, dtype, kind)
    scale = np.abs(rows.astype(np.float64)).max(axis=1, keepdims=True)
    rows = (rows.astype(np.float64) / scale).astype(dtype)
    sums = row_sums(rows, None)
    hi, lo = sums.resultant, sums.resultant_lo
    for j in range(3):
        inverse = 2.0**62 / np.sqrt(sums.squared_norms)
        exact = sum(int(v) for v in np.rint(rows[:, j].astype(np.float64) * inverse).tolist())
        assert Fraction(hi[j]) + Fraction(lo[j]) == Fraction(exact, 2**62)
        assert hi[j] == float(Fraction(exact, 2**62))


def test_sums_far_beyond_one_keep_their_last_digits():
    rows = np.tile(np.array([[1.0, 1e-9], [1.0, -2e-9]]), (40_000, 1))
    statistics = SufficientStatistics.from_rows(rows)
    assert statistics.resultant[0] == pytest.approx(80_000, rel=1e-15)
    assert statistics.resultant[1] == pytest.approx(-4e-5, rel=1e-9)
    negative = SufficientStatistics.from_rows(-rows)
    np.testing.assert_array_equal(negative.resultant, -statistics.resultant)


def test_the_difference_of_the_weight_and_the_resultant_keeps_its_digits():
    rows = vmf.VonMisesFisher(np.eye(3)[0], 3000.0).sample(2000, 1)  # 1 - R = 3.3e-4
    statistics = SufficientStatistics.from_rows(rows)
    total = [math.fsum(column) for column in rows.T]
    about = np.array(total) / math.hypot(*total)
    from_rows = math.fsum((0.5 * ((rows - about) ** 2).sum(axis=1)).tolist())
    assert statistics.dispersion == pytest.approx(from_rows, rel=1e-12, abs=0.0)


def test_classes_have_the_same_bits_from_any_chunks():
    rng = np.random.default_rng(3)
    rows = (rng.standard_normal((5000, 24)) + 0.5).astype(np.float32)
    labels = rng.integers(0, 7, 5000)
    whole = statistics_by_class(rows, labels)
    for step in (1, 37, 1024):
        found = None
        for start in range(0, 5000, step):
            part = slice(start, start + step)
            found = statistics_by_class(rows[part], labels[part], initial=found)
        assert {k: bits(v) for k, v in found.items()} == {k: bits(v) for k, v in whole.items()}


def test_a_column_order_and_a_strided_view_change_nothing():
    rows = np.random.default_rng(4).standard_normal((501, 40)) + 0.2
    whole = bits(SufficientStatistics.from_rows(rows))
    assert bits(SufficientStatistics.from_rows(np.asfortranarray(rows))) == whole
    assert bits(SufficientStatistics.from_rows(np.repeat(rows, 2, axis=0)[::2])) == whole
