"""The loops over arrays: no value depends on its neighbours, its place, the strides or the output's memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from vmf import _core, special

NAMES = [name for name in special.__all__ if isinstance(getattr(_core, name, None), np.ufunc)]


@pytest.fixture(params=_core.instruction_sets())
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _core.get_instruction_set()
    _core.set_instruction_set(request.param)
    yield request.param
    _core.set_instruction_set(before)


def mixed(name: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of every region side by side, runs of one region, limits and points outside the domain."""
    rng = np.random.default_rng(seed)
    a = np.where(rng.random(n) < 0.5, rng.uniform(0, 30, n), 10 ** rng.uniform(-3, 5, n))
    x = np.where(rng.random(n) < 0.5, rng.uniform(0, 60, n), 10 ** rng.uniform(-12, 5, n))
    run = np.arange(n) // 200 % 3 == 0
    a[run], x[run] = 3000 + a[run] / 100, 2000 + x[run] / 100
    # Along the zeros of log I and log K.
    ridge = rng.random(n) < 0.1
    x[ridge] = a[ridge] * 0.6627434 * (1 + rng.uniform(-0.02, 0.02, n)[ridge])
    odd = rng.random(n) < 0.02
    x[odd] = rng.choice([0.0, np.inf, np.nan, -1.0, 5e-324, 1e300], odd.sum())
    if "dim" in name or name in ("log_normalizer", "entropy") or name.startswith("mean_resultant"):
        a = a + 2
    if name.startswith("concentration"):
        a, x = a + 2, np.where(odd, x, rng.uniform(0, 1, n))
    return a, x


@pytest.mark.parametrize("name", NAMES)
def test_a_value_does_not_depend_on_its_neighbours(name: str, instruction_set: str) -> None:
    f = getattr(_core, name)
    a, x = mixed(name, 1500, seed=1)
    with np.errstate(invalid="ignore"):
        alone = np.array([f(*pair) for pair in zip(a, x, strict=True)])
        np.testing.assert_array_equal(f(a, x), alone)
        order = np.random.default_rng(2).permutation(len(a))
        np.testing.assert_array_equal(f(a[order], x[order]), alone[order])
        for first, last in ((1, 18), (3, 70), (5, 1029), (7, 8)):
            np.testing.assert_array_equal(f(a[first:last], x[first:last]), alone[first:last])


@pytest.mark.parametrize("name", ["log_iv", "log_kv", "log_kve", "iv_ratio", "log_normalizer"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_strides_scalars_and_outputs(name: str, dtype: type, instruction_set: str) -> None:
    f = getattr(_core, name)
    with np.errstate(all="ignore"):
        a, x = (values.astype(dtype) for values in mixed(name, 3001, seed=3))
        plain = f(a, x)
        assert plain.dtype == dtype
        wide_a, wide_x = np.repeat(a, 3), np.repeat(x, 2)
        np.testing.assert_array_equal(f(wide_a[::3], wide_x[::2]), plain)
        np.testing.assert_array_equal(f(a[::-1], x[::-1])[::-1], plain)
        np.testing.assert_array_equal(f(a[7], x), f(np.full_like(x, a[7]), x))
        np.testing.assert_array_equal(f(a, x[7]), f(a, np.full_like(a, x[7])))
        spread = np.full(2 * len(a), dtype(-7))
        f(a, x, out=spread[::2])
        np.testing.assert_array_equal(spread[::2], plain)
        assert (spread[1::2] == -7).all()
        over_x, over_a = x.copy(), a.copy()
        assert f(a, over_x, out=over_x) is over_x
        np.testing.assert_array_equal(over_x, plain)
        f(over_a, x, out=over_a)
        np.testing.assert_array_equal(over_a, plain)
        guarded = np.full(len(a) + 32, dtype(-7))
        f(a, x, out=guarded[16:-16])
        np.testing.assert_array_equal(guarded[16:-16], plain)
        assert (guarded[:16] == -7).all()
        assert (guarded[-16:] == -7).all()


@pytest.mark.parametrize("name", ["log_iv", "log_kv"])
@pytest.mark.parametrize("most", [45, 90, 250, 900, 3000])
def test_whole_blocks_of_debye_sums(name: str, most: float, instruction_set: str) -> None:
    # From w = most on up, half of them where the value is next to 0; some smaller and some outside the domain.
    f = getattr(_core, name)
    rng = np.random.default_rng()
    n = 5000
    w = most * 10 ** rng.exponential(0.5, n)
    w[rng.random(n) < 0.01] *= 0.1
    angle = np.where(
        rng.random(n) < 0.5,
        rng.uniform(0, np.pi / 2, n),
        np.arctan(0.66274) + rng.normal(0, 0.01, n),
    )
    a, x = w * np.cos(angle), w * np.sin(angle)
    x[rng.integers(0, n, 5)] = [0.0, np.inf, np.nan, -1.0, 5e-324]
    with np.errstate(invalid="ignore"):
        alone = np.array([f(*pair) for pair in zip(a, x, strict=True)])
        np.testing.assert_array_equal(f(a, x), alone)
        np.testing.assert_array_equal(f(np.repeat(a, 2)[::2], x), alone)
        over = x.copy()
        f(a, over, out=over)
        np.testing.assert_array_equal(over, alone)
        single_a, single_x = a.astype(np.float32), x.astype(np.float32)
        expected = f(single_a.astype(float), single_x.astype(float)).astype(np.float32)
        np.testing.assert_array_equal(f(single_a, single_x), expected)


def test_threads_change_no_bit() -> None:
    a, x = mixed("log_kv", 100_003, seed=4)
    before = _core.get_num_threads()
    results = []
    for threads in (1, 2, 5):
        _core.set_num_threads(threads)
        with np.errstate(invalid="ignore"):
            results.append(_core.log_kv(a, x))
    _core.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
