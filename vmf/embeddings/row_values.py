"""Names of rows, read beside them and in step with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.embeddings.labels import read_values, split_source, value_text
from vmf.errors import EmbeddingError, PathLike

Chunk = npt.NDArray[Any]


class RowValues:
    """The ids or labels of rows in the order of a file, a chunk in memory at a time.

    Parameters
    ----------
    source : path-like
        As of :func:`vmf.embeddings.labels.read_labels`; of several columns or arrays the one called
        ``name`` unless COLUMN says which.
    name : str
        What they are: "id", "label".
    with_width : bool
        Read the file once before to find the longest id, which a fixed-width table needs.

    Attributes
    ----------
    dtype : numpy.dtype
        int64 for whole numbers, where the format has them, else text.

    Raises
    ------
    EmbeddingError
        For a file or a column that holds none; from :meth:`take` and :meth:`end` when there is
        not one a row.
    """

    def __init__(self, source: PathLike, name: str = "id", *, with_width: bool = False) -> None:
        self.name = name
        self.path, self._column = split_source(source)
        if self._column is None and self._has(name):
            self._column = name
        first = next(self._chunks(), np.empty(0, np.int64))
        self.dtype = np.dtype(np.int64) if first.dtype.kind == "i" else np.dtype("U1")
        if with_width and self.dtype.kind == "U":
            width = max((max(map(len, c.tolist()), default=1) for c in self._chunks()), default=1)
            self.dtype = np.dtype(f"U{max(width, 1)}")
        self._rest = self._chunks()
        self._held: list[Chunk] = []
        self._taken = 0

    def take(self, count: int) -> Chunk:
        """The next ``count`` ids."""
        while sum(map(len, self._held)) < count:
            chunk = next(self._rest, None)
            if chunk is None:
                have = self._taken + sum(map(len, self._held))
                raise EmbeddingError(
                    self.path, f"has only {have} {self.name}s; there must be one a row"
                )
            self._held.append(chunk)
        joined = self._held[0] if len(self._held) == 1 else np.concatenate(self._held)
        self._held = [joined[count:]]
        self._taken += count
        return joined[:count]

    def end(self) -> None:
        """Check that no id is left."""
        if any(map(len, self._held)) or next(self._rest, None) is not None:
            raise EmbeddingError(
                self.path,
                f"has more {self.name}s than the {self._taken} rows; there must be one a row",
            )

    def _has(self, column: str) -> bool:
        """Whether there is a column of this name; what else is wrong shows when it is read."""
        try:
            next(read_values(self.path, column), None)
        except (EmbeddingError, OSError):
            return False
        return True

    def _chunks(self) -> Iterator[Chunk]:
        row = 0
        try:
            for values in read_values(self.path, self._column):
                if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
                    yield values.astype(np.int64)
                else:
                    chunk = np.array([value_text(value) for value in values])
                    if (chunk == "").any():
                        missing = row + int(np.argmax(chunk == ""))
                        raise EmbeddingError(
                            self.path, f"the {self.name} of row {missing} is missing"
                        )
                    yield chunk
                row += len(values)
        except OSError as error:
            raise EmbeddingError(
                self.path, f"cannot be read ({error.strerror or error})"
            ) from error
