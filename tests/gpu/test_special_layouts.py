"""Broadcasting, types and `out` on the device, with the real kernels compiled for the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vmf import special
from vmf.special._cupy import collapse

EPS = {np.dtype(np.float32): 2.0**-23, np.dtype(np.float64): 2.0**-52}
RNG = np.random.default_rng(20261123)


def _check(device: Any, v: Any, x: Any) -> None:
    given = [device(value) if isinstance(value, np.ndarray) else value for value in (v, x)]
    result = special.log_iv(*given)
    expected = special.log_iv(v, x)
    assert type(result).__module__ == "cupy"
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    exact = special.log_iv(np.asarray(v, np.float64), np.asarray(x, np.float64))
    error = np.abs(np.asarray(result, np.float64) - exact) / np.maximum(1.0, np.abs(exact))
    assert error.max(initial=0.0) <= 4 * EPS[expected.dtype]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 1023])
def test_arrays_of_any_length(device: Any, dtype: Any, n: int) -> None:
    v, x = RNG.uniform(0, 60, n).astype(dtype), RNG.uniform(0.01, 90, n).astype(dtype)
    _check(device, v, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["number", "0-d", "one element"])
def test_one_order_and_many_arguments(device: Any, dtype: Any, order: str) -> None:
    x = RNG.uniform(0.01, 90, 517).astype(dtype)
    v = {"number": 7.5, "0-d": np.array(7.5, dtype), "one element": np.array([7.5], dtype)}[order]
    _check(device, v, x)
    _check(device, v, x.reshape(11, 47))


def test_many_orders_and_one_argument(device: Any) -> None:
    _check(device, RNG.uniform(0, 60, 100), 2.5)
    _check(device, RNG.uniform(0, 60, 100), np.array(2.5))


@pytest.mark.parametrize(
    ("shape_v", "shape_x"),
    [
        ((7, 1), (1, 9)),
        ((7, 1), (9,)),
        ((3, 1, 5), (4, 1)),
        ((2, 1, 3, 1), (1, 4, 1, 5)),
        ((2, 1, 3, 1, 2), (1, 4, 1, 5, 1)),
        ((2, 1, 2, 1, 2, 1), (2, 1, 2, 1, 3)),
        ((0, 4), (4,)),
    ],
)
def test_broadcasting(device: Any, shape_v: Any, shape_x: Any) -> None:
    _check(device, RNG.uniform(0, 60, shape_v), RNG.uniform(0.01, 90, shape_x))


@pytest.mark.parametrize("step", [2, 3, -1, -2])
def test_strides(device: Any, step: int) -> None:
    v, x = RNG.uniform(0, 60, (6, 10)), RNG.uniform(0.01, 90, (10, 6))
    expected = special.log_iv(v[:, ::step], x.T[:, ::step])
    result = special.log_iv(device(v)[:, ::step], device(x).T[:, ::step])
    np.testing.assert_allclose(result, expected, rtol=1e-15)


def test_views_that_are_not_aligned(device: Any) -> None:
    x = RNG.uniform(0.01, 90, 100)
    np.testing.assert_allclose(
        special.log_iv(3.0, device(x)[1:]), special.log_iv(3.0, x[1:]), rtol=1e-15
    )


def test_out_of_any_strides_and_in_place(device: Any) -> None:
    v, x = RNG.uniform(0, 60, (6, 10)), RNG.uniform(0.01, 90, (6, 10))
    expected = special.log_iv(v, x)
    out = device(np.zeros((10, 6))).T
    assert special.log_iv(device(v), device(x), out=out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-15)
    same = device(x)
    special.log_iv(device(v), same, out=same)
    np.testing.assert_allclose(same, expected, rtol=1e-15)


def test_out_that_overlaps_an_argument(device: Any) -> None:
    memory = RNG.uniform(0.01, 90, 101)
    expected = special.log_iv(2.0, memory[:-1])
    shared = device(memory)
    special.log_iv(2.0, shared[:-1], out=shared[1:])
    np.testing.assert_allclose(shared[1:], expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float16, np.float32),
        (np.int16, np.float32),
        (np.bool_, np.float32),
        (np.float32, np.float32),
        (np.int32, np.float64),
        (np.int64, np.float64),
        (np.float64, np.float64),
    ],
)
def test_types_are_those_of_numpy(device: Any, dtype: Any, expected: Any) -> None:
    x = np.array([1, 1, 1], dtype)
    assert special.log_iv(x, x).dtype == expected
    assert special.log_iv(device(x), device(x)).dtype == expected
    assert special.log_iv(2, device(x)).dtype == expected
    assert special.log_iv(np.float64(2), device(x)).dtype == np.float64


def test_limits_are_those_of_numpy(device: Any) -> None:
    v, x = (
        a.ravel()
        for a in np.meshgrid([-1, 0, 0.5, 3, np.inf, np.nan], [-1, 0, 5e-324, 1, 1e300, np.inf])
    )
    for name in ("log_iv", "log_normalizer"):
        function = getattr(special, name)
        with np.errstate(invalid="ignore"):
            expected = function(v, x)
        np.testing.assert_allclose(function(device(v), device(x)), expected, rtol=1e-15)


def test_bad_arguments(device: Any) -> None:
    x = device(np.ones(3))
    with pytest.raises(ValueError, match=r"shape mismatch|broadcast"):
        special.log_iv(device(np.ones(4)), x)
    with pytest.raises(TypeError, match=r"convert it with cupy\.asarray"):
        special.log_iv(np.ones(3), x)
    with pytest.raises(TypeError, match="takes float16, float32"):
        special.log_iv(device(np.ones(3, complex)), x)
    with pytest.raises(TypeError, match="out must be a CuPy array of shape"):
        special.log_iv(1.0, x, out=device(np.ones(4)))
    with pytest.raises(TypeError, match="expected float32 or float64"):
        special.log_iv(1.0, x, dtype=int)
    with pytest.raises(ValueError, match=r"devices \[0, 1\]"):
        special.log_iv(device(np.ones(3), 1), x)


def test_collapse() -> None:
    assert collapse((2, 3, 4), [(12, 4, 1), (12, 4, 1)]) == ([24], [[1], [1]])
    assert collapse((2, 3, 4), [(0, 0, 0), (12, 4, 1)]) == ([24], [[0], [1]])
    assert collapse((2, 1, 4), [(4, 9, 1), (1, 9, 0)]) == ([2, 4], [[4, 1], [1, 0]])
    assert collapse((), [(), ()]) == ([1], [[0], [1]])
