"""Errors of every function of `vmf.special` in units of 2^-52, against Arb, on fresh points.

    python -m vmf.experiments.accuracy
    python -m vmf.experiments.accuracy --functions log_iv log_kv --sets small borders --points 5000
    python -m vmf.experiments.accuracy --implementation scipy --sets uniform150 small

Every run draws new points from fresh entropy and prints the seed. The exit code is 1 if any error
is above its bar, 0 if none is.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vmf.arrays.types import FloatArray
from vmf.experiments import arb, awkward_points, point_sets
from vmf.experiments.implementations import implementation
from vmf.output import atomic_output

EPS = arb.EPS

OF_DIMENSION = arb.DIMENSION_FUNCTIONS
INVERSES = ("concentration", "concentration_c")

_RANGE_SETS = tuple(point_sets.RANGES)
SETS = (*_RANGE_SETS, "zero_order", "zeros_i", "zeros_k", "borders", "ratio", "dimensions",
        "concentration")  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """Largest permitted error in eps, relative to the value or to max(1, |value|), and where.

    `always_relative` bounds the error relative to the value besides, next to its zeros too.
    """

    limit: float
    sets: tuple[str, ...]
    relative: bool
    always_relative: float = math.inf


def _logarithm(*sets: str) -> Bar:
    return Bar(4, sets, relative=False, always_relative=8)


_RATIO_SETS = ("ratio", "small", "borders")
_DERIVATIVE = Bar(16, (*_RANGE_SETS, "borders"), relative=False)
_DIMENSION_SETS = ("dimensions", "borders")

BARS: dict[str, Bar] = {
    "log_iv": _logarithm(*_RANGE_SETS, "zero_order", "zeros_i", "borders"),
    "log_kv": _logarithm(*_RANGE_SETS, "zeros_k", "borders"),
    "log_ive": _logarithm(*_RANGE_SETS, "borders"),
    "log_kve": _logarithm(*_RANGE_SETS, "zeros_k", "borders"),
    "iv_ratio": Bar(4, _RATIO_SETS, relative=True),
    "iv_ratio_c": Bar(4, _RATIO_SETS, relative=True),
    "kv_ratio": Bar(5, _RATIO_SETS, relative=True),
    "log_iv_dx": _DERIVATIVE,
    "log_iv_dv": _DERIVATIVE,
    "log_kv_dx": _DERIVATIVE,
    "log_kv_dv": _DERIVATIVE,
    "log_normalizer": _logarithm(*_DIMENSION_SETS),
    "log_normalizer_e": _logarithm(*_DIMENSION_SETS),
    "mean_resultant_length": Bar(4, _DIMENSION_SETS, relative=True),
    "mean_resultant_length_c": Bar(4, _DIMENSION_SETS, relative=True),
    "mean_resultant_length_dkappa": Bar(16, _DIMENSION_SETS, relative=False),
    "entropy": Bar(16, _DIMENSION_SETS, relative=False),
    "concentration": Bar(4, ("concentration",), relative=True),
    "concentration_c": Bar(4, ("concentration",), relative=True),
}
ZERO_ORDER_BAR = Bar(4, ("zero_order",), relative=True)
FUNCTIONS = tuple(BARS)


def families(points: str, functions: Sequence[str]) -> list[list[str]]:
    """The functions that are measured on a set, those apart that take a dimension."""
    names = [name for name in functions if points in BARS[name].sets]
    of_dimension = [name for name in names if name in (*OF_DIMENSION, *INVERSES)]
    of_order = [name for name in names if name not in of_dimension]
    return [family for family in (of_dimension, of_order) if family]


@dataclass
class Row:
    """One line of the table: a function on a set of points."""

    function: str
    points: str
    count: int
    max: float
    p999: float
    median: float
    max_relative: float
    not_finite: int
    worst: tuple[float, float]
    bar: float
    scale: str
    ok: bool


def _chunk(task: tuple[tuple[str, ...], FloatArray, FloatArray]) -> FloatArray:
    names, first, x = task
    out = np.empty((len(names), 2, len(x)))
    for j, (a, b) in enumerate(zip(first.tolist(), x.tolist(), strict=True)):
        found = arb.references(names, a, b)
        for i, name in enumerate(names):
            out[i, :, j] = found[name]
    return out


class References:
    """Arb on several processes."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._pool = multiprocessing.get_context("spawn").Pool(jobs) if jobs > 1 else None

    def __call__(
        self, names: tuple[str, ...], first: FloatArray, x: FloatArray
    ) -> dict[str, tuple[FloatArray, FloatArray]]:
        parts = [(names, first[i : i + 200], x[i : i + 200]) for i in range(0, len(x), 200)]
        done = self._pool.map(_chunk, parts, chunksize=1) if self._pool else map(_chunk, parts)
        table = np.concatenate(list(done), axis=2)
        return {name: (table[i, 0], table[i, 1]) for i, name in enumerate(names)}

    def close(self) -> None:
        if self._pool:
            self._pool.close()
            self._pool.join()


