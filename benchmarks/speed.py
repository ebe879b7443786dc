"""Nanoseconds a value of `vmf.special` beside SciPy, interleaved in one run, on one thread.

    python -m benchmarks.speed
    python -m benchmarks.speed --functions log_iv --points 20000 --repeats 3

SciPy's side is what its users write: log(ive) + x, log(kve) - x, ive(v) / ive(v - 1). Both sides
write to arrays that are there already (`out=`): new ones cost either of them the pages that the
system zeroes, now and then, and nothing else. Each figure is the median of repeats that alternate
between the two sides. The exit code is 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.operations import operations, peak_gflops
from vmf.experiments import point_sets
from vmf.experiments.implementations import SCIPY, implementation
from vmf.experiments.timing import interleaved, nanoseconds, writing_to
from vmf.special._table import NAMES, TABLE

MEDIAN_BAR, LEAST_BAR, FIXED_ORDER_BAR = 30.0, 8.0, 40.0
BARRED = ("log_iv", "log_kv")
FIXED_ORDER_DIMENSIONS = (64, 512, 2048, 8192, 32768)
CELL_ORDERS = np.logspace(-2, 6, 9)
CELL_ARGUMENTS = np.logspace(-3, 7, 9)

INVERSES = tuple(entry.name for entry in TABLE if "rbar" in entry.second)
OF_DIMENSION = tuple(e.name for e in TABLE if e.first == "dim" and e.name not in INVERSES)
FUNCTIONS = NAMES


def fixed_order(p: int) -> point_sets.Draw:
    """The vMF case: one order v = p/2 - 1, kappa log-uniform in 0.1..1e6."""

    def draw(rng: np.random.Generator, n: int) -> point_sets.Points:
        return np.broadcast_to(p / 2 - 1, n), point_sets.log_uniform(rng, 1e-1, 1e6, n)

    return draw


def _set_threads(n: int) -> bool:
    try:
        from vmf import special
    except ImportError:
        return False
    setter = getattr(special, "set_num_threads", None)
    if setter is None:
        return False
    setter(n)
    return True


def _ratio(ours: float | None, scipy: float | None) -> float | None:
    return scipy / ours if ours and scipy else None


def _show(value: float | None, form: str = "8.1f") -> str:
    width = int(form.split(".")[0])
    return "-".rjust(width) if value is None else format(value, form)


def _sets_of(name: str) -> dict[str, point_sets.Draw]:
    if name in INVERSES:
        return {"concentration": point_sets.concentration}
    if name in OF_DIMENSION:
        return {"dimensions": point_sets.dimensions}
    sets = dict(point_sets.RANGES)
    sets |= {f"vMF p={p}": fixed_order(p) for p in FIXED_ORDER_DIMENSIONS}
    return sets


def time_sets(
    ours: Any, names: list[str], rng: np.random.Generator, n: int, repeats: int
) -> list[dict[str, Any]]:
    """One record a function and set."""
    rows = []
    print(f"{'function':28s} {'points':13s} {'vmf ns':>8s} {'SciPy ns':>8s} {'ratio':>7s}")
    for name in names:
        for points, draw in _sets_of(name).items():
            v, x = draw(rng, n)
            mine, scipy = interleaved(
                [writing_to(getattr(side, name, None), np.empty(n)) for side in (ours, SCIPY)],
                v,
                x,
                repeats,
            )
            row: dict[str, Any] = {"function": name, "points": points, "vmf_ns": mine, "scipy_ns": scipy,
                   "ratio": _ratio(mine, scipy),
                   "operations": operations(name, v[:2000], x[:2000])}  # fmt: skip
            rows.append(row)
            print(f"{name:28s} {points:13s} {_show(mine)} {_show(scipy)} {_show(row['ratio'], '7.1f')}",
                  flush=True)  # fmt: skip
    return rows


def time_cells(
    ours: Any, name: str, rng: np.random.Generator, n: int, repeats: int
) -> list[dict[str, Any]]:
    """The same over 8 x 8 cells of (v, x); prints the table of vmf ns / ratio."""
    cells: list[dict[str, Any]] = []
    print(
        f"\n{name}: vmf ns (SciPy ns / vmf ns; * SciPy not finite somewhere) a cell, v down, x right"
    )
    print(f"{'':9s}" + " ".join(f"{low:>16.1e}" for low in CELL_ARGUMENTS[:-1]))
    for v_low, v_high in pairwise(CELL_ORDERS):
        line = []
        for x_low, x_high in pairwise(CELL_ARGUMENTS):
            v = point_sets.log_uniform(rng, v_low, v_high, n)
            x = point_sets.log_uniform(rng, x_low, x_high, n)
            peer = getattr(SCIPY, name)
            sides = [
                writing_to(getattr(ours, name, None), np.empty(n)),
                writing_to(peer, np.empty(n)),
            ]
            mine, scipy = interleaved(sides, v, x, repeats)
            finite = bool(np.isfinite(peer(v, x)).all())
            cells.append(
                {"function": name, "v": [v_low, v_high], "x": [x_low, x_high], "vmf_ns": mine,
                 "scipy_ns": scipy, "ratio": _ratio(mine, scipy), "scipy_finite": finite}
            )  # fmt: skip
            mark = " " if finite else "*"
            if mine is None:
                line.append(f"{_show(scipy, '15.0f')}{mark}")
            else:
                line.append(f"{mine:7.1f} ({_show(cells[-1]['ratio'], '5.1f')}){mark}")
        print(f"{v_low:8.1e} " + " ".join(line), flush=True)
    return cells


def time_threads(ours: Any, names: list[str], rng: np.random.Generator) -> list[dict[str, Any]]:
    """One thread against all, on a million points of the log-uniform set."""
    threads = os.cpu_count() or 1
    rows = []
    for name in names:
        function = getattr(ours, name, None)
        if function is None:
            continue
        v, x = point_sets.loguniform(rng, 10**6)
        times: dict[int, list[float]] = {1: [], threads: []}
        for _ in range(7):
            for n, kept in times.items():
                if not _set_threads(n):
                    print("threads: skipped, vmf.special.set_num_threads is absent")
                    return []
                kept.append(nanoseconds(function, v, x))
        one, all_ = (float(np.median(times[n])) for n in (1, threads))
        print(f"{name}: {one:.2f} ns on one thread, {all_:.2f} ns on {threads}: {one / all_:.2f}x")
        rows.append({"function": name, "threads": threads, "one_ns": one, "all_ns": all_})
    _set_threads(1)
    return rows


def _at_limit(rows: list[dict[str, Any]]) -> None:
    """Print how far each figure is from the rate at which one thread can multiply and add."""
    peak = peak_gflops()
    if peak is None:
        print("floating-point limit: skipped, no C++ compiler ($CXX, g++)")
        return
    print(f"floating-point limit of one thread: {peak:.1f} GFLOP/s")
    for row in rows:
        if row["operations"] and row["vmf_ns"]:
            row["percent_of_peak"] = 100 * row["operations"] / row["vmf_ns"] / peak
            print(
                f"  {row['function']:22s} {row['points']:13s} {row['operations']:6.0f} operations"
                f" a value, {row['percent_of_peak']:5.1f} % of the limit"
            )


def _verdicts(rows: list[dict[str, Any]], cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for name in BARRED:
        mine = [r for r in rows if r["function"] == name and r["ratio"]]
        ranges = [r["ratio"] for r in mine if r["points"] in point_sets.RANGES]
        fixed = [r["ratio"] for r in mine if r["points"].startswith("vMF p=")]
        here = [c for c in cells if c["function"] == name and c["ratio"]]
        everywhere = ranges + fixed + [c["ratio"] for c in here]
        if not ranges:
            continue
        answered = [c["ratio"] for c in here if c["scipy_finite"]]
        found += [
            {"function": name, "what": "median over the ranges", "ratio": float(np.median(ranges)),
             "bar": MEDIAN_BAR},
            {"function": name, "what": "least over ranges and cells", "ratio": min(everywhere),
             "bar": LEAST_BAR},
            {"function": name, "what": "least where SciPy is finite",
             "ratio": min(ranges + answered), "bar": LEAST_BAR},
            {"function": name, "what": "fixed order, median", "ratio": float(np.median(fixed)),
             "bar": FIXED_ORDER_BAR},
            {"function": name, "what": "fixed order, least", "ratio": min(fixed),
             "bar": FIXED_ORDER_BAR},
        ]  # fmt: skip
    for v in found:
        v["ok"] = bool(v["ratio"] >= v["bar"])
        print(f"{v['function']:8s} {v['what']:28s} {v['ratio']:6.1f}x  bar {v['bar']:g}x"
              f"  {'pass' if v['ok'] else 'FAIL'}")  # fmt: skip
    return found


def markdown(record: dict[str, Any]) -> str:
    lines = ["| function | points | vmf ns | SciPy ns | ratio |", "|---|---|---|---|---|"]
    lines += [
        f"| `{r['function']}` | {r['points']} | {_show(r['vmf_ns'], '1.1f')} |"
        f" {_show(r['scipy_ns'], '1.0f')} | {_show(r['ratio'], '1.1f')} |"
        for r in record["rows"]
    ]
    if record["bars"]:
        lines += ["", "| function | ratio to SciPy | measured | bar | |", "|---|---|---|---|---|"]
        lines += [
            f"| `{b['function']}` | {b['what']} | {b['ratio']:.1f}x | {b['bar']:g}x |"
            f" {'pass' if b['ok'] else '**FAIL**'} |"
            for b in record["bars"]
        ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--functions", nargs="+", choices=FUNCTIONS, default=list(FUNCTIONS),
                        metavar="NAME")  # fmt: skip
    parser.add_argument("--points", type=int, default=100_000, help="points a set")
    parser.add_argument("--cell-points", type=int, default=10_000, help="points a cell")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=None, help="default: fresh, and printed")
    parser.add_argument("--implementation", default="vmf", help="vmf, or module:attribute")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args(arguments)

    seed = secrets.randbits(63) if options.seed is None else options.seed
    rng = np.random.default_rng(seed)
    try:
        ours = implementation(options.implementation)
    except ImportError as error:
        print(f"{error}: timing SciPy alone")
        ours = None
    _set_threads(1)
    print(f"seed {seed}; one thread; median of {options.repeats} interleaved repeats")
    with np.errstate(all="ignore"):
        rows = time_sets(ours, options.functions, rng, options.points, options.repeats)
        cells = []
        for name in (f for f in options.functions if f in BARRED):
            cells += time_cells(ours, name, rng, options.cell_points, options.repeats)
        print()
        threads = time_threads(ours, [f for f in options.functions if f in BARRED], rng)
    _at_limit(rows)
    bars = _verdicts(rows, cells)
    record = {"seed": seed, "points": options.points, "rows": rows, "cells": cells,
              "threads": threads, "bars": bars}  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(markdown(record))
    return 0 if bars and all(b["ok"] for b in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
