"""Every instruction set that this processor can run gives the same values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from vmf import _core, special
from vmf.special._table import TABLE, Entry

Array = npt.NDArray[np.float64]

EPS = 2.0**-52
# Divisions and roots round differently from one instruction set to the next, so that values differ
# by up to the error that each may have: in eps of the value, or of max(1, |value|) for logarithms.
RATIO_LIMIT, DERIVATIVE_LIMIT, LIMIT = 8, 16, 4
BEST, *OTHERS = _core.instruction_sets()


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = _core.get_instruction_set()
    yield
    _core.set_instruction_set(before)


def _points(first: str, second: str, n: int = 20_000) -> tuple[Array, Array]:
    rng = np.random.default_rng(20260101)
    quarter = n // 4
    v = np.concatenate([rng.uniform(0, 30, 2 * quarter), 10 ** rng.uniform(-6, 12, 2 * quarter)])
    x = np.concatenate(
        [rng.uniform(0, 50, quarter), 10 ** rng.uniform(-3, 5, 2 * quarter),
         10 ** rng.uniform(-300, 300, quarter)]
    )  # fmt: skip
    if "rbar" in second:
        x = rng.uniform(0, 1, v.size)
    return (v if first == "v" else 2 * v + 2), x


def test_the_best_one_is_the_default_and_a_portable_one_is_last() -> None:
    assert _core.get_instruction_set() == BEST
    assert [BEST, *OTHERS][-1] == "portable"
    assert len({BEST, *OTHERS}) == 1 + len(OTHERS)


def test_choosing_one() -> None:
    for name in (*OTHERS, BEST):
        _core.set_instruction_set(name)
        assert _core.get_instruction_set() == name
    with pytest.raises(ValueError, match="no instruction set named sse9"):
        _core.set_instruction_set("sse9")
    assert _core.get_instruction_set() == BEST


def _bound(entry: Entry, value: Array) -> Array:
    if "Relative error" in entry.details and "dkappa" not in entry.name:
        return RATIO_LIMIT * EPS * np.abs(value)
    slope = entry.name.endswith(("_dx", "_dv", "_dkappa"))
    return (DERIVATIVE_LIMIT if slope else LIMIT) * EPS * np.maximum(1.0, np.abs(value))


@pytest.mark.skipif(not OTHERS, reason="the portable instruction set is the only one here")
@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_values_agree(entry: Entry) -> None:
    function = getattr(special, entry.name)
    a, x = _points(entry.first, entry.second)
    _core.set_instruction_set(BEST)
    best = function(a, x)
    assert not np.isnan(best).any()
    for other in OTHERS:
        _core.set_instruction_set(other)
        value = function(a, x)
        differs = value != best  # infinities are the same or wrong
        excess = np.abs(value[differs] - best[differs]) / _bound(entry, best[differs])
        worst = np.flatnonzero(differs)[np.argsort(excess)[-3:]]
        assert (excess <= 1).all(), (other, [(a[i], x[i], best[i], value[i]) for i in worst])


@pytest.mark.skipif(not OTHERS, reason="the portable instruction set is the only one here")
def test_error_states_agree() -> None:
    for name in (BEST, *OTHERS):
        _core.set_instruction_set(name)
        with np.errstate(all="raise"):
            special.log_kv(np.full(100, 3.0), np.full(100, 1e-300))
            with pytest.raises(FloatingPointError):
                special.log_kv(np.full(100, 3.0), np.full(100, -1.0))
