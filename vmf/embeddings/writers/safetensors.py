"""Safetensors: a JSON header that promises all places, then the numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vmf.embeddings.table_output import Column, TableLayout, TableWriter
from vmf.embeddings.writers.placed import PlacedWriter, write_at
from vmf.errors import PathLike

_KINDS = {"f": "F", "i": "I", "u": "U", "b": "BOOL"}


@contextmanager
def open_writer(temporary: Path, path: PathLike, layout: TableLayout) -> Iterator[TableWriter]:
    """See :mod:`vmf.embeddings.writers`."""
    header: dict[str, Any] = {}
    begins: dict[str, tuple[Column, int]] = {}
    at = 0
    # The widest numbers first, so that each tensor begins at a multiple of its item size.
    for column in sorted(layout.columns, key=lambda c: -c.stored_dtype.itemsize):
        shape = column.shape(layout.rows)
        end = at + math.prod(shape) * column.stored_dtype.itemsize
        header[column.name] = _entry(_type_name(column), shape, at, end)
        begins[column.name] = column, at
        at = end
    scale = b""
    if layout.scale is not None:
        scale = layout.scale.astype("<f4").tobytes()
        shape = layout.scale.shape
        header[f"{layout.vectors}_scale"] = _entry("F32", shape, at, at + len(scale))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    base = 8 + len(text)
    with open(temporary, "wb", buffering=0) as stream:
        write_at(stream.fileno(), len(text).to_bytes(8, "little") + text, 0)
        places = {name: (column, base + begin) for name, (column, begin) in begins.items()}
        yield PlacedWriter(stream.fileno(), places)
        write_at(stream.fileno(), scale, base + at)


def _entry(kind: str, shape: tuple[int, ...], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}


def _type_name(column: Column) -> str:
    if column.bfloat16:
        return "BF16"
    kind = column.dtype.kind
    return _KINDS[kind] + ("" if kind == "b" else str(8 * column.dtype.itemsize))
