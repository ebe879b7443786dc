"""float16 as float32: every number there is."""

from __future__ import annotations

import numpy as np
import pytest

from vmf import _core
from vmf.arrays.rows import widened
from vmf.estimation import SufficientStatistics

EVERY = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


@pytest.mark.parametrize("count", [1 << 16, 1, 7, 33, 65_535])
def test_every_number_is_exact(count):
    for halves in (EVERY[:count], EVERY[-count:]):
        expected = halves.astype(np.float32)
        found = widened(halves)
        number = ~np.isnan(expected)
        assert (np.isnan(found) == ~number).all()
        assert (found.view(np.uint32) == expected.view(np.uint32))[number].all()


def test_any_layout():
    square = EVERY.reshape(256, 256)[:, 40:100]
    for halves in (square, square[::-2], square.T, np.asfortranarray(square)):
        np.testing.assert_array_equal(widened(halves), halves.astype(np.float32))


def test_statistics_are_those_of_the_same_numbers_in_float32():
    rows = np.random.default_rng(0).standard_normal((300, 90)).astype(np.float16)
    rows[5, :3] = [6e-8, -5.96e-8, 65504]
    found = SufficientStatistics.from_rows(rows)
    expected = SufficientStatistics.from_rows(rows.astype(np.float32))
    assert found.resultant.tobytes() == expected.resultant.tobytes()
    assert found.dispersion == expected.dispersion


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match="the same size"):
        _core.widen_half(np.zeros(3, np.uint16), np.zeros(2, np.float32))
