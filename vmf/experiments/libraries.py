"""The libraries that the experiments compare, called the way their users call them."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from typing import Any

import numpy as np

from vmf.arrays.types import FloatArray
from vmf.errors import LibraryMissingError

VectorFunction = Callable[[FloatArray, FloatArray], FloatArray]

TITLES = {
    "vmf": "this toolkit",
    "paper": "paper's algorithm",
    "scipy": "SciPy",
    "mpmath": "mpmath",
    "tfp": "TFP",
}
CALLS = {
    "vmf": "vmf.special.log_iv, log_kv",
    "paper": "vmf.experiments.paper_algorithm.log_iv, log_kv (its formulas in NumPy, float64)",
    "scipy": "log(ive(v, x)) + x, log(kve(v, x)) - x",
    "mpmath": "log(besseli(v, x)), log(besselk(v, x)) at the default 53 bits",
    "tfp": "log_bessel_ive(v, x) + x, log_bessel_kve(v, x) - x (JAX, float64, compiled)",
}
SLOW = ("mpmath",)
_CHUNK = 25


@dataclass(frozen=True)
class Answers:
    """Values at some points, NaN where there is none, and why there is none.

    `seconds` is the time each value took, only for a library that computes one at a time.
    """

    values: FloatArray
    failures: Counter[str] = field(default_factory=Counter)
    seconds: FloatArray = field(default_factory=lambda: np.empty(0))


def vector_functions(library: str) -> Any:
    """The object whose attributes `log_iv` and `log_kv` take arrays.

    Raises
    ------
    LibraryMissingError
        One line with what to install.
    """
    if library == "vmf":
        return import_module("vmf.special")
    if library == "paper":
        return import_module("vmf.experiments.paper_algorithm")
    if library == "scipy":
        return import_module("vmf.experiments.implementations").SCIPY
    if library == "mpmath":
        return _MPMath()
    if library == "tfp":
        return _TFP()
    raise KeyError(library)


def installed(module: str) -> bool:
    """Whether a module can be imported; a folder of that name that is no package does not count."""
    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def available(libraries: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The libraries that are installed, by name, and one line for each that is not."""
    found: dict[str, Any] = {}
    notes = []
    for name in libraries:
        try:
            found[name] = vector_functions(name)
        except LibraryMissingError as error:
            notes.append(str(error))
    return found, notes


class _MPMath:
    """mpmath, a value at a time."""

    def log_iv(self, v: FloatArray, x: FloatArray) -> FloatArray:
        return np.array([mpmath_value("log_iv", *point) for point in zip(v, x, strict=True)])

    def log_kv(self, v: FloatArray, x: FloatArray) -> FloatArray:
        return np.array([mpmath_value("log_kv", *point) for point in zip(v, x, strict=True)])


class _TFP:
    """TensorFlow Probability on JAX, compiled for the shape at hand."""

    def __init__(self) -> None:
        try:
            jax = import_module("jax")
            jax.config.update("jax_enable_x64", True)
            math = import_module("tensorflow_probability.substrates.jax").math
        except (ImportError, AttributeError) as error:
            raise LibraryMissingError(
                f"TFP is left out ({error}); pip install 'vmf-toolkit[tfp]' adds it"
            ) from error
        self._log_iv = jax.jit(lambda v, x: math.log_bessel_ive(v, x) + x)
        self._log_kv = jax.jit(lambda v, x: math.log_bessel_kve(v, x) - x)

    def log_iv(self, v: FloatArray, x: FloatArray) -> FloatArray:
        return np.asarray(self._log_iv(v, x))

    def log_kv(self, v: FloatArray, x: FloatArray) -> FloatArray:
        return np.asarray(self._log_kv(v, x))


def mpmath_value(name: str, v: float, x: float) -> float:
    """One logarithm by mpmath at its default precision."""
    import mpmath

    bessel = mpmath.besseli if name == "log_iv" else mpmath.besselk
    value = mpmath.log(bessel(float(v), float(x)))
    return float(value.real) if value.imag == 0 else float("nan")


class _TimeIsUp(Exception):
    pass


def _ring(number: int, frame: Any) -> None:
    raise _TimeIsUp


def _chunk(
    task: tuple[str, FloatArray, FloatArray, float],
) -> tuple[FloatArray, Counter[str], FloatArray]:
    import mpmath  # noqa: F401  its import is no part of the first value

    name, v, x, seconds = task
    values, failures, times = np.full(len(v), np.nan), Counter[str](), np.empty(len(v))
    signal.signal(signal.SIGALRM, _ring)
    for i in range(len(v)):
        begin = time.perf_counter()
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                values[i] = mpmath_value(name, float(v[i]), float(x[i]))
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except _TimeIsUp:
            failures[f"no answer in {seconds:g} s"] += 1
        except Exception as error:  # whatever a peer raises is its answer
            failures[type(error).__name__] += 1
        times[i] = time.perf_counter() - begin
    return values, failures, times


def answers(
    library: str,
    functions: Any,
    name: str,
    v: FloatArray,
    x: FloatArray,
    *,
    seconds: float,
    processes: int,
) -> Answers:
    """Evaluate `name` at all points; a slow library gets `seconds` for each value.

    Values that are not finite are counted by kind in `failures`.
    """
    if library not in SLOW:
        with np.errstate(all="ignore"):
            values = np.asarray(getattr(functions, name)(v, x), dtype=np.float64)
        failures, times = Counter[str](), np.empty(0)
    else:
        tasks = [
            (name, v[i : i + _CHUNK], x[i : i + _CHUNK], seconds) for i in range(0, len(v), _CHUNK)
        ]
        with get_context("spawn").Pool(processes) as pool:
            parts = pool.map(_chunk, tasks, chunksize=1)
        values = np.concatenate([part[0] for part in parts])
        failures = sum((part[1] for part in parts), Counter[str]())
        times = np.concatenate([part[2] for part in parts])
    silent = sum(failures.values())
    for kind, count in (
        ("nan", int(np.isnan(values).sum()) - silent),
        ("inf", int((values == np.inf).sum())),
        ("-inf", int((values == -np.inf).sum())),
    ):
        if count > 0:
            failures[kind] += count
    return Answers(values, failures, times)


def warm_up(functions: Any, names: Sequence[str]) -> None:
    """Import and compile what a first call would."""
    one = np.ones(1)
    for name in names:
        with suppress(Exception):
            getattr(functions, name)(one, one)
