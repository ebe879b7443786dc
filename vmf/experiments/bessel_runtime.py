"""`bessel-runtime`: nanoseconds a value of log I and log K, and the speed-ups of the paper's abstract.

Every library on the same points, in one run, the repeats alternating between them. The speed-ups are
taken over the cells of a grid in (v, x), because the abstract gives a median and a largest value over
its tested inputs; what these inputs were, and on which hardware, is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vmf import special
from vmf.arrays.gpu import require_cupy
from vmf.arrays.types import FloatArray
from vmf.errors import GPUUnavailableError
from vmf.experiments import bessel_figures, point_sets
from vmf.experiments.libraries import CALLS, SLOW, TITLES, answers, available, warm_up
from vmf.experiments.timing import interleaved, seconds_on_gpu

if TYPE_CHECKING:
    from vmf.experiments.run_folder import RunFolder
    from vmf.experiments.schema import BesselRuntime

Row = dict[str, Any]

ONE_THREAD, ALL_THREADS, GPU = "vmf, one thread", "vmf, all threads", "vmf, GPU"
FASTEST = "fastest third-party library"
THIRD_PARTY = ("scipy", "mpmath", "tfp")
_FEW_POINTS = {"paper": 5000, "tfp": 5000}  # they take microseconds a value, whatever the number
PAPER_SPEED_UPS = {  # (device, against): median and largest, from the abstract
    ("CPU", "SciPy"): (35.0, 98.0),
    ("CPU", FASTEST): (17.0, 3403.0),
    ("GPU", "SciPy"): (77.0, 300.0),
    ("GPU", FASTEST): (45.0, 6150.0),
}


class Stopwatch:
    """Nanoseconds a value of every library on the same points."""

    def __init__(self, config: BesselRuntime, libraries: dict[str, Any], gpu: Any) -> None:
        self.config = config
        self.libraries = libraries
        self.gpu = gpu
        self.threads = special.get_num_threads()
        for functions in libraries.values():
            warm_up(functions, config.functions)

    def columns(self) -> list[str]:
        """Names of what is timed, in order."""
        peers = [name for name in self.libraries if name != "vmf"]
        ours = [ONE_THREAD, ALL_THREADS] if "vmf" in self.libraries else []
        return ours + [TITLES[name] for name in peers] + ([GPU] if self.gpu else [])

    def __call__(self, name: str, v: FloatArray, x: FloatArray) -> Row:
        """ns a value by column, and the share of the points where SciPy's answer is finite."""
        found: Row = {}
        together: dict[str, Callable[[FloatArray, FloatArray], Any]] = {}
        for library, functions in self.libraries.items():
            call = getattr(functions, name)
            if library == "vmf":
                together[ONE_THREAD] = self._on_threads(call, 1)
                together[ALL_THREADS] = self._on_threads(call, self.threads)
            elif library in SLOW:
                found[TITLES[library]] = self._slow(library, name, v, x)
            elif library in _FEW_POINTS:
                n = min(len(v), _FEW_POINTS[library])
                (found[TITLES[library]],) = interleaved([call], v[:n], x[:n], self.config.repeats)
            else:
                together[TITLES[library]] = call
        try:
            with np.errstate(all="ignore"):
                times = interleaved(list(together.values()), v, x, self.config.repeats)
        finally:
            special.set_num_threads(self.threads)
        found |= dict(zip(together, times, strict=True))
        if self.gpu:
            found[GPU] = self._on_gpu(name, v, x)
        row = {column: found[column] for column in self.columns()}
        if "scipy" in self.libraries:
            with np.errstate(all="ignore"):
                finite = np.isfinite(getattr(self.libraries["scipy"], name)(v, x))
            row["SciPy finite %"] = 100 * float(finite.mean())
        return row

    def _on_threads(self, call: Any, threads: int) -> Callable[[FloatArray, FloatArray], Any]:
        def evaluate(v: FloatArray, x: FloatArray) -> Any:
            special.set_num_threads(threads)
            return call(v, x)

        return evaluate

    def _slow(self, library: str, name: str, v: FloatArray, x: FloatArray) -> float:
        """Mean over a few points; one that does not answer in time counts with that time."""
        n = self.config.slow.points
        given = answers(
            library, None, name, v[:n], x[:n],
            seconds=self.config.slow.seconds_a_value, processes=1,
        )  # fmt: skip
        return 1e9 * float(given.seconds.mean())

    def _on_gpu(self, name: str, v: FloatArray, x: FloatArray) -> float:
        n = self.config.gpu_points
        order, argument = (self.gpu.resize(self.gpu.asarray(values), n) for values in (v, x))
        out = self.gpu.empty(n)
        call = getattr(special, name)
        return 1e9 * float(seconds_on_gpu(self.gpu, lambda: call(order, argument, out=out))) / n