def errors_eps(
    computed: FloatArray, hi: FloatArray, lo: FloatArray, *, relative: bool
) -> FloatArray:
    """`vmf.experiments.arb.error_eps` for arrays."""
    scale = np.abs(hi)
    scale = np.maximum(scale, arb.SMALLEST_NORMAL if relative else 1.0)
    with np.errstate(all="ignore"):
        error = np.abs((computed - hi) - lo) / scale / EPS
    error = np.where(np.isnan(error), np.inf, error)
    return np.where(~np.isfinite(hi) & (computed == hi), 0.0, error)


def _row(
    function: str, points: str, first: FloatArray, x: FloatArray, computed: FloatArray,
    truth: tuple[FloatArray, FloatArray], bar: Bar,
) -> Row:  # fmt: skip
    hi, lo = truth
    error = errors_eps(computed, hi, lo, relative=bar.relative)
    relative = errors_eps(computed, hi, lo, relative=True)
    worst = int(np.argmax(error))
    return Row(
        function=function,
        points=points,
        count=len(x),
        max=float(error[worst]),
        p999=float(np.quantile(error, 0.999, method="higher")),
        median=float(np.median(error)),
        max_relative=float(relative.max()),
        not_finite=int(np.sum(np.isfinite(hi) & ~np.isfinite(computed))),
        worst=(float(first[worst]), float(x[worst])),
        bar=bar.limit,
        scale="|f|" if bar.relative else "max(1,|f|)",
        ok=bool(error[worst] <= bar.limit and relative.max() <= bar.always_relative),
    )


