"""`bessel-accuracy`: errors of log I_v(x) and log K_v(x) beside Arb, for every library.

Over ranges of (v, x), and over the (v, x) plane as a picture. Errors are in units of eps = 2^-52,
relative to the value and relative to max(1, |value|). Quantiles are over the values that a library
gives; how many it does not give, or gives as NaN or infinity, is a column of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vmf.arrays.types import FloatArray
from vmf.experiments import accuracy, bessel_figures, point_sets
from vmf.experiments.libraries import CALLS, SLOW, TITLES, Answers, answers, available

if TYPE_CHECKING:
    from vmf.experiments.run_folder import RunFolder
    from vmf.experiments.schema import BesselAccuracy

Row = dict[str, Any]


def run(config: BesselAccuracy, folder: RunFolder) -> None:
    """Fill the folder with `errors` (and `failures`), the maps of the error and of the regions."""
    import pandas as pd

    libraries, notes = available(config.libraries)
    for note in notes:
        folder.say(note)
    references = accuracy.References(config.processes)
    try:
        rows = range_rows(config, libraries, references, folder.say)
        maps = error_maps(config, libraries, references, folder.say)
    finally:
        references.close()
    table = pd.DataFrame(rows)
    folder.write_csv("errors", table)
    folder.write_text("errors.md", _page(config, table, notes))
    for name, found in maps.items():
        folder.write_figure(f"error_map_{name}", bessel_figures.error_map(name, found))
    for name in config.functions:
        folder.write_figure(f"regions_{name}", bessel_figures.region_map(name, config.map))


def range_rows(
    config: BesselAccuracy, libraries: dict[str, Any], references: Any, say: Any
) -> list[Row]:
    """One row for each range, function and library."""
    rows = []
    for points in config.ranges:
        # One stream a range, so that a range is the same whichever others are asked for.
        rng = np.random.default_rng([config.seed, list(point_sets.RANGES).index(points)])
        v, x = point_sets.RANGES[points](rng, config.points)
        truth = references(tuple(config.functions), v, x)
        for name in config.functions:
            for library, functions in libraries.items():
                n = min(config.slow.points, len(v)) if library in SLOW else len(v)
                given = answers(
                    library, functions, name, v[:n], x[:n],
                    seconds=config.slow.seconds_a_value, processes=config.processes,
                )  # fmt: skip
                hi, lo = (part[:n] for part in truth[name])
                rows.append(
                    {"range": points, "function": name, "library": TITLES[library]}
                    | summary(given, v[:n], x[:n], hi, lo)
                )
            say(f"{points}: {name} measured on {config.points} points")
    return rows


def summary(given: Answers, v: FloatArray, x: FloatArray, hi: FloatArray, lo: FloatArray) -> Row:
    """Quantiles of the error over the values given, the worst of them, and what is missing.

    A value that cannot be held in float64, the true one being infinite, does not count.
    """
    finite = np.isfinite(given.values)
    row: Row = {
        "points": len(v),
        "not finite %": 100 * float(np.mean(~finite)),
        "failures": ", ".join(f"{kind} {n}" for kind, n in sorted(given.failures.items())),
    }
    for label, relative in (("relative", True), ("scaled", False)):
        error = accuracy.errors_eps(given.values, hi, lo, relative=relative)[finite]
        quantiles = _quantiles(error)
        row |= {f"{label} {key}": value for key, value in quantiles.items()}
    if finite.any():
        error = accuracy.errors_eps(given.values, hi, lo, relative=True)
        worst = int(np.argmax(np.where(finite, error, -1.0)))
        row |= {"worst v": float(v[worst]), "worst x": float(x[worst]),
                "there": float(given.values[worst]), "true": float(hi[worst])}  # fmt: skip
    return row


def _quantiles(error: FloatArray) -> dict[str, float]:
    if not len(error):
        return {"median": np.nan, "p99": np.nan, "max": np.nan}
    return {
        "median": float(np.median(error)),
        "p99": float(np.quantile(error, 0.99, method="higher")),
        "max": float(error.max()),
    }


def error_maps(
    config: BesselAccuracy, libraries: dict[str, Any], references: Any, say: Any
) -> dict[str, bessel_figures.ErrorMapData]:
    """The relative error at one random point of every cell, for each function."""
    shown = {name: libraries[name] for name in config.map.libraries if name in libraries}
    if not shown:
        return {}
    grid = bessel_figures.Grid.of(config.map)
    v, x = grid.random_points(np.random.default_rng([config.seed, len(point_sets.RANGES)]))
    truth = references(tuple(config.functions), v, x)
    maps: dict[str, bessel_figures.ErrorMapData] = {}
    for name in config.functions:
        errors = {}
        for library, functions in shown.items():
            given = answers(
                library, functions, name, v, x,
                seconds=config.slow.seconds_a_value, processes=config.processes,
            )  # fmt: skip
            error = accuracy.errors_eps(given.values, *truth[name], relative=True)
            errors[TITLES[library]] = grid.shaped(error)
        maps[name] = bessel_figures.ErrorMapData(grid, errors)
        say(f"map of {name}: {grid.cells} x {grid.cells} cells")
    return maps


def _page(config: BesselAccuracy, table: Any, notes: list[str]) -> str:
    from vmf.experiments.tables import markdown

    lines = [
        "Errors in units of eps = 2^-52 against Arb: median / 99th percentile / largest, over the"
        " values that are finite; in brackets the share of the points without a finite value."
        f" {config.points} points a range ({config.slow.points} for"
        f" {', '.join(TITLES[name] for name in SLOW)}), seed {config.seed}.",
        "",
    ]
    for label, text in (
        ("relative", "relative to the value"),
        ("scaled", "relative to max(1, |value|)"),
    ):
        lines += [f"**{text[0].upper()}{text[1:]}**", "", markdown(_compact(table, label))]
    lines += ["**Worst point by relative error**", "", markdown(_worst(table))]
    failed = table[table["failures"] != ""]
    if len(failed):
        lines += ["**Values that are not finite**", ""]
        lines += [markdown(failed[["range", "function", "library", "points", "failures"]])]
    used = [name for name in config.libraries if TITLES[name] in set(table["library"])]
    lines += ["**Calls**", ""]
    lines += [f"- {TITLES[name]}: `{CALLS[name]}`" for name in used]
    lines += [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"


def _compact(table: Any, label: str) -> Any:
    import pandas as pd

    def text(row: Any) -> str:
        missing = row["not finite %"]
        share = f" [{missing:.2g} %]" if missing else ""
        numbers = (row[f"{label} {key}"] for key in ("median", "p99", "max"))
        return (
            " / ".join("-" if np.isnan(number) else f"{number:.2g}" for number in numbers) + share
        )

    flat = table[["function", "range", "library"]].assign(text=table.apply(text, axis=1))
    wide = flat.pivot(index=["function", "range"], columns="library", values="text")
    order = list(dict.fromkeys(zip(table["function"], table["range"], strict=True)))
    order.sort(key=lambda key: key[0])
    columns = list(dict.fromkeys(table["library"]))
    return pd.DataFrame(wide.loc[order, columns].reset_index())


def _worst(table: Any) -> Any:
    worst = table.loc[:, ["range", "function", "library", "relative max"]].copy()
    for column in ("worst v", "worst x", "there", "true"):
        if column in table:
            digits = 17 if column in ("there", "true") else 8
            worst[column] = [
                "" if np.isnan(value) else f"{value:.{digits}g}" for value in table[column]
            ]
    return worst
