"""The counter of floating-point operations follows the kernels."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from benchmarks.operations import operations


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_operations_are_counted_in_every_region() -> None:
    order, argument = np.array([0.3, 3.0, 20.0, 5000.0]), np.array([1e-9, 4.0, 30.0, 100.0])
    for name in ("log_iv", "log_kv"):
        each = [operations(name, order[i : i + 1], argument[i : i + 1]) for i in range(4)]
        assert all(n is not None and 20 < n < 2000 for n in each)
        assert each[2] > each[3]  # 20 terms and 4