def run(config: BesselRuntime, folder: RunFolder) -> None:
    """Fill the folder with `times`, `cells`, `speed_ups` and their figures."""
    import pandas as pd

    libraries, notes = available(config.libraries)
    gpu = None
    try:
        gpu = require_cupy()
    except GPUUnavailableError as error:
        notes.append(f"The GPU is left out: {error}.")
    for note in notes:
        folder.say(note)
    watch = Stopwatch(config, libraries, gpu)
    times = pd.DataFrame(range_rows(config, watch, folder.say))
    cells = pd.DataFrame(cell_rows(config, watch, folder.say))
    gains = pd.DataFrame(speed_ups(cells, [TITLES[name] for name in libraries if name != "vmf"]))
    for table_name, table in (("times", times), ("cells", cells), ("speed_ups", gains)):
        folder.write_csv(table_name, table, digits=6)
    folder.write_text("runtime.md", _page(config, watch, times, gains, notes))
    folder.write_figure("times", bessel_figures.times(times, watch.columns()))
    if TITLES["scipy"] in cells and ONE_THREAD in cells:
        grid = bessel_figures.Grid.of(config.grid)
        folder.write_figure("speed_ups", bessel_figures.speed_ups(grid, _over_scipy(cells)))


def range_rows(config: BesselRuntime, watch: Stopwatch, say: Any) -> list[Row]:
    """One row a function and range."""
    rows = []
    for name in config.functions:
        for points in config.ranges:
            rng = np.random.default_rng([config.seed, list(point_sets.RANGES).index(points)])
            v, x = point_sets.RANGES[points](rng, config.points)
            rows.append({"function": name, "range": points} | watch(name, v, x))
            say(f"{name} timed on {points}")
    return rows


def cell_rows(config: BesselRuntime, watch: Stopwatch, say: Any) -> list[Row]:
    """One row a function and cell, with the cell's borders."""
    rows = []
    grid = bessel_figures.Grid.of(config.grid)
    for name in config.functions:
        for i in range(grid.cells):
            for j in range(grid.cells):
                rng = np.random.default_rng([config.seed, len(point_sets.RANGES), i, j])
                (v_low, v_high), (x_low, x_high) = grid.orders[i : i + 2], grid.arguments[j : j + 2]
                v = point_sets.log_uniform(rng, v_low, v_high, config.grid.points)
                x = point_sets.log_uniform(rng, x_low, x_high, config.grid.points)
                place = {"v from": v_low, "v to": v_high, "x from": x_low, "x to": x_high}
                rows.append({"function": name} | place | watch(name, v, x))
            say(f"{name} timed in {(i + 1) * grid.cells} of {grid.cells**2} cells")
    return rows


def speed_ups(cells: Any, peers: Sequence[str]) -> list[Row]:
    """Median, least and largest ratio over the cells, beside the paper's where it gives one."""
    against = {peer: cells[peer] for peer in peers}
    third = [TITLES[name] for name in THIRD_PARTY if TITLES[name] in peers]
    if third:
        against[FASTEST] = cells[third].min(axis=1)
    finite = cells["SciPy finite %"] == 100 if "SciPy finite %" in cells else None
    rows = []
    for ours in (ONE_THREAD, ALL_THREADS, GPU):
        if ours not in cells:
            continue
        for label, theirs in against.items():
            for name in [*dict.fromkeys(cells["function"]), "both"]:
                here = (cells["function"] == name) | (name == "both")
                ratios = (theirs / cells[ours])[here]
                device = "GPU" if ours == GPU else "CPU"
                paper = PAPER_SPEED_UPS.get((device, label)) if name == "both" else None
                row: Row = {"this toolkit": ours, "against": label, "function": name,
                            "median": ratios.median(), "least": ratios.min(),
                            "largest": ratios.max()}  # fmt: skip
                if finite is not None:
                    row["median where SciPy is finite"] = ratios[finite].median()
                row["paper: median"], row["paper: largest"] = paper or (None, None)
                rows.append(row)
    return rows


def _over_scipy(cells: Any) -> dict[str, tuple[FloatArray, FloatArray]]:
    """By function: ratio over SciPy on one thread, and where SciPy is finite, a value a cell."""
    return {
        name: (
            np.asarray(here[TITLES["scipy"]] / here[ONE_THREAD]),
            np.asarray(here["SciPy finite %"] == 100),
        )
        for name, here in cells.groupby("function", sort=False)
    }


def _page(config: BesselRuntime, watch: Stopwatch, times: Any, gains: Any, notes: Any) -> str:
    from vmf.experiments.tables import markdown

    shown = gains[gains["function"] == "both"].drop(columns="function")
    used = [name for name in config.libraries if name in watch.libraries]
    lines = [
        "**Nanoseconds a value**",
        "",
        f"The median of {config.repeats} repeats that alternate between the"
        f" libraries, {config.points} points a range. All threads: {watch.threads}.",
        "",
        markdown(times),
        "**Speed-ups**",
        "",
        f"Over {config.grid.cells} x {config.grid.cells} cells of v in"
        f" {config.grid.orders.low:g}..{config.grid.orders.high:g} and x in"
        f" {config.grid.arguments.low:g}..{config.grid.arguments.high:g}, log I and log K together,"
        f" {config.grid.points} points a cell, beside those of the paper's abstract.",
        "",
        markdown(shown),
        "The paper's inputs, hardware and list of third-party libraries are not known; its figures"
        f" against these stand beside the {FASTEST} here in each cell, of"
        f" {', '.join(TITLES[name] for name in used if name in THIRD_PARTY)}. The paper's algorithm"
        " is timed as NumPy runs it, not as its authors' C++ does. SciPy computes on one thread,"
        " and its time counts where it gives no finite value too. mpmath's figure is the mean over"
        f" {config.slow.points} values, of which one that takes longer than"
        f" {config.slow.seconds_a_value:g} s counts with that time.",
        "",
        *(f"- {TITLES[name]}: `{CALLS[name]}`" for name in used),
    ]
    lines += [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"
