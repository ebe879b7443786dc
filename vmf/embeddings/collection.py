"""Folders and patterns of files whose rows belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from vmf.embeddings.embedding_file import EmbeddingFile, FloatRows
from vmf.embeddings.places import Identity, Place
from vmf.errors import EmbeddingError


class EmbeddingCollection(EmbeddingFile):
    """The rows of several files, one file after the other.

    Parameters
    ----------
    path : Path or RemoteFile
        The folder or pattern that they were found by.
    files : sequence of EmbeddingFile
        Of one dimension, in the order of the rows.

    Notes
    -----
    Where the files differ in data type, all rows come in the one that holds them without loss. A
    chunk does not reach over the end of a file. An error names the file that it is in.
    """

    format = "collection"

    def __init__(self, path: Place, files: Sequence[EmbeddingFile]) -> None:
        first = files[0]
        for file in files[1:]:
            if file.dimension != first.dimension:
                raise EmbeddingError(
                    file.path,
                    f"has dimension {file.dimension}, but {first.path} has {first.dimension};"
                    " files read together need the same",
                )
        self._files = tuple(part for file in files for part in file.parts)
        counts = [file._rows for file in self._files]
        rows = None if None in counts else sum(count or 0 for count in counts)
        dtype = np.result_type(*{file.native_dtype for file in self._files})
        super().__init__(path, (rows, first.dimension), dtype)

    @property
    def stored_as(self) -> str:
        return " and ".join(dict.fromkeys(file.stored_as for file in self._files))

    @property
    def unit_bytes(self) -> int:
        return max(file.unit_bytes for file in self._files)

    @property
    def copies_while_read(self) -> int:
        return max(file.copies_while_read for file in self._files)

    @property
    def parts(self) -> tuple[EmbeddingFile, ...]:
        return self._files

    def count_rows(self) -> int:
        return sum(file.rows for file in self._files)

    def locate(self, row: int, column: int | None = None) -> str:
        ends = list(accumulate(file.rows for file in self._files))
        number = next(i for i, end in enumerate(ends) if row < end)
        file = self._files[number]
        return f"{file.path.name}, {file.locate(row - ends[number] + file.rows, column)}"

    def read_blocks(self, rows: int, start: int, stop: int | None) -> Iterator[FloatRows]:
        before = 0
        for file in self._files:
            if stop is not None and before >= stop:
                return
            # The number of rows of a text file costs a pass, so it is asked for only where needed.
            if start > before and start >= before + file.rows:
                before += file.rows
                continue
            last = None if stop is None else stop - before
            for _, block in file.chunks(rows, start=max(start - before, 0), stop=last):
                yield block.astype(self.native_dtype, copy=False)
            if stop is not None or start > before:
                before += file.rows

    def identify(self) -> Identity:
        """That of the files when they were opened: each is judged while it is read."""
        size = sum(file.identity[1] for file in self._files)
        return str(self.path), size, " ".join(file.identity[2] for file in self._files)
