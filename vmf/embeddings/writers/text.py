"""``.csv`` and ``.tsv``, compressed or not: a header line, then one line a row."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from vmf.embeddings.table_output import Chunk, TableLayout, TableWriter
from vmf.errors import EmbeddingError, PathLike

_GZIP_LEVEL = 1
"""Digits of floating-point numbers shrink by half at any level; higher ones only take longer."""


class _TextWriter:
    def __init__(self, stream: TextIO, layout: TableLayout, delimiter: str) -> None:
        self._columns = layout.columns
        self._writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        self._writer.writerow(
            name
            for c in self._columns
            for name in ([c.name] if c.width is None else [f"{c.name}{i}" for i in range(c.width)])
        )

    def write(self, chunk: Chunk) -> None:
        parts = [
            [[value] for value in chunk[c.name].tolist()]
            if c.width is None
            else chunk[c.name].tolist()
            for c in self._columns
        ]
        self._writer.writerows(chain.from_iterable(cells) for cells in zip(*parts, strict=True))


@contextmanager
def open_writer(temporary: Path, path: PathLike, layout: TableLayout) -> Iterator[TableWriter]:
    """See :mod:`vmf.embeddings.writers`."""
    name = Path(path).name.lower()
    delimiter = "\t" if ".tsv" in name[-8:] else ","
    with open(temporary, "wb") as raw, _packed(raw, name, path) as binary:
        stream = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        yield _TextWriter(stream, layout, delimiter)
        stream.flush()
        stream.detach()  # or its end would close what it writes to


@contextmanager
def _packed(raw: Any, name: str, path: PathLike) -> Iterator[Any]:
    if name.endswith(".gz"):
        # Without name and time: the same rows give the same bytes.
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as stream:
            yield stream
    elif name.endswith(".zst"):
        try:
            import zstandard
        except ImportError as error:
            raise EmbeddingError(
                path, "writing zstd needs zstandard: pip install 'vmf-toolkit[io]'"
            ) from error
        with zstandard.ZstdCompressor().stream_writer(raw, closefd=False) as stream:
            yield stream
    else:
        yield raw
