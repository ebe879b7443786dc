from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.libraries import optional
from vmf.errors import BadRowError
from vmf.estimation import SufficientStatistics, statistics_by_class

mpmath = optional("mpmath")


def random_rows(n: int, dim: int, seed: int = 0, pull: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, dim))
    rows[:, 0] += pull
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def nearly_equal_rows(n: int, dim: int, spread: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    center = rng.normal(size=dim)
    rows = center / np.linalg.norm(center) + spread * rng.normal(size=(n, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def exact_one_minus_r(rows: np.ndarray, weights: np.ndarray | None = None) -> float:
    """1 - R of the directions of `rows` as stored, in 80 digits."""
    with mpmath.workdps(80):
        w = [mpmath.mpf(1)] * len(rows) if weights is None else [mpmath.mpf(v) for v in weights]
        total = [mpmath.mpf(0)] * rows.shape[1]
        for weight, row in zip(w, rows.tolist(), strict=True):
            x = [mpmath.mpf(v) for v in row]
            norm = mpmath.sqrt(mpmath.fsum(v * v for v in x))
            total = [t + weight * v / norm for t, v in zip(total, x, strict=True)]
        length = mpmath.sqrt(mpmath.fsum(t * t for t in total))
        return float(1 - length / mpmath.fsum(w))


def test_sums_unit_rows() -> None:
    rows = random_rows(300, 7, pull=1.0)
    stats = SufficientStatistics.from_rows(rows)
    total = [math.fsum(column) for column in rows.T]
    np.testing.assert_allclose(stats.resultant + stats.resultant_lo, total, rtol=1e-13)
    assert (stats.count, stats.weight, stats.weight2) == (300, 300, 300)
    assert (stats.normalised, stats.skipped, stats.dimension) == (0, 0, 7)
    assert stats.effective_count == 300
    r = math.hypot(*total) / 300
    assert stats.mean_resultant_length == pytest.approx(r, rel=1e-14, abs=0.0)
    assert stats.one_minus_mean_resultant_length == pytest.approx(1 - r, rel=1e-14, abs=0.0)
    np.testing.assert_allclose(stats.mean_direction, np.array(total) / math.hypot(*total))


def test_weights_repeat_rows() -> None:
    rows = random_rows(40, 5, pull=0.5)
    weights = np.arange(40.0) % 4
    weighted = SufficientStatistics.from_rows(rows, weights=weights)
    repeated = SufficientStatistics.from_rows(np.repeat(rows, weights.astype(int), axis=0))
    np.testing.assert_allclose(weighted.resultant, repeated.resultant, rtol=1e-13)
    assert weighted.weight == repeated.weight
    assert weighted.weight2 == np.sum(weights**2)
    assert weighted.effective_count == pytest.approx(
        weights.sum() ** 2 / np.sum(weights**2), rel=1e-9, abs=0.0
    )


@pytest.mark.parametrize("chunk", [1, 7, 1000, 4096])
def test_chunk_size_hardly_matters(chunk: int) -> None:
    rows = random_rows(4096, 6, seed=3)
    stats = SufficientStatistics.empty(6)
    for start in range(0, len(rows), chunk):
        stats = stats.update(rows[start : start + chunk])
    with mpmath.workdps(50):
        exact = np.zeros(6)
        for j in range(6):
            exact[j] = float(
                mpmath.fsum(
                    mpmath.mpf(x[j]) / mpmath.sqrt(mpmath.fsum(mpmath.mpf(v) ** 2 for v in x))
                    for x in rows.tolist()
                )
            )
    # Each row is rounded when it is normalised; nothing may be lost beyond that.
    assert np.abs(stats.resultant + stats.resultant_lo - exact).max() < 2e-13
    assert stats.count == 4096


def test_rounding_errors_are_carried() -> None:
    # A sum that float64 alone loses, within one call (in different blocks) and across calls.
    weights = np.zeros(600_000)
    weights[[0, 200_000]] = 2.0**53, 1.0
    stats = SufficientStatistics.from_rows(np.tile([1.0, 0.0], (600_000, 1)), weights=weights)
    assert stats.resultant[0] == 2.0**53
    assert stats.resultant_lo[0] == 1.0
    again = stats
    for _ in range(10):
        again = again.update([[1.0, 0.0]], [0.25])
    opposite = SufficientStatistics.from_rows([[-1.0, 0.0]], weights=[2.0**53])
    back = again + opposite
    assert back.resultant[0] + back.resultant_lo[0] == 3.5
    back = opposite + stats
    assert back.resultant[0] + back.resultant_lo[0] == 1.0


@settings(max_examples=30, deadline=None)
@given(
    order=st.permutations(list(range(6))),
    exponent=st.floats(-9.0, 0.5),
    seed=st.integers(0, 10_000),
)
def test_merging_in_any_order_gives_the_same(order: list[int], exponent: float, seed: int) -> None:
    rows = nearly_equal_rows(60, 4, 10.0**exponent, seed)
    parts = [SufficientStatistics.from_rows(part) for part in np.split(rows, 6)]
    whole = SufficientStatistics.from_rows(rows)
    merged = SufficientStatistics.empty(4)
    for index in order:
        merged = merged + parts[index]
    np.testing.assert_allclose(merged.mean_direction, whole.mean_direction, atol=1e-14)
    assert merged.one_minus_mean_resultant_length == pytest.approx(
        whole.one_minus_mean_resultant_length, rel=1e-6, abs=0.0
    )


@pytest.mark.parametrize("spread", [1e-2, 1e-5, 1e-8, 1e-10])
@pytest.mark.parametrize("weighted", [False, True])
def test_dispersion_of_nearly_equal_rows(spread: float, weighted: bool) -> None:
    rows = nearly_equal_rows(64, 5, spread, seed=int(-math.log10(spread)))
    weights = np.random.default_rng(5).exponential(size=64) if weighted else None
    exact = exact_one_minus_r(rows, weights)
    whole = SufficientStatistics.from_rows(rows, weights=weights)
    # The rows' own rounding, 1e-16, next to their spread.
    tolerance = 1e-14 + 1e-15 / spread
    assert whole.one_minus_mean_resultant_length == pytest.approx(exact, rel=tolerance, abs=0.0)

    chunked = SufficientStatistics.empty(5)
    for start in range(0, 64, 5):
        part = slice(start, start + 5)
        chunked = chunked.update(rows[part], None if weights is None else weights[part])
    assert chunked.one_minus_mean_resultant_length == pytest.approx(exact, rel=tolerance, abs=0.0)


def test_dispersion_survives_rows_of_any_length() -> None:
    rows = nearly_equal_rows(50, 8, 1e-6) * np.random.default_rng(1).lognormal(size=(50, 1))
    stats = SufficientStatistics.from_rows(rows)
    exact = exact_one_minus_r(rows)
    assert exact < 1e-10
    assert stats.one_minus_mean_resultant_length == pytest.approx(exact, rel=1e-8, abs=0.0)


def test_dispersion_in_float32() -> None:
    rows = nearly_equal_rows(50, 8, 1e-4).astype(np.float32)
    stats = SufficientStatistics.from_rows(rows)
    exact = exact_one_minus_r(rows.astype(np.float64))
    assert stats.one_minus_mean_resultant_length == pytest.approx(exact, rel=1e-10, abs=0.0)


def test_equal_rows_have_no_dispersion() -> None:
    row = random_rows(1, 33)[0]
    rows = np.outer(np.linspace(0.3, 7.0, 500), row)
    stats = SufficientStatistics.from_rows(rows[:250]).update(rows[250:])
    assert stats.one_minus_mean_resultant_length == 0.0
    assert stats.mean_resultant_length == 1.0
    assert stats.normalised == 500


def test_opposite_rows_cancel() -> None:
    stats = SufficientStatistics.from_rows([[0.6, 0.8], [-0.6, -0.8]])
    assert stats.mean_resultant_length == 0.0
    assert stats.one_minus_mean_resultant_length == 1.0
    with pytest.raises(ValueError, match="no mean direction"):
        _ = stats.mean_direction
    halves = SufficientStatistics.from_rows([[0.6, 0.8]]) + SufficientStatistics.from_rows(
        [[-0.6, -0.8]]
    )
    assert halves.one_minus_mean_resultant_length == 1.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint16, ">f4"])
def test_accepts_numeric_types(dtype: str) -> None:
    rows = np.array([[3, 4], [0, 2], [5, 0]]).astype(dtype)
    stats = SufficientStatistics.from_rows(rows)
    np.testing.assert_allclose(stats.resultant, [1.6, 1.8], rtol=1e-15)
    assert stats.normalised == 3


def test_accepts_any_memory_order() -> None:
    rows = random_rows(30, 9)
    expected = SufficientStatistics.from_rows(rows).resultant
    np.testing.assert_allclose(
        SufficientStatistics.from_rows(np.asfortranarray(rows)).resultant, expected, rtol=1e-12
    )
    np.testing.assert_allclose(
        SufficientStatistics.from_rows(rows[::-1]).resultant, expected, rtol=1e-12
    )


def test_counts_rows_off_unit_length() -> None:
    rows = random_rows(10, 50)
    assert SufficientStatistics.from_rows(rows * (1 + 9e-6)).normalised == 0
    assert SufficientStatistics.from_rows(rows * (1 + 2e-5)).normalised == 10
    assert SufficientStatistics.from_rows(rows.astype(np.float16)).normalised == 0
    rows[3] *= 2
    assert SufficientStatistics.from_rows(rows).normalised == 1


@pytest.mark.parametrize("factor", [5e-324, 1e-310, 1e-200, 1e200, 1e308])
def test_extreme_lengths_do_not_overflow(factor: float) -> None:
    directions = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    stats = SufficientStatistics.from_rows(directions * [[factor], [1.0], [1.0]])
    np.testing.assert_array_equal(stats.resultant + stats.resultant_lo, [0.0, 1.0])
    assert stats.normalised == 1


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_bad_values_are_named(value: float, reason: str, dtype: type) -> None:
    rows = random_rows(20, 4).astype(dtype)
    rows[13, 2] = value
    rows[17, 1] = value
    with pytest.raises(BadRowError, match=f"row 113, column 2 .*: the value is {reason}") as info:
        SufficientStatistics.from_rows(rows, first_row=100)
    assert (info.value.row, info.value.column) == (113, 2)
    assert "\n" not in str(info.value)

    stats = SufficientStatistics.from_rows(rows, on_bad_rows="skip", weights=np.arange(20.0))
    kept = np.delete(rows, [13, 17], axis=0)
    expected = SufficientStatistics.from_rows(kept, weights=np.delete(np.arange(20.0), [13, 17]))
    assert (stats.skipped, stats.count, stats.weight) == (2, 18, expected.weight)
    np.testing.assert_array_equal(stats.resultant, expected.resultant)


def test_zero_rows_are_named() -> None:
    rows = random_rows(5, 3)
    rows[2] = 0
    with pytest.raises(BadRowError, match=r"row 2 .*zero") as info:
        SufficientStatistics.from_rows(rows)
    assert info.value.column is None
    copy = pickle.loads(pickle.dumps(info.value))
    assert (copy.row, copy.column, str(copy)) == (2, None, str(info.value))
    assert SufficientStatistics.from_rows(rows, on_bad_rows="skip").skipped == 1


def test_all_rows_skipped_leaves_nothing() -> None:
    stats = SufficientStatistics.from_rows(np.full((4, 3), np.nan), on_bad_rows="skip")
    assert (stats.count, stats.skipped) == (0, 4)
    with pytest.raises(ValueError, match="no rows"):
        _ = stats.mean_resultant_length


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (np.ones(4), ValueError, "1-D"),
        (np.ones((2, 2, 2)), ValueError, "2-D"),
        (np.ones((4, 1)), ValueError, "dimension 2 or more"),
        (np.ones((4, 0)), ValueError, "dimension 2 or more"),
        (np.array([[1, "a"]], dtype=object), TypeError, "object"),
        (np.array([["a", "b"]]), TypeError, "dtype"),
        (np.ones((2, 2), dtype=bool), TypeError, "bool"),
        (np.ones((2, 2), dtype=complex), TypeError, "complex"),
        (np.ma.masked_equal(np.array([[1.0, 2.0]]), 2.0), ValueError, "masked"),
    ],
)
def test_refuses_other_input(rows: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SufficientStatistics.from_rows(rows)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1.0, -1.0, 1.0], ValueError, r"weights\[1\] is -1"),
        ([1.0, 1.0, np.nan], ValueError, r"weights\[2\] is nan"),
        ([1.0, 1.0], ValueError, "one a row"),
        (["a", "b", "c"], TypeError, "numbers"),
    ],
)
def test_refuses_wrong_weights(weights: list[float], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SufficientStatistics.from_rows(random_rows(3, 3), weights=weights)


def test_no_weight_at_all() -> None:
    stats = SufficientStatistics.from_rows(random_rows(3, 3), weights=np.zeros(3))
    with pytest.raises(ValueError, match="all weights are 0"):
        _ = stats.mean_resultant_length


def test_merge_checks_dimension_and_type() -> None:
    stats = SufficientStatistics.empty(3)
    with pytest.raises(ValueError, match="dimension 3 and 4"):
        _ = stats + SufficientStatistics.empty(4)
    with pytest.raises(TypeError):
        _ = stats + 1


def test_objects_do_not_change() -> None:
    stats = SufficientStatistics.from_rows(random_rows(3, 3))
    before = stats.resultant.copy()
    stats.update(random_rows(3, 3, seed=1))
    np.testing.assert_array_equal(stats.resultant, before)
    with pytest.raises(ValueError, match="read-only"):
        stats.resultant[0] = 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": -1.0}, "weight is -1"),
        ({"count": math.nan}, "count is nan"),
        ({"resultant": np.array([9.0, 0.0])}, "more than the sum"),
        ({"resultant": np.array([np.nan, 0.0])}, "not finite"),
        ({"resultant_lo": np.zeros(3)}, "dimension"),
        ({"dispersion": 3.0}, "dispersion"),
        ({"resultant": np.zeros((2, 2))}, "shape"),
    ],
)
def test_constructor_refuses_impossible_values(change: dict, message: str) -> None:
    fields = {
        "count": 2.0,
        "weight": 2.0,
        "weight2": 2.0,
        "resultant": np.array([1.0, 0.0]),
        "resultant_lo": np.zeros(2),
    }
    assert SufficientStatistics(**fields).dispersion == 1.0
    with pytest.raises(ValueError, match=message):
        SufficientStatistics(**(fields | change))


