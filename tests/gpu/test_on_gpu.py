"""On a GPU: values, streams, devices. Without one, skipped: the other tests run the same code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vmf import SufficientStatistics, VonMisesFisher, special
from vmf.arrays.gpu import require_cupy
from vmf.errors import GPUUnavailableError
from vmf.special._table import NAMES

try:
    cupy: Any = require_cupy()
except GPUUnavailableError as error:
    pytest.skip(str(error), allow_module_level=True)


def _points(name: str, n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(9)
    a = rng.uniform(2, 300, n)
    return a, rng.uniform(0, 1, n) if name.startswith("concentration") else rng.uniform(
        0.01, 400, n
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_values(name: str, dtype: Any) -> None:
    a, x = (values.astype(dtype) for values in _points(name, 10_001))
    function = getattr(special, name)
    tolerance = 4 * 2.0**-23 if dtype == np.float32 else 32 * 2.0**-52
    reversed_on_device = cupy.asarray(a)[::-1]
    for first, given in (
        (a, cupy.asarray(a)),  # paired
        (a[0], float(a[0])),  # one order
        (a[::-1], reversed_on_device),  # strided
    ):
        found = cupy.asnumpy(function(given, cupy.asarray(x)))
        assert found.dtype == dtype
        exact = function(np.asarray(first, np.float64), x.astype(np.float64))
        error = np.abs(found.astype(np.float64) - exact) / np.maximum(1.0, np.abs(exact))
        assert error.max() <= tolerance


def test_current_stream() -> None:
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        x = cupy.linspace(1, 100, 1_000_000)
        result = special.log_iv(5.0, x)
    stream.synchronize()
    np.testing.assert_allclose(
        cupy.asnumpy(result), special.log_iv(5.0, cupy.asnumpy(x)), rtol=1e-14
    )


def test_every_device() -> None:
    for number in range(cupy.cuda.runtime.getDeviceCount()):
        with cupy.cuda.Device(number):
            x = cupy.linspace(1, 100, 1000)
        result = special.log_iv(5.0, x)  # the arrays' device, not the current one
        assert result.device.id == number
        np.testing.assert_allclose(
            cupy.asnumpy(result), special.log_iv(5.0, cupy.asnumpy(x)), rtol=1e-14
        )


@pytest.mark.parametrize("dim", [3, 512, 2048, 9000])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_fit(dim: int, dtype: Any) -> None:
    rows = VonMisesFisher(np.eye(dim)[0], 2.0 * dim).sample(3000, rng=2).astype(dtype)
    on_device, on_host = VonMisesFisher.fit(cupy.asarray(rows)), VonMisesFisher.fit(rows)
    np.testing.assert_allclose(on_device.concentration, on_host.concentration, rtol=1e-10)
    np.testing.assert_allclose(on_device.mean_direction, on_host.mean_direction, atol=1e-13)
    again = SufficientStatistics.from_rows(cupy.asarray(rows))
    np.testing.assert_array_equal(again.resultant, on_device.fit_.statistics.resultant)
