"""Broadcasting, types, memory layouts, error states and threads of the special functions."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from vmf import special
from vmf.special._table import TABLE

Array = npt.NDArray[np.float64]

NAMES = [entry.name for entry in TABLE]
OF_ORDER = [entry.name for entry in TABLE if entry.first == "v"]
INVERSES = [entry.name for entry in TABLE if "rbar" in entry.second]


def _points(name: str, n: int, seed: int = 0) -> tuple[Array, Array]:
    """Points of the function's domain in every region, in random order."""
    rng = np.random.default_rng(seed)
    v = rng.choice([rng.uniform(0, 20, n), 10 ** rng.uniform(-3, 7, n)], axis=0)
    x = rng.choice([rng.uniform(0, 40, n), 10 ** rng.uniform(-8, 8, n)], axis=0)
    if name in INVERSES:
        x = rng.uniform(0, 1, n)
    return (v if name in OF_ORDER else 2 * v + 2), x


@pytest.fixture
def threads() -> Iterator[None]:
    before = special.get_num_threads()
    yield
    special.set_num_threads(before)


# Shapes


@pytest.mark.parametrize("name", NAMES)
def test_broadcasting(name: str) -> None:
    function = getattr(special, name)
    a, x = _points(name, 12)
    table = function(a[:, None], x[None, :5])
    assert table.shape == (12, 5)
    assert table.dtype == np.float64
    for i in range(12):
        for j in range(5):
            assert table[i, j] == function(a[i], x[j])
    np.testing.assert_array_equal(function(a[3], x), [function(a[3], one) for one in x])
    np.testing.assert_array_equal(function(a, x[3]), [function(one, x[3]) for one in a])
    np.testing.assert_array_equal(function(a.tolist(), x.tolist()), function(a, x))


def test_scalars_give_scalars_and_empty_arrays_empty_ones() -> None:
    assert isinstance(special.log_iv(2, 3.0), np.float64)
    assert isinstance(special.log_iv(np.float32(2), np.float32(3)), np.float32)
    assert special.log_iv(np.array(2.0), np.array(3.0)).shape == ()
    assert special.log_iv([], []).shape == (0,)
    assert special.log_iv(np.empty((3, 0)), 1.0).shape == (3, 0)
    assert special.log_iv(1.0, np.empty((0, 4), np.float32)).shape == (0, 4)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_that_do_not_broadcast(name: str) -> None:
    with pytest.raises(ValueError, match=r"broadcast.*\(3,\) \(2,\)"):
        getattr(special, name)(np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match="inhomogeneous"):
        getattr(special, name)([[1.0, 2.0], [3.0]], 1.0)


# Types


@pytest.mark.parametrize("wrong", ["1.5", b"1", None, object(), 1j, np.array(["a"]),
                                   np.array([1.0], dtype=object), np.array([1 + 0j]),
                                   np.array(["2020"], dtype="datetime64[Y]"),
                                   np.array([1.0], dtype=np.longdouble)],
                         ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}")  # fmt: skip
@pytest.mark.parametrize("name", ["log_iv", "concentration_c"])
def test_wrong_types(name: str, wrong: object) -> None:
    function = getattr(special, name)
    for arguments in ((wrong, 0.5), (3.0, wrong)):
        with pytest.raises(TypeError):
            function(*arguments)


def test_wrong_numbers_of_arguments() -> None:
    for arguments in ((), (1.0,), (1.0, 2.0, 3.0)):
        with pytest.raises(TypeError, match="positional"):
            special.log_iv(*arguments)
    with pytest.raises(TypeError, match="tolerance"):
        special.log_iv(1.0, 2.0, tolerance=1e-3)


@pytest.mark.parametrize("integer", [np.int32, np.uint32, np.int64, np.uint64])
@pytest.mark.parametrize("name", NAMES)
def test_integers_are_taken_as_float64(name: str, integer: type) -> None:
    first, second = [2, 3, 100, 70000], [0, 1, 1, 0] if name in INVERSES else [1, 5, 1000, 3]
    value = getattr(special, name)(np.array(first, integer), np.array(second, integer))
    assert value.dtype == np.float64
    np.testing.assert_array_equal(value, getattr(special, name)(first, np.array(second, float)))


@pytest.mark.parametrize("name", NAMES)
def test_float32_is_float64_rounded_once(name: str) -> None:
    a, x = (part.astype(np.float32) for part in _points(name, 5000))
    single = getattr(special, name)(a, x)
    double = getattr(special, name)(a.astype(np.float64), x.astype(np.float64))
    assert single.dtype == np.float32
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_array_equal(single, double.astype(np.float32))


def test_mixed_precision_is_float64() -> None:
    a, x = np.float32([3.0, 64.0]), np.float64([0.7, 11.0])
    assert special.log_iv(a, x).dtype == np.float64
    assert special.log_iv(x, a).dtype == np.float64
    assert special.log_iv(np.int64([3, 64]), a).dtype == np.float64
    assert special.log_iv(2, a).dtype == np.float32  # Python's numbers are weak
    assert special.log_iv(2.5, a).dtype == np.float32
    assert special.log_iv(a.astype(np.float64), a, dtype=np.float32, casting="same_kind").dtype == (
        np.float32
    )


