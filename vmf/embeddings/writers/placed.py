"""Columns whose bytes have a known place in the file before the first row is there."""

from __future__ import annotations

import os
from collections.abc import Mapping

from vmf.embeddings.table_output import Chunk, Column


class PlacedWriter:
    """Writes each column at its own offset.

    Parameters
    ----------
    descriptor : int
        Of the file, open for writing.
    places : mapping
        Name to column and offset of its first byte.
    """

    def __init__(self, descriptor: int, places: Mapping[str, tuple[Column, int]]) -> None:
        self._descriptor = descriptor
        self._columns = {name: column for name, (column, _) in places.items()}
        self._offsets = {name: offset for name, (_, offset) in places.items()}

    def write(self, chunk: Chunk) -> None:
        for name, column in self._columns.items():
            data = column.stored(chunk[name]).reshape(-1).view("u1").data
            self._offsets[name] += write_at(self._descriptor, data, self._offsets[name])


def write_at(descriptor: int, data: memoryview | bytes, offset: int) -> int:
    """Write all of ``data`` at ``offset``; the number of bytes."""
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], offset + done)
    return done
