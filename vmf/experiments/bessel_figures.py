"""Pictures over the (v, x) plane: errors, regions, speed-ups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vmf._core import region
from vmf.arrays.types import FloatArray
from vmf.experiments import paper_algorithm, plotting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vmf.experiments.schema import ErrorMap, TimedGrid


SYMBOLS = {"log_iv": "log $I_v(x)$", "log_kv": "log $K_v(x)$"}

# Codes of kernels/include/vmf/regions.hpp; the families of I and K share some numbers.
_UNIFORM = {
    8: "uniform, 20 terms", 9: "uniform, 13 terms", 10: "uniform, 10 terms",
    11: "uniform, 7 terms", 12: "uniform, 5 terms", 13: "uniform, 4 terms",
}  # fmt: skip
REGIONS: dict[str, dict[int, str]] = {
    "log_iv": {
        0: "special", 3: "two terms", 4: "power series, x < 1", 5: "power series, x < 6",
        6: "power series, x < 12", 7: "power series, x < 24.5", **_UNIFORM,
    },
    "log_kv": {
        0: "special", 1: "series, large order for x", 2: "limit, small order and x",
        3: "Temme's series", 4: "Chebyshev series, w < 1.1", 5: "Chebyshev series, w < 3",
        6: "Chebyshev series, w < 8", 7: "Chebyshev series, w < 24.5", **_UNIFORM,
    },
}  # fmt: skip
_PAPER_NAMES = {
    "mu 3": "large argument, 3 terms", "mu 20": "large argument, 20 terms",
    "U 4": "large order, 4 terms", "U 6": "large order, 6 terms",
    "U 9": "large order, 9 terms", "U 13": "large order, 13 terms",
}  # fmt: skip
_PAPER_FALLBACK = {"log_iv": "power series, 41 terms", "log_kv": "integral, 600 intervals"}
_REGION_RESOLUTION = 320


@dataclass(frozen=True)
class Grid:
    """Cells of the (v, x) plane, even in both logarithms."""

    orders: FloatArray
    arguments: FloatArray

    @classmethod
    def of(cls, section: ErrorMap | TimedGrid, cells: int | None = None) -> Grid:
        """The edges of the cells that a section of a configuration describes."""
        n = (cells or section.cells) + 1
        return cls(
            np.geomspace(section.orders.low, section.orders.high, n),
            np.geomspace(section.arguments.low, section.arguments.high, n),
        )

    @property
    def cells(self) -> int:
        """Cells along each side."""
        return len(self.orders) - 1

    def random_points(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """One point in every cell, row by row in v."""
        v, x = np.meshgrid(self.orders[:-1], self.arguments[:-1], indexing="ij")
        step_v = self.orders[1] / self.orders[0]
        step_x = self.arguments[1] / self.arguments[0]
        shift = rng.random((2, *v.shape))
        return (v * step_v ** shift[0]).ravel(), (x * step_x ** shift[1]).ravel()

    def shaped(self, values: FloatArray) -> FloatArray:
        """Values of `random_points` as a table, v down and x across."""
        return values.reshape(self.cells, self.cells)


@dataclass(frozen=True)
class ErrorMapData:
    """Errors in eps by the title of their library, infinite where there is no finite value."""

    grid: Grid
    errors: dict[str, FloatArray]


def error_map(name: str, data: ErrorMapData) -> Figure:
    """One panel a library, on one colour scale."""
    from matplotlib.colors import BoundaryNorm

    figure, axes = plotting.panels(len(data.errors), width=4.0, height=4.3, colour_bar=True)
    # Whole powers of ten: the colours can be read off, and the file stays small.
    steps = np.array([0, 0.5, 1, 2, 4, 10, 1e2, 1e3, 1e4, 1e6, 1e8, 1e10, 1e16])
    colours = plotting.sequential(len(steps) - 1)
    norm = BoundaryNorm(steps, len(steps) - 1)
    for axis, (title, error) in zip(axes, data.errors.items(), strict=True):
        finite = np.isfinite(error)
        shown = np.ma.masked_where(~finite, np.minimum(error, 0.99 * steps[-1]))
        mesh = axis.pcolormesh(
            data.grid.arguments, data.grid.orders, shown, cmap=colours, norm=norm
        )
        plotting.mark_missing(axis)
        share = 100 * np.mean(~finite)
        worst = error[finite].max() if finite.any() else np.nan
        axis.set_title(f"{title}\nlargest {worst:.2g} eps, not finite {share:.3g} %", fontsize=10)
        _logarithmic(axis)
    axes[0].set_ylabel("order v")
    bar = figure.colorbar(mesh, ax=axes, ticks=steps, shrink=0.9, pad=0.02)
    bar.ax.set_yticklabels([plotting.short_number(step) for step in steps[:-1]] + ["more"])
    bar.set_label("relative error, in eps = 2$^{-52}$")
    figure.suptitle(
        f"Error of {SYMBOLS[name]} at one random point of each cell (grey: NaN or infinite)",
        fontsize=11,
    )
    return figure


def region_map(name: str, section: ErrorMap) -> Figure:
    """Which formula serves where: here, and in the paper's table."""
    grid = Grid.of(section, _REGION_RESOLUTION)
    v, x = np.meshgrid(
        np.sqrt(grid.orders[1:] * grid.orders[:-1]),
        np.sqrt(grid.arguments[1:] * grid.arguments[:-1]),
        indexing="ij",
    )
    ours = np.asarray(region(name, v.ravel(), x.ravel())).reshape(v.shape)
    theirs = paper_algorithm.expression(v, x)
    paper_names = {
        code: _PAPER_NAMES.get(key, _PAPER_FALLBACK[name])
        for code, key in enumerate(paper_algorithm.EXPRESSIONS)
    }
    figure, axes = plotting.panels(2, width=4.6, height=5.6)
    _regions(axes[0], grid, ours, REGIONS[name], "this toolkit")
    _regions(axes[1], grid, theirs, paper_names, "the paper's table")
    axes[0].set_ylabel("order v")
    figure.suptitle(
        f"Which formula gives {SYMBOLS[name]}; w = (v$^2$ + x$^2$)$^{{1/2}}$", fontsize=11
    )
    return figure


