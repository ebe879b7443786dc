"""The rows of a dask array, for the models of `vmf.models`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from vmf.arrays.blocks import Block, DirectionRows, unit_directions
from vmf.arrays.dask_rows import aligned, reduced, rows_of
from vmf.arrays.types import Vector
from vmf.errors import BadDirectionError

Found = TypeVar("Found")


class _Checked(NamedTuple):
    """How many rows, which of them are zero, and the first that has no direction."""

    rows: int
    zero: Any
    error: BadDirectionError | None


class SpreadRows(DirectionRows):
    """Rows of a dask array; see `DirectionRows`.

    Every pass computes the array again: `X.persist()` keeps it in the memory of the workers. On
    this machine there are some numbers a row: weights, log-densities.
    """

    def __init__(self, X: Any, *, zero_rows_allowed: bool = False) -> None:
        X = rows_of(X, counted=True)
        self.array = X
        self.count, self.dim = X.shape
        self.sparse = False
        self.host = True
        self.own_dtype = "float64" if X.dtype == np.float64 else "float32"

        def check(chunk: Any) -> _Checked:
            try:
                zero = DirectionRows(chunk, zero_rows_allowed=zero_rows_allowed).zero
            except BadDirectionError as error:
                return _Checked(len(chunk), None, error)
            return _Checked(len(chunk), np.zeros(len(chunk), bool) if zero is None else zero, None)

        checked = reduced(check, _checked, X)
        if checked.error is not None:
            raise checked.error
        self.zero = checked.zero if checked.zero.any() else None

    @property
    def like(self) -> Any:
        """Results of all rows are NumPy arrays."""
        return np.empty(0)

    def blocks(self, dtype: str | None = None, rows: int | None = None) -> Iterator[Block]:
        """Yield all rows in blocks, computed here one chunk at a time."""
        start = 0
        for chunk in self.array.blocks:
            here = DirectionRows(aligned(chunk.compute()), zero_rows_allowed=True)
            for block in here.blocks(dtype, rows):
                yield block._replace(start=start + block.start)
            start += here.count

    def directions(self, indices: Any) -> Vector:
        """Return the rows of these indices, in their order, as unit vectors, float64."""
        return unit_directions(self.array[np.asarray(indices)].compute().astype(np.float64))

    def reduce(
        self,
        function: Callable[..., Found],
        merge: Callable[[Sequence[Found]], Found],
        beside: Sequence[Any] = (),
        **fixed: Any,
    ) -> Found:
        """Return `function` of the rows of each chunk, merged in their order."""

        def of_chunk(chunk: Any, *parts: Any) -> Found:
            return function(DirectionRows(aligned(chunk), zero_rows_allowed=True), *parts, **fixed)

        return reduced(of_chunk, merge, self.array, beside)


def _checked(parts: Sequence[_Checked]) -> _Checked:
    rows = 0
    for part in parts:
        if part.error is not None:
            bad = part.error
            return _Checked(rows, None, BadDirectionError(rows + bad.row, bad.column, bad.reason))
        rows += part.rows
    return _Checked(rows, np.concatenate([part.zero for part in parts]), None)
