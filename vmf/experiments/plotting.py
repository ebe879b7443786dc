"""How all figures look: drawn without a display, readable in grey and with any colour vision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

MISSING = "#b3b3b3"
# Okabe & Ito's colours, told apart by all; each also differs in lightness from its neighbours.
OBSERVED, MODEL, ACCENT = "#0072B2", "#D55E00", "#009E73"
_SERIES = (
    ("#0072B2", "o"), ("#56B4E9", "D"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "v"),
    ("#E69F00", "P"), ("#000000", "X"),
)  # fmt: skip
# P. Tol's muted scheme, made for the same purpose, and three greys.
_QUALITATIVE = (
    "#332288", "#88CCEE", "#44AA99", "#DDCC77", "#CC6677", "#117733", "#AA4499", "#999933",
    "#882255", "#DDDDDD", "#777777", "#222222",
)  # fmt: skip


def panels(
    count: int, *, width: float, height: float, colour_bar: bool = False, share_y: bool = True
) -> tuple[Figure, Any]:
    """A figure of panels side by side, sizes in inches; nothing overlaps."""
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(width * count + (1.1 if colour_bar else 0), height), layout="constrained"
    )
    axes = figure.subplots(1, count, sharey=share_y, squeeze=False)[0]
    return figure, axes


def sequential(count: int) -> ListedColormap:
    """Colours from light (small) to dark (large)."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    whole = colormaps["magma_r"]
    return ListedColormap([whole(0.03 + 0.94 * k / (count - 1)) for k in range(count)])


def categories(count: int) -> list[str]:
    """Colours for regions that have no order, the first `count` of a dozen."""
    return [_QUALITATIVE[k % len(_QUALITATIVE)] for k in range(count)]


def mark(position: int) -> tuple[str, str]:
    """Colour and marker of the series at that position; both differ between neighbours."""
    series = _SERIES[position % len(_SERIES)]
    return series[0], series[1]


def mark_missing(axis: Any) -> None:
    """Draw the background, which shows where a mesh is masked, in hatched grey."""
    axis.set_facecolor(MISSING)
    axis.patch.set(hatch="////", edgecolor="#909090", linewidth=0)


def short_number(value: float) -> str:
    """0.5, 10, 1e4."""
    return f"{value:g}" if 0.01 <= value < 1000 or value == 0 else f"1e{round(_log10(value))}"


def _log10(value: float) -> float:
    import math

    return math.log10(value)
