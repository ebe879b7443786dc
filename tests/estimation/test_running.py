"""Statistics of rows that come chunk after chunk are those of all rows at once."""

from __future__ import annotations

import numpy as np
import pytest

from vmf import VonMisesFisher, special
from vmf.errors import BadRowError
from vmf.estimation import SufficientStatistics
from vmf.estimation import statistics as module
from vmf.estimation.running import RunningStatistics

DIM = 30
SPREAD = (np.random.default_rng(0).standard_normal((4000, DIM)) + 0.3).astype(np.float32)
NARROW = VonMisesFisher(np.eye(DIM)[3], 1e9).sample(2000, 1)


def numbers(statistics):
    vectors = statistics.resultant.tobytes(), statistics.resultant_lo.tobytes()
    return (*vectors, statistics.count, statistics.weight, statistics.dispersion,
            statistics.normalised, statistics.skipped)  # fmt: skip


def added(rows, sizes, **how):
    running = RunningStatistics(SufficientStatistics.empty(rows.shape[1]))
    first = 0
    for size in sizes:
        running = running.update(rows[first : first + size], first_row=first, **how)
        first += size
    assert first >= len(rows)
    return running.statistics


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("sizes", [[4000], [1] * 4000, [7] * 572, [3000, 1000], [0, 1999, 2001]])
def test_any_chunks_give_the_bits_of_all_rows(sizes, dtype, threads):
    before = special.get_num_threads()
    special.set_num_threads(threads)
    try:
        rows = SPREAD.astype(dtype)
        assert numbers(added(rows, sizes)) == numbers(SufficientStatistics.from_rows(rows))
    finally:
        special.set_num_threads(before)


def test_many_rows_on_many_threads_have_the_bits_of_one():
    rows = np.tile(SPREAD, (20, 3))  # large enough to be shared out
    found = set()
    before = special.get_num_threads()
    for threads in (1, 2, 5):
        special.set_num_threads(threads)
        found.add(numbers(added(rows, [len(rows)])))
    special.set_num_threads(before)
    assert len(found) == 1


@pytest.mark.parametrize("sizes", [[500] * 4, [2] * 1000, [1999, 1]])
def test_concentrated_rows_keep_their_dispersion(sizes):
    expected = SufficientStatistics.from_rows(NARROW)
    found = added(NARROW, sizes)
    assert found.dispersion == pytest.approx(expected.dispersion, rel=1e-12)
    assert found.one_minus_mean_resultant_length == pytest.approx(
        special.mean_resultant_length_c(DIM, 1e9), rel=0.05
    )


def test_spread_and_concentrated_chunks_in_turn():
    rows = np.concatenate([SPREAD[:1000], NARROW[:500], SPREAD[1000:2000], NARROW[500:]])
    expected = SufficientStatistics.from_rows(rows)
    assert numbers(added(rows, [1000, 500, 1000, 1500])) == numbers(expected)


def test_chunks_that_are_just_spread_enough():
    """1 - R about the border below which the sum alone does not do, on both sides of it."""
    for kappa in np.geomspace(1e3, 1e5, 9) * DIM:
        rows = VonMisesFisher(np.eye(DIM)[0], kappa).sample(3000, 2)
        expected = SufficientStatistics.from_rows(rows)
        assert added(rows, [1000] * 3).dispersion == pytest.approx(expected.dispersion, rel=1e-9)


def test_bad_rows_are_named_or_skipped():
    rows = SPREAD.astype(np.float64)
    rows[5], rows[1203] = np.nan, 0.0
    rows[7] *= 1e-200  # its square underflows, its direction is fine
    with pytest.raises(BadRowError, match="nan") as caught:
        added(rows, [500] * 8)
    assert caught.value.row == 5
    found = added(rows, [500] * 8, on_bad_rows="skip")
    assert numbers(found) == numbers(SufficientStatistics.from_rows(rows, on_bad_rows="skip"))
    assert found.skipped == 2


def test_what_was_returned_does_not_change():
    first = RunningStatistics(SufficientStatistics.empty(DIM)).update(SPREAD[:100])
    before = numbers(first.statistics)
    first.update(SPREAD[100:])
    assert numbers(first.statistics) == before
    again = RunningStatistics(SufficientStatistics.empty(DIM)).update(SPREAD[:100])
    again.update(SPREAD[100:])  # before the statistics were asked for
    assert numbers(again.statistics) == before


def test_the_sums_are_finished_once(monkeypatch):
    calls = []
    exact = module._exact_dispersion
    monkeypatch.setattr(module, "_exact_dispersion", lambda *a: calls.append(1) or exact(*a))
    found = added(SPREAD, [100] * 40)
    merged = SufficientStatistics.from_rows(SPREAD[:9]) + SufficientStatistics.from_rows(SPREAD[9:])
    assert calls == []
    assert found.dispersion == merged.dispersion
    assert found.dispersion == found.dispersion
    assert len(calls) == 2
