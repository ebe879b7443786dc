"""Tables for people: a DataFrame as Markdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame


def markdown(table: DataFrame) -> str:
    """Return the table in Markdown, floats to four digits, one line a row."""
    lines = [_line(map(str, table.columns)), "|" + "---|" * len(table.columns)]
    lines += [_line(map(cell, row)) for row in table.itertuples(index=False, name=None)]
    return "\n".join(lines) + "\n"


def cell(value: Any) -> str:
    """A value as text: floats to four digits, nothing for what is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|")


def _line(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"
