"""What an evaluation has found so far, for whoever wants to go on from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Kept:
    """Arrays by name, of finished steps and of the finished part of a step.

    Parameters
    ----------
    arrays : mapping, optional
        Of an evaluation that was not finished.
    changed : callable, optional
        Called whenever there is more.
    """

    def __init__(
        self,
        arrays: Mapping[str, Array] | None = None,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self.arrays: Mapping[str, Array] = dict(arrays or {})
        self.changed = changed

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def put(self, **arrays: npt.ArrayLike) -> None:
        """Keep these too. In one assignment, so that an interrupt finds what belongs together."""
        self.arrays = {**self.arrays, **{name: np.asarray(a) for name, a in arrays.items()}}
        if self.changed is not None:
            self.changed()

    def drop(self, *names: str) -> None:
        """Forget these: something that follows from them is kept."""
        self.arrays = {name: a for name, a in self.arrays.items() if name not in names}

    def number(self, name: str) -> int:
        """How far something is; 0 where it has not begun."""
        return int(self.arrays[name].reshape(-1)[0]) if name in self.arrays else 0

    def begun(self, name: str, shape: tuple[int, ...], fill: Any, dtype: npt.DTypeLike) -> Array:
        """The array of that name, to be filled in; a new one where there is none."""
        if name not in self.arrays:
            self.arrays = {**self.arrays, name: np.full(shape, fill, dtype)}
        return self.arrays[name]
