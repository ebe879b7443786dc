"""Files cut into ranges of rows, each of which a worker reads on its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy.typing as npt

from vmf.embeddings.embedding_file import EmbeddingFile

SMALLEST_BLOCK = 64 << 20
LARGEST_BLOCK = 1 << 30
_MOST_BLOCKS = 1 << 14


@dataclass(frozen=True)
class Block:
    """Rows `start` to `stop` of a file.

    Attributes
    ----------
    position : int
        Of the file among those of the pass.
    path : str
        Absolute, or a URL; the same on every machine.
    column : str or None
        See :func:`vmf.embeddings.open_embeddings`.
    scale : array or None
        That the file was opened with.
    size : int
        Bytes of the file, by which a worker sees whether it has the same one.
    """

    position: int
    path: str
    column: str | None
    scale: npt.ArrayLike | None
    size: int
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """Their number."""
        return self.stop - self.start


def blocks_of(
    files: Sequence[EmbeddingFile],
    column: str | None,
    *,
    align: int,
    skip: int = 0,
    stop: int | None = None,
    most_rows: int | None = None,
    smallest: int = SMALLEST_BLOCK,
    largest: int = LARGEST_BLOCK,
) -> Iterator[Block]:
    """Cut the rows of all files from `skip` to `stop` into blocks, in order.

    The blocks depend on the files alone, not on who reads them. They are of 64 MB, and of up to
    1 GB where there would be more than 16 384 of them: a scheduler starts some hundred tasks a
    second. A worker holds no more than a chunk of a block at a time.

    Parameters
    ----------
    align : int
        Bytes of a chunk: blocks begin where a pass in chunks of this size begins one.
    most_rows : int, optional
        Of a block, where what is found for it grows with them; one chunk is allowed all the same.
    smallest, largest : int
        Bytes of a block.
    """
    total = sum(file.rows * _row_bytes(file) for file in files)
    target = min(max(smallest, total // _MOST_BLOCKS), largest)
    before = 0
    for position, file in enumerate(files):
        begin, end = max(skip - before, 0), file.rows
        if stop is not None:
            end = min(end, stop - before)
        before += file.rows
        if begin >= end:
            continue
        path = os.path.abspath(file.path) if isinstance(file.path, Path) else os.fspath(file.path)
        chunk = max(1, align // _row_bytes(file))
        wanted = target // _row_bytes(file)
        step = chunk * max(1, (wanted if most_rows is None else min(wanted, most_rows)) // chunk)
        for first, last in pairwise([*_cuts(file, step), file.rows]):
            if last > begin and first < end:
                yield Block(
                    position,
                    path,
                    column,
                    file.given_scale,
                    file.identity[1],
                    max(first, begin),
                    min(last, end),
                )


def _cuts(file: EmbeddingFile, step: int) -> Iterator[int]:
    """First rows of blocks of `step` rows, of more where reading can only begin elsewhere."""
    entries = file.entries()
    if entries is None:
        yield from range(0, file.rows, step)
        return
    last = None
    for entry in entries:
        if last is None or entry - last >= step:
            yield entry
            last = entry


def _row_bytes(file: EmbeddingFile) -> int:
    return max(file.dtype.itemsize, file.native_dtype.itemsize) * file.dimension