# out and where


def test_out() -> None:
    a, x = _points("log_kv", 50)
    expected = special.log_kv(a, x)
    out = np.empty(50)
    assert special.log_kv(a, x, out=out) is out
    np.testing.assert_array_equal(out, expected)
    wider = np.full(100, 7.0)
    special.log_kv(a, x, out=wider[::2])
    np.testing.assert_array_equal(wider[::2], expected)
    assert (wider[1::2] == 7.0).all()
    backwards = np.empty(50)
    special.log_kv(a, x, out=backwards[::-1])
    np.testing.assert_array_equal(backwards[::-1], expected)


@pytest.mark.parametrize("overlap", ["a", "x", "shifted"])
@pytest.mark.parametrize("n", [3000, 100_000])
def test_out_may_be_an_argument(overlap: str, n: int) -> None:
    a, x = _points("log_iv", n)
    expected = special.log_iv(a[1:], x[1:])
    if overlap == "a":
        out = a[1:]
    elif overlap == "x":
        out = x[1:]
    else:
        out = x[:-1]
    special.log_iv(a[1:], x[1:], out=out)
    np.testing.assert_array_equal(out, expected)


def test_bad_out() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        special.log_iv(np.ones(3), 1.0, out=np.empty(4))
    with pytest.raises(TypeError):
        special.log_iv(np.ones(3), 1.0, out=np.empty(3, np.int64))
    with pytest.raises(TypeError):
        special.log_iv(np.ones(3), 1.0, out=[0.0, 0.0, 0.0])
    frozen = np.empty(3)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        special.log_iv(np.ones(3), 1.0, out=frozen)


def test_where() -> None:
    a, x = _points("iv_ratio", 40)
    mask = np.arange(40) % 3 == 0
    out = np.full(40, -5.0)
    special.iv_ratio(a, x, out=out, where=mask)
    np.testing.assert_array_equal(out[mask], special.iv_ratio(a, x)[mask])
    assert (out[~mask] == -5.0).all()
    with np.errstate(invalid="raise"):  # what is masked is not evaluated
        special.iv_ratio(np.array([1.0, -1.0]), 2.0, out=np.zeros(2), where=np.array([True, False]))


# Memory layouts


@pytest.mark.parametrize("name", ["log_iv", "log_kv_dv", "concentration"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "layout", ["strided", "reversed", "fortran", "unaligned", "big-endian", "read-only"]
)
def test_memory_layouts(name: str, dtype: type, layout: str) -> None:
    function = getattr(special, name)
    plain = [part.astype(dtype).reshape(30, 100) for part in _points(name, 3000)]
    laid_out = []
    for part in plain:
        if layout == "strided":
            laid = np.zeros((30, 300), dtype)[:, ::3]
            laid[...] = part
        elif layout == "reversed":
            laid = part[::-1, ::-1].copy()[::-1, ::-1]
        elif layout == "fortran":
            laid = np.asfortranarray(part)
        elif layout == "unaligned":
            laid = np.zeros(part.nbytes + 1, np.uint8)[1:].view(dtype).reshape(part.shape)
            laid[...] = part
            assert not laid.flags.aligned
        elif layout == "big-endian":
            laid = part.astype(np.dtype(dtype).newbyteorder(">"))
        else:
            laid = part.copy()
            laid.flags.writeable = False
        laid_out.append(laid)
    result = function(*laid_out)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, function(*plain))


@pytest.mark.parametrize("name", NAMES)
def test_a_value_does_not_depend_on_its_neighbours(name: str) -> None:
    """Blocks are sorted by region and computed in whole registers."""
    function = getattr(special, name)
    a, x = _points(name, 2500)
    whole = function(a, x)
    order = np.random.default_rng(1).permutation(a.size)
    np.testing.assert_array_equal(function(a[order], x[order]), whole[order])
    for start, stop in ((0, 1), (5, 8), (1000, 1031), (1020, 2049)):
        np.testing.assert_array_equal(function(a[start:stop], x[start:stop]), whole[start:stop])


# Error states


@pytest.mark.parametrize("name", NAMES)
def test_nan_in_is_nan_out_without_a_word(name: str) -> None:
    function = getattr(special, name)
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for arguments in ((np.nan, 0.5), (3.0, np.nan), (np.nan, np.nan), (np.nan, -1.0)):
            assert np.isnan(function(*arguments))
        mixed = function([3.0, np.nan, 3.0, np.nan], [0.5, 0.5, np.nan, np.inf])
    np.testing.assert_array_equal(np.isnan(mixed), [False, True, True, True])


