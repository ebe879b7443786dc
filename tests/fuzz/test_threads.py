"""The extension gives up the GIL, gives the same bits from many threads, and outlives fork and spawn."""

from __future__ import annotations

import multiprocessing
import sys
import threading

import numpy as np
import pytest

from vmf import _core, _random

from . import threads


@pytest.fixture(autouse=True)
def restored():
    before = _core.get_num_threads()
    yield
    _core.set_num_threads(before)


def _long_calls():
    rng = np.random.default_rng(0)
    a, x = rng.uniform(0, 30, (2, 400_000))
    rows = rng.standard_normal((20_000, 64))
    noise = np.empty((100_000, 32))
    total, low, norms = np.zeros(64), np.zeros(64), np.zeros(len(rows))
    return {
        "ufunc": lambda: _core.log_kv_dv(a, x),
        "row_sums": lambda: _core.row_sums(rows, None, total, low, norms),
        "fill_normals": lambda: _random.fill_normals(noise, 1),
    }


def _runs_during(call):
    """Whether another thread runs within one of a few calls, the only moments at which it can.

    The interpreter asks the thread that holds the GIL to hand it over once in a switch interval, here
    days. Until then another thread gets it only where the holder gives it up by itself: to release a
    lock, to read a list and to count do not.
    """
    go, ran = threading.Lock(), []
    go.acquire()

    def wait() -> None:
        with go:
            ran.append(True)

    other = threading.Thread(target=wait, daemon=True)
    other.start()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e5)
    try:
        go.release()
        for _ in range(200):
            too_early = bool(ran)
            call()
            if ran:
                break
        found = bool(ran) and not too_early
    finally:
        sys.setswitchinterval(before)
        other.join()
    return found


@pytest.mark.parametrize("name", ["ufunc", "row_sums", "fill_normals"])
def test_the_gil_is_given_up_during_a_call(name):
    _core.set_num_threads(1)
    assert _runs_during(_long_calls()[name])


def test_the_gil_is_kept_without_such_a_call():
    """That the test above can fail."""
    assert not _runs_during(lambda: sum(range(1000)))


def test_many_threads_get_the_bits_of_one():
    given = threads.inputs(1)
    _core.set_num_threads(1)
    expected = threads.everything(given)
    _core.set_num_threads(3)
    for found in threads.from_many_threads(given, 6):
        assert found == expected


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_after_threads_were_used(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    given = threads.inputs(2)
    _core.set_num_threads(3)
    (expected,) = threads.from_many_threads(given, 1)
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        for found in pool.map(threads.bits_in_another_process, [given] * 2):
            assert found == expected
    assert threads.everything(given) == expected
