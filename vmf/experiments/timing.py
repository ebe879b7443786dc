"""How calls are timed: those that are compared alternate within one run, and the median is kept.

What else runs on the machine then slows all sides alike, and now and then only a single repeat.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vmf.arrays.types import FloatArray

Function = Callable[..., Any]
"""Of two arrays and `out`: one of `vmf.special`, or a peer of it."""

_SHORTEST_SECONDS = 2e-2
"""A shorter call is made several times for one reading of the clock."""


def seconds(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def alternating(sides: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Return what each side measures, `repeats` times in turns.

    One more round comes first and does not count: it pays for imports, caches and pages.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats + 1):
        for name, side in sides.items():
            taken[name].append(side())
    return {name: times[1:] for name, times in taken.items()}


def nanoseconds(function: Function, v: FloatArray, x: FloatArray, calls: int = 1) -> float:
    """Return the nanoseconds a value of some calls on the same points."""
    begin = time.perf_counter()
    for _ in range(calls):
        function(v, x)
    return (time.perf_counter() - begin) / calls / len(x) * 1e9


def interleaved(
    functions: Sequence[Function | None], v: FloatArray, x: FloatArray, repeats: int
) -> list[float | None]:
    """Return the median nanoseconds a value of each function, the repeats alternating between them."""
    calls = []
    for function in functions:
        if function is None:
            calls.append(0)
            continue
        function(v, x)
        once = nanoseconds(function, v, x) * len(x) * 1e-9
        calls.append(int(np.clip(_SHORTEST_SECONDS / max(once, 1e-9), 1, 1000)))
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for kept, function, n in zip(times, functions, calls, strict=True):
            if function is not None:
                kept.append(nanoseconds(function, v, x, n))
    return [float(np.median(kept)) if kept else None for kept in times]


def writing_to(function: Function | None, out: FloatArray) -> Function | None:
    """Return the function with its results written to `out`: new pages are not what is timed."""
    return None if function is None else functools.partial(function, out=out)


def seconds_on_gpu(cupy: Any, call: Callable[[], object], repeats: int = 7) -> float:
    """Return the median time of a call between two events on the current stream, warmed up twice."""
    for _ in range(2):
        call()
    times: list[float] = []
    for _ in range(repeats):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        call()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(start, end) / 1e3)
    return statistics.median(times)