def _regions(axis: Any, grid: Grid, codes: Any, names: dict[int, str], title: str) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    present = [code for code in names if (codes == code).any()]
    present += [int(code) for code in np.unique(codes) if code not in names]
    colours = plotting.categories(len(present))
    index = np.zeros(codes.shape)
    for position, code in enumerate(present):
        index[codes == code] = position
    axis.pcolormesh(
        grid.arguments, grid.orders, index, cmap=ListedColormap(colours), vmin=-0.5,
        vmax=len(present) - 0.5,
    )  # fmt: skip
    _logarithmic(axis)
    axis.set_title(title, fontsize=10)
    labels = [names.get(code, f"region {code}") for code in present]
    axis.legend(
        [Patch(facecolor=colour, edgecolor="black", linewidth=0.5) for colour in colours],
        labels, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=7.5,
        frameon=False,
    )  # fmt: skip


def _logarithmic(axis: Any) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("argument x")
    axis.tick_params(labelsize=8)


def times(table: Any, columns: list[str]) -> Figure:
    """Nanoseconds a value: a row a range, a mark a library."""
    names = list(dict.fromkeys(table["function"]))
    figure, axes = plotting.panels(len(names), width=4.6, height=3.4)
    for axis, name in zip(axes, names, strict=True):
        here = table[table["function"] == name]
        heights = np.arange(len(here))[::-1]
        for position, column in enumerate(columns):
            colour, marker = plotting.mark(position)
            axis.plot(here[column], heights, marker, color=colour, markersize=7, label=column)
        axis.set_xscale("log")
        axis.set_yticks(heights, list(here["range"]))
        axis.set_ylim(-0.5, len(here) - 0.5)
        axis.grid(alpha=0.3)
        axis.set_xlabel("time, ns a value")
        axis.set_title(SYMBOLS[name], fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def speed_ups(grid: Grid, ratios: dict[str, tuple[FloatArray, FloatArray]]) -> Figure:
    """SciPy's time over ours in each cell, one thread each."""
    from matplotlib.colors import LogNorm

    figure, axes = plotting.panels(len(ratios), width=4.6, height=4.4, colour_bar=True)
    largest = max(float(ratio.max()) for ratio, _ in ratios.values())
    least = min(float(ratio.min()) for ratio, _ in ratios.values())
    norm = LogNorm(min(1.0, least), max(largest, 10.0))
    for axis, (name, (ratio, finite)) in zip(axes, ratios.items(), strict=True):
        values = grid.shaped(ratio)
        mesh = axis.pcolormesh(
            grid.arguments, grid.orders, values, cmap=plotting.sequential(64), norm=norm
        )
        _logarithmic(axis)
        axis.set_title(f"{SYMBOLS[name]}: median {np.median(ratio):.3g}x", fontsize=10)
        centres = [np.sqrt(edges[1:] * edges[:-1]) for edges in (grid.orders, grid.arguments)]
        for i, j in np.ndindex(values.shape):
            mark = "" if grid.shaped(finite)[i, j] else "*"
            dark = norm(values[i, j]) > 0.5
            axis.text(
                centres[1][j], centres[0][i], f"{values[i, j]:.0f}{mark}", ha="center",
                va="center", fontsize=7, color="white" if dark else "black",
            )  # fmt: skip
    axes[0].set_ylabel("order v")
    figure.colorbar(mesh, ax=axes, shrink=0.9, pad=0.02, label="SciPy's time / ours")
    figure.suptitle(
        "Speed-up over SciPy, one thread each (*: SciPy not finite somewhere)", fontsize=11
    )
    return figure
