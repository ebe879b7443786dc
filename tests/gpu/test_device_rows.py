"""Statistics, fits and densities of rows on the device, with the real kernels compiled for the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vmf import SufficientStatistics, VonMisesFisher
from vmf.errors import BadRowError
from vmf.estimation import statistics_by_class
from vmf.estimation.gathering_cupy import dispersion_of_each, row_sums

RNG = np.random.default_rng(3)


def _rows(n: int, dim: int, dtype: Any = np.float32) -> Any:
    return (RNG.normal(size=(n, dim)) + 0.5).astype(dtype)


def _assert_same(a: SufficientStatistics, b: SufficientStatistics) -> None:
    assert (a.count, a.normalised, a.skipped) == (b.count, b.normalised, b.skipped)
    np.testing.assert_allclose([a.weight, a.weight2], [b.weight, b.weight2], rtol=1e-14)
    scale = max(a.weight, 1.0)
    np.testing.assert_allclose(
        a.resultant + a.resultant_lo, b.resultant + b.resultant_lo, atol=1e-14 * scale
    )
    np.testing.assert_allclose(a.dispersion, b.dispersion, rtol=1e-12, atol=1e-14 * scale)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("dim", [2, 3, 64, 1030])
def test_statistics_are_those_of_the_host(device: Any, dtype: Any, dim: int) -> None:
    rows = _rows(9, dim, dtype) if dtype != np.int32 else RNG.integers(1, 9, (9, dim), np.int32)
    _assert_same(SufficientStatistics.from_rows(device(rows)), SufficientStatistics.from_rows(rows))


@pytest.mark.parametrize("dim", [1025, 2048, 3500, 4096])
def test_every_number_of_packs(device: Any, dim: int) -> None:
    rows = _rows(5, dim)
    _assert_same(SufficientStatistics.from_rows(device(rows)), SufficientStatistics.from_rows(rows))


def test_rows_longer_than_the_registers(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmf.estimation.gathering_cupy._CACHED_BYTES", 3 * 4100 * 4)
    rows, weights = _rows(8, 4100), RNG.uniform(0, 2, 8)
    _assert_same(
        SufficientStatistics.from_rows(device(rows), weights=device(weights)),
        SufficientStatistics.from_rows(rows, weights=weights),
    )


def test_more_rows_than_blocks(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmf.estimation.gathering_cupy._BLOCKS", 4)
    rows, weights = _rows(37, 30), RNG.uniform(0, 2, 37)
    weights[5] = 0.0
    _assert_same(
        SufficientStatistics.from_rows(device(rows), weights=weights),
        SufficientStatistics.from_rows(rows, weights=weights),
    )


def test_views(device: Any) -> None:
    rows = _rows(12, 40)
    on_device = device(rows)
    for view in (np.s_[::3], np.s_[:, 3:20], np.s_[::-1], np.s_[:, ::2]):
        _assert_same(
            SufficientStatistics.from_rows(on_device[view]),
            SufficientStatistics.from_rows(rows[view]),
        )


def test_concentrated_rows_keep_their_dispersion(device: Any) -> None:
    direction = np.eye(16)[3]
    rows = direction + 1e-7 * RNG.normal(size=(20, 16))
    on_device = SufficientStatistics.from_rows(device(rows))
    on_host = SufficientStatistics.from_rows(rows)
    assert on_host.dispersion < 1e-11
    np.testing.assert_allclose(on_device.dispersion, on_host.dispersion, rtol=1e-8)


def test_the_same_rows_give_the_same_bits(device: Any) -> None:
    rows = device(_rows(33, 50))
    first, second = row_sums(rows, None), row_sums(rows, None)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_bad_rows(device: Any, bad: float, dtype: Any) -> None:
    rows = _rows(10, 6, dtype)
    rows[4] = 0.0
    rows[4, 2] = bad
    with pytest.raises(BadRowError) as on_host:
        SufficientStatistics.from_rows(rows, first_row=100)
    with pytest.raises(BadRowError) as on_device:
        SufficientStatistics.from_rows(device(rows), first_row=100)
    assert str(on_device.value) == str(on_host.value)
    _assert_same(
        SufficientStatistics.from_rows(device(rows), on_bad_rows="skip"),
        SufficientStatistics.from_rows(rows, on_bad_rows="skip"),
    )


def test_rows_whose_squares_overflow_or_underflow(device: Any) -> None:
    rows = _rows(6, 5, np.float64)
    rows[1] *= 1e300
    rows[2] *= 1e-300
    weights = RNG.uniform(0.5, 2, 6)
    for given in (None, weights):
        _assert_same(
            SufficientStatistics.from_rows(device(rows), weights=given),
            SufficientStatistics.from_rows(rows, weights=given),
        )


def test_all_rows_skipped(device: Any) -> None:
    result = SufficientStatistics.from_rows(device(np.zeros((3, 4))), on_bad_rows="skip")
    assert (result.count, result.skipped) == (0.0, 3)


def test_no_rows(device: Any) -> None:
    assert SufficientStatistics.from_rows(device(np.zeros((0, 4)))).count == 0.0


def test_wrong_input_is_told_as_on_the_host(device: Any) -> None:
    for wrong in (np.ones((3, 1)), np.ones((2, 2, 2)), np.ones((2, 2), complex)):
        with pytest.raises((TypeError, ValueError)) as on_host:
            SufficientStatistics.from_rows(wrong)
        with pytest.raises(type(on_host.value)) as on_device:
            SufficientStatistics.from_rows(device(wrong))
        assert str(on_device.value) == str(on_host.value)
    rows = device(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"weights\[1\] is -1\.0"):
        SufficientStatistics.from_rows(rows, weights=[1.0, -1.0, 1.0])
    with pytest.raises(ValueError, match=r"expected \(3,\)"):
        SufficientStatistics.from_rows(rows, weights=[1.0])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("labels_on_device", [False, True])
def test_statistics_by_class(device: Any, weighted: bool, labels_on_device: bool) -> None:
    rows, labels = _rows(40, 6), RNG.integers(0, 3, 40)
    weights = RNG.uniform(0, 2, 40) if weighted else None
    earlier = statistics_by_class(rows[:10], labels[:10] + 1)
    found = statistics_by_class(
        device(rows),
        device(labels) if labels_on_device else labels,
        weights=weights,
        initial=earlier,
    )
    expected = statistics_by_class(rows, labels, weights=weights, initial=earlier)
    assert list(found) == list(expected)
    for label, statistics in expected.items():
        _assert_same(found[label], statistics)


def test_bad_rows_by_class(device: Any) -> None:
    rows, labels = _rows(9, 6), np.array(list("abcabcabc"))
    rows[5, 2], rows[6] = np.nan, 0.0
    with pytest.raises(BadRowError, match="row 105, column 2"):
        statistics_by_class(device(rows), labels, first_row=100)
    found = statistics_by_class(device(rows), labels, on_bad_rows="skip")
    for label, statistics in statistics_by_class(rows, labels, on_bad_rows="skip").items():
        _assert_same(found[label], statistics)
    with pytest.raises(ValueError, match=r"labels have shape \(8,\); expected \(9,\)"):
        statistics_by_class(device(rows), labels[1:])
    with pytest.raises(ValueError, match=r"weights\[0\] is -1"):
        statistics_by_class(device(rows), labels, weights=-np.ones(9))


def test_update_merges_host_and_device(device: Any) -> None:
    rows = _rows(20, 8)
    merged = SufficientStatistics.from_rows(device(rows[:9])).update(rows[9:])
    _assert_same(merged, SufficientStatistics.from_rows(rows))


def test_fit_and_density(device: Any) -> None:
    rows = VonMisesFisher(np.eye(32)[0], 40.0).sample(60, rng=4)
    fitted = VonMisesFisher.fit(device(rows))
    expected = VonMisesFisher.fit(rows)
    assert fitted.concentration == pytest.approx(expected.concentration, rel=1e-12)
    density = fitted.logpdf(device(rows.reshape(4, 15, 32)))
    assert type(density).__module__ == "cupy"
    assert density.shape == (4, 15)
    np.testing.assert_allclose(np.asarray(density).ravel(), expected.logpdf(rows), rtol=1e-11)
    with pytest.raises(ValueError, match=r"row 0 of x .* has norm 2"):
        fitted.logpdf(device(2 * rows))


def test_halves_of_every_kind(device: Any) -> None:
    # Every finite float16, subnormals included, as the first column of a row.
    bits = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = bits[np.isfinite(bits)][::37]
    rows = np.stack([finite, np.ones_like(finite)], axis=1)
    squared_norms, dispersion = dispersion_of_each(device(rows), np.array([1.0, 0.0]))
    wide = rows.astype(np.float64)
    np.testing.assert_allclose(squared_norms, (wide**2).sum(axis=1), rtol=1e-15)
    cosine = wide[:, 0] / np.hypot(wide[:, 0], wide[:, 1])
    np.testing.assert_allclose(dispersion, 1 - cosine, atol=1e-15)