@pytest.mark.parametrize("name", NAMES)
def test_negative_arguments_go_through_the_invalid_error_state(name: str) -> None:
    function = getattr(special, name)
    for bad in ((-1.0, 0.5), (3.0, -0.5), (-np.inf, 0.5), (3.0, -np.inf), (-5e-324, 0.5)):
        for arguments in (bad, ([3.0, bad[0]], [0.5, bad[1]])):
            with np.errstate(invalid="ignore"), warnings.catch_warnings():
                warnings.simplefilter("error")
                values = np.atleast_1d(function(*arguments))
            assert np.isnan(values[-1])
            assert not np.isnan(values[:-1]).any()
            with np.errstate(invalid="warn"), pytest.warns(RuntimeWarning, match="invalid value"):
                function(*arguments)
            with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match=name):
                function(*arguments)


def test_a_dimension_below_two_is_outside_the_domain() -> None:
    for name in NAMES:
        if name not in OF_ORDER:
            with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
                getattr(special, name)(1.99, 0.5)


def test_minus_zero_is_zero() -> None:
    for name in NAMES:
        function = getattr(special, name)
        with np.errstate(all="raise"):
            assert function(3.0, -0.0) == function(3.0, 0.0)
            if name in OF_ORDER:
                assert function(-0.0, 0.5) == function(0.0, 0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_valid_arguments_raise_no_flag(name: str, dtype: type) -> None:
    """Not even where intermediate or final values overflow, underflow or are infinite."""
    tiny = float(np.finfo(dtype).smallest_subnormal)
    huge = 1e37 if dtype == np.float32 else 1e300
    first = np.array([0.0, tiny, 0.5, 1.0, 2.0, 13.0, 64.0, 1e6, 1e12], dtype)
    if name not in OF_ORDER:
        first = first[first >= 2]
    second = np.array([0.0, tiny, 1e-30, 1e-3, 0.4, 1.0, 5.0, 30.0, 1e4, huge, np.inf], dtype)
    if name in INVERSES:
        second = second[second <= 1]
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(special, name)(first[:, None], second)


def test_flags_of_earlier_code_are_not_reported() -> None:
    with np.errstate(all="ignore"):
        np.array([0.0]) / np.array([0.0])
        np.array([1e300]) * np.array([1e300])
    with np.errstate(all="raise"):
        special.log_iv(np.ones(100), np.ones(100))


# Threads


@pytest.mark.parametrize("name", ["log_iv", "log_kv", "iv_ratio_c", "concentration"])
@pytest.mark.parametrize("n", [19_999, 40_000, 40_001, 100_003])
@pytest.mark.usefixtures("threads")
def test_any_number_of_threads_gives_the_same_bits(name: str, n: int) -> None:
    a, x = _points(name, n)
    results = []
    for count in (1, 2, 3, 7):
        special.set_num_threads(count)
        assert special.get_num_threads() == count
        results.append(getattr(special, name)(a, x).tobytes())
    assert len(set(results)) == 1


@pytest.mark.usefixtures("threads")
def test_a_domain_error_in_any_thread_is_reported() -> None:
    special.set_num_threads(2)
    x = np.ones(50_000)
    for position in (0, 10_000, 49_999):
        one_bad = x.copy()
        one_bad[position] = -1.0
        with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
            special.log_iv(2.0, one_bad)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the process from /proc")
def test_without_room_for_another_thread_one_does_the_work() -> None:
    program = """
import resource
import numpy as np
from vmf import special
special.set_num_threads(4)
x, out = np.linspace(1, 1e4, 1 << 17), np.empty(1 << 17)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (2 << 20)  # less than a thread's stack
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
special.log_iv(10.0, x, out=out)
special.set_num_threads(1)
assert (special.log_iv(10.0, x[:1000]) == out[:1000]).all() and np.isfinite(out).all()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_calls_from_many_threads_at_once() -> None:
    a, x = _points("log_kv", 40_000)
    expected = special.log_kv(a, x)
    gate = threading.Barrier(4)

    def call(_: int) -> bool:
        gate.wait()
        return all(np.array_equal(special.log_kv(a, x), expected) for _ in range(3))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(call, range(4)))


@pytest.mark.parametrize("n", [0, -1])
def test_a_number_of_threads_is_positive(n: int) -> None:
    before = special.get_num_threads()
    with pytest.raises(ValueError, match="at least 1"):
        special.set_num_threads(n)
    assert special.get_num_threads() == before


@pytest.mark.parametrize("wrong", [1.5, "2", None])
def test_a_number_of_threads_is_an_integer(wrong: object) -> None:
    with pytest.raises(TypeError):
        special.set_num_threads(wrong)  # type: ignore[arg-type]


def test_environment_sets_the_number_of_threads() -> None:
    script = "from vmf import special; print(special.get_num_threads())"
    answer = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "VMF_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "3\n"


def _sum_of_log_iv(n: int) -> float:
    return float(special.log_iv(np.linspace(1, 100, n), 7.0).sum())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.usefixtures("threads")
def test_a_forked_process_computes_too() -> None:
    special.set_num_threads(2)
    expected = _sum_of_log_iv(100_000)  # the threads have run before the fork
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(_sum_of_log_iv, [100_000] * 4).get(timeout=60) == [expected] * 4