def _values(module: Any, name: str, first: FloatArray, x: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        return np.asarray(getattr(module, name)(first, x), dtype=np.float64)


def _inverse_row(
    module: Any, name: str, rng: np.random.Generator, n: int, references: References
) -> Row:
    """|A_p(kappa) - R| at the kappa returned for R, by Arb; the same for 1 - R."""
    p, r = point_sets.concentration(rng, n)
    kappa = _values(module, name, p, r)
    forward = "mean_resultant_length_c" if name.endswith("_c") else "mean_resultant_length"
    good = np.isfinite(kappa) & (kappa > 0)
    hi, lo = np.full(len(r), np.nan), np.zeros(len(r))
    if good.any():
        hi[good], lo[good] = references((forward,), p[good], kappa[good])[forward]
    # The asked-for R is exact; the value reached, hi + lo, is what errs.
    return _row(name, "concentration", p, r, hi, (r, -lo), BARS[name])


def measure(
    points: str, names: list[str], module: Any, rng: np.random.Generator, n: int,
    references: References,
) -> list[Row]:  # fmt: skip
    """One row a function; the functions all of an order, or all of a dimension."""
    if points == "concentration":
        return [_inverse_row(module, name, rng, n, references) for name in names]
    drawn: list[tuple[tuple[str, ...], FloatArray, FloatArray]]
    if points == "borders":
        drawn = []
        for name in names:
            found = awkward_points.borders(name, rng, n)
            if found is None:
                print(f"{name:28s} borders: skipped, vmf._core.region has no {name!r}", flush=True)
            else:
                drawn.append(((name,), *found))
    elif points in ("zeros_i", "zeros_k"):
        drawn = [((name,), *awkward_points.zeros(name, rng, n)) for name in names]
    else:
        draw = getattr(point_sets, points)
        drawn = [(tuple(names), *draw(rng, n))]
    rows = []
    for group, first, x in drawn:
        truth = references(group, first, x)
        for name in group:
            bar = ZERO_ORDER_BAR if points == "zero_order" else BARS[name]
            computed = _values(module, name, first, x)
            rows.append(_row(name, points, first, x, computed, truth[name], bar))
    return rows


HEADER = (
    f"{'function':28s} {'points':13s} {'count':>6s} {'max':>9s} {'p99.9':>8s} {'median':>7s}"
    f" {'max rel':>9s} {'not fin':>7s} {'bar':>4s} {'of':>10s}  verdict  worst (v or p, x)"
)


def _line(row: Row) -> str:
    return (
        f"{row.function:28s} {row.points:13s} {row.count:6d} {row.max:9.3g} {row.p999:8.3g}"
        f" {row.median:7.2g} {row.max_relative:9.3g} {row.not_finite:7d} {row.bar:4g}"
        f" {row.scale:>10s}  {'pass' if row.ok else 'FAIL':7s}  {row.worst[0]!r}, {row.worst[1]!r}"
    )


def markdown(rows: list[Row], seed: int) -> str:
    lines = [
        f"Errors in units of 2^-52 against Arb; seed {seed}.",
        "",
        "| function | points | count | max | p99.9 | median | max relative | not finite | bar | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{r.function}` | {r.points} | {r.count} | {r.max:.3g} | {r.p999:.3g} | {r.median:.2g} |"
        f" {r.max_relative:.3g} | {r.not_finite} | {r.bar:g} {r.scale.replace('|', chr(92) + '|')} |"
        f" {'pass' if r.ok else '**FAIL**'} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m vmf.experiments.accuracy", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--functions", nargs="+", choices=FUNCTIONS, default=list(FUNCTIONS),
                        metavar="NAME")  # fmt: skip
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET",
                        help=", ".join(SETS))  # fmt: skip
    parser.add_argument("--points", type=int, default=20000, help="points a set")
    parser.add_argument("--seed", type=int, default=None, help="default: fresh, and printed")
    parser.add_argument("--jobs", type=int, default=2, help="processes for Arb")
    parser.add_argument("--implementation", default="vmf", help="vmf, scipy, or module:attribute")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args(arguments)

    seed = secrets.randbits(63) if options.seed is None else options.seed
    module = implementation(options.implementation)
    print(f"seed {seed}; errors in units of 2^-52 against Arb\n{HEADER}", flush=True)
    absent = [name for name in options.functions if not hasattr(module, name)]
    for name in absent:
        print(f"{name:28s} absent from {options.implementation}", flush=True)
    references = References(options.jobs)
    rows: list[Row] = []
    start = time.perf_counter()
    try:
        for points in options.sets:
            # One stream a set, so that a set is the same whichever others are asked for.
            rng = np.random.default_rng([seed, SETS.index(points)])
            for family in families(points, [f for f in options.functions if f not in absent]):
                for row in measure(points, family, module, rng, options.points, references):
                    rows.append(row)
                    print(_line(row), flush=True)
    finally:
        references.close()
    failed = sum(not row.ok for row in rows)
    measured = {(row.function, row.points) for row in rows}
    skipped = sum(
        (name, points) not in measured
        for name in options.functions
        for points in options.sets
        if points in BARS[name].sets and name not in absent
    )
    print(
        f"{len(rows)} lines, {failed} above their bar, {skipped} skipped, {len(absent)} absent;"
        f" {time.perf_counter() - start:.0f} s"
    )
    if options.json:
        record = {"seed": seed, "implementation": options.implementation,
                  "rows": [asdict(row) for row in rows]}  # fmt: skip
        with atomic_output(options.json) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")
    if options.markdown:
        with atomic_output(options.markdown) as temporary:
            temporary.write_text(markdown(rows, seed))
    return 1 if failed or absent or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