def test_empty_chunk_changes_nothing() -> None:
    stats = SufficientStatistics.from_rows(random_rows(5, 3))
    again = stats.update(np.empty((0, 3)))
    assert again.count == 5
    np.testing.assert_array_equal(again.resultant, stats.resultant)
    assert again.dispersion == stats.dispersion


def test_statistics_by_class_matches_selection() -> None:
    rows = random_rows(90, 4, pull=1.0)
    labels = np.array(["cat", "dog", "ant"])[np.random.default_rng(2).integers(0, 3, 90)]
    weights = np.linspace(0.5, 2.0, 90)
    first = statistics_by_class(rows[:50], labels[:50], weights=weights[:50])
    both = statistics_by_class(rows[50:], labels[50:], weights=weights[50:], initial=first)
    assert list(first) == ["ant", "cat", "dog"]
    assert set(both) == {"ant", "cat", "dog"}
    for label, stats in both.items():
        chosen = labels == label
        expected = SufficientStatistics.from_rows(rows[chosen], weights=weights[chosen])
        assert stats.count == chosen.sum()
        np.testing.assert_allclose(stats.resultant, expected.resultant, rtol=1e-12)
        assert stats.dispersion == pytest.approx(expected.dispersion, rel=1e-12, abs=0.0)
    assert first["cat"].count == (labels[:50] == "cat").sum()


def test_statistics_by_class_names_the_first_bad_row() -> None:
    rows = random_rows(10, 3)
    rows[4, 1] = np.nan
    rows[7, 0] = np.inf
    labels = [1, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    with pytest.raises(BadRowError, match="row 24, column 1"):
        statistics_by_class(rows, labels, first_row=20)
    result = statistics_by_class(rows, labels, on_bad_rows="skip")
    assert {label: s.skipped for label, s in result.items()} == {0: 1, 1: 1}


def test_statistics_by_class_checks_labels() -> None:
    rows = random_rows(3, 3)
    with pytest.raises(ValueError, match="one a row"):
        statistics_by_class(rows, [1, 2])
    with pytest.raises(ValueError, match=r"row 1 .*nan"):
        statistics_by_class(rows, [1.0, np.nan, 2.0])
    with pytest.raises(TypeError, match="mix types"):
        statistics_by_class(rows, np.array([1, "a", None], dtype=object))
    assert statistics_by_class(rows[:0], []) == {}
    with pytest.raises(ValueError, match="on_bad_rows"):
        statistics_by_class(rows, [1, 2, 3], on_bad_rows="ignore")
