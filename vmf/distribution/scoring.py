"""How well rows fit a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import OnBadRows, unit_rows
from vmf.arrays.types import FloatArray, Rows
from vmf.distribution.components import Components, distances
from vmf.distribution.model import Model

_BLOCK_ELEMENTS = 1 << 18  # 2 MB of float64

_ROWS_OF_A_KERNEL = 48
"""A multiple of the rows that any matrix product takes at a time: 4, 6, 8, 12, 16 or 24."""


@dataclass(frozen=True)
class Scores:
    """Scores of some rows; all but ``likeliest`` are NaN for a row without a direction.

    Attributes
    ----------
    log_density : (rows,) float64
        log of the model's density at the row's direction, with respect to the area of the unit
        sphere; with several classes that of their mixture in the proportions of the fit. Higher =
        more in-distribution. It may be far above 0: densities in high dimension are large.
    cosine : (rows,) float64
        Cosine of the angle to the nearest mean direction. Higher = more in-distribution.
    probability : (rows,) float64
        Probability of class ``likeliest`` given the row.
    likeliest : (rows,) intp
        The most probable class, -1 for a row without a direction.
    """

    log_density: FloatArray
    cosine: FloatArray
    probability: FloatArray
    likeliest: npt.NDArray[np.intp]

    def head(self, count: int) -> Scores:
        """The first ``count`` of them."""
        return Scores(
            self.log_density[:count],
            self.cosine[:count],
            self.probability[:count],
            self.likeliest[:count],
        )


class Scorer:
    """Scores rows under a model.

    Parameters
    ----------
    model : Model
    """

    def __init__(self, model: Model) -> None:
        self.classes = len(model.classes)
        self._take(model.mean_direction, model.concentration, np.log(model.proportions))

    def _take(self, *parameters: FloatArray) -> None:
        # What comes from another process may begin at any byte; products are then rounded otherwise.
        self._components = Components(
            *(np.require(values, requirements=["C", "A"]) for values in parameters)
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"classes": self.classes, "components": self._components}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.classes = state["classes"]
        there: Components = state["components"]
        self._take(there.mean_directions, there.concentrations, there.log_weights)

    @property
    def dimension(self) -> int:
        """Of the model."""
        return int(self._components.mean_directions.shape[1])

    def rows_of_a_block(self, dimension: int) -> int:
        """Rows that are scored together."""
        step = max(_BLOCK_ELEMENTS // dimension, 4 * self.classes)
        return -(-step // _ROWS_OF_A_KERNEL) * _ROWS_OF_A_KERNEL

    def __call__(self, directions: FloatArray) -> Scores:
        """Score unit rows; a row of NaN gives NaN."""
        distance = distances(directions, self._components.mean_directions)
        log_joint = self._components.log_joint(distance)
        likeliest = log_joint.argmax(axis=1)
        largest = log_joint[np.arange(len(log_joint)), likeliest]
        log_density = largest + np.log(np.exp(log_joint - largest[:, np.newaxis]).sum(axis=1))
        undefined = np.isnan(log_density)
        return Scores(
            log_density,
            1.0 - distance.min(axis=1),
            np.exp(largest - log_density),
            np.where(undefined, -1, likeliest),
        )


def joined(parts: Sequence[Scores]) -> Scores:
    """The scores of some rows and those of the next."""
    return Scores(
        np.concatenate([part.log_density for part in parts]),
        np.concatenate([part.cosine for part in parts]),
        np.concatenate([part.probability for part in parts]),
        np.concatenate([part.likeliest for part in parts]),
    )


def no_scores(rows: int) -> Scores:
    nothing = np.full(rows, np.nan)
    return Scores(nothing, nothing, nothing, np.full(rows, -1))


def score_chunk(
    scorer: Scorer, rows: Rows, on_bad_rows: OnBadRows, first_row: int
) -> tuple[Scores, int]:
    """Score ``rows`` in blocks, and count those off unit length.

    A block is small enough for its float64 copy to stay in cache (4 times faster for one class),
    but has several rows a class: below that the matrix product is slow (half as fast for 500). All
    have the same number of rows, filled up with zeros: matrix products round the last few rows of
    other shapes differently, and a score must not depend on where a chunk ends.
    """
    step = scorer.rows_of_a_block(rows.shape[1])
    parts: list[Scores] = []
    off_unit = 0
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        directions, count = unit_rows(block, on_bad_rows, first_row + start)
        whole = directions
        if len(block) < step:
            whole = np.zeros((step, rows.shape[1]))
            whole[: len(block)] = directions
        parts.append(scorer(whole).head(len(block)))
        off_unit += count
    return joined(parts), off_unit
