"""Every function at once from many threads: the bits of one thread, and a file that a sanitizer can run alone.

python tests/fuzz threads --seconds 20
"""

from __future__ import annotations

import argparse
import threading
import time
from typing import Any

import numpy as np

from vmf import _core, _random
from vmf.arrays.rows import unit_rows
from vmf.estimation import SufficientStatistics

from .float_patterns import draw
from .kernels import ENTRIES

_ROWS = 40_000  # several shares of a thread


def inputs(seed: int) -> dict[str, Any]:
    """Arguments of every class of bits, and rows to add up."""
    rng = np.random.default_rng(seed)
    return {
        "a": draw(rng, _ROWS, np.float64, runs=True),
        "x": draw(rng, _ROWS, np.float64, runs=True),
        "rows": rng.standard_normal((500, 33)),
    }


def everything(given: dict[str, Any]) -> dict[str, bytes]:
    """The bits of every function of the extension on these inputs; NaN as one NaN."""
    found = {}
    with np.errstate(all="ignore"):
        for name in ENTRIES:
            for dtype in (np.float64, np.float32):
                y = getattr(_core, name)(given["a"].astype(dtype), given["x"].astype(dtype))
                found[f"{name} {dtype.__name__}"] = np.where(np.isnan(y), np.nan, y).tobytes()
    rows = given["rows"]
    total, low, norms = np.zeros(rows.shape[1]), np.zeros(rows.shape[1]), np.zeros(len(rows))
    _core.row_sums(rows, None, total, low, norms)
    found["row_sums"] = total.tobytes() + low.tobytes() + norms.tobytes()
    for dtype in (np.float64, np.float32):
        statistics = SufficientStatistics.from_rows(rows.astype(dtype))
        found[f"from_rows {dtype.__name__}"] = (
            statistics.resultant.tobytes() + statistics.resultant_lo.tobytes()
        )
        directions, _ = unit_rows(rows.astype(dtype), "error", 0)
        found[f"unit_rows {dtype.__name__}"] = directions.tobytes()
    noise = np.empty((3000, 50), np.float32)
    _random.fill_normals(noise, 7, threads=3)
    found["fill_normals"] = noise.tobytes()
    return found


def from_many_threads(
    given: dict[str, Any], threads: int, repeats: int = 1
) -> list[dict[str, bytes]]:
    """What each of `threads` threads gets that run `everything` at the same moment."""
    results: list[dict[str, bytes]] = []
    errors: list[BaseException] = []
    together = threading.Barrier(threads)

    def run() -> None:
        try:
            together.wait()
            for _ in range(repeats):
                results.append(everything(given))
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return results


def bits_in_another_process(given: dict[str, Any]) -> dict[str, bytes]:
    """As `everything`; a name that a spawned process can import."""
    return everything(given)


def _change_settings(stop: threading.Event) -> None:
    while not stop.wait(0.001):
        _core.set_num_threads(_core.get_num_threads() % 4 + 1)


def main() -> None:
    """Compare threads until the time is over, while the settings are read and written as well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--threads", type=int, default=4)
    arguments = parser.parse_args()
    end, rounds = time.monotonic() + arguments.seconds, 0
    while time.monotonic() < end or rounds == 0:
        given = inputs(rounds)
        _core.set_num_threads(1)
        expected = everything(given)
        stop = threading.Event()
        changing = threading.Thread(target=_change_settings, args=(stop,))
        changing.start()
        try:
            for found in from_many_threads(given, arguments.threads):
                assert found == expected, [name for name in found if found[name] != expected[name]]
        finally:
            stop.set()
            changing.join()
        rounds += 1
    print(
        f"{rounds} rounds of {arguments.threads} threads, {len(expected)} functions each: the same bits"
    )


if __name__ == "__main__":
    main()
