"""Mean directions to begin EM with, chosen among the rows.

- "k-means++": each next row with probability proportional to its 1 - cos to the nearest chosen one, the best of a few
  such draws (Arthur & Vassilvitskii, SODA 2007; with 1 - cos for directions Endo & Miyamoto, MDAI 2015).
- "farthest": each next row the one whose nearest chosen one is farthest (Gonzalez, Theoretical Computer Science 38,
  1985); it finds small remote groups, and outliers.
- "random": rows drawn at random.

They look at a random sample of rows, since one chosen among some thousands is as good as one among all.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from vmf.arrays.blocks import DirectionRows
from vmf.arrays.types import Matrix, Vector

Start = Literal["k-means++", "farthest", "random"]
STARTS = ("k-means++", "farthest", "random")

_FEWEST_ROWS = 2048
_ROWS_PER_COMPONENT = 20


def start_directions(
    rows: DirectionRows,
    sample_weight: Vector,
    count: int,
    start: Start,
    random: np.random.RandomState,
) -> Matrix:
    """Return `count` unit rows, (count, dim) float64, different ones as long as there are.

    Parameters
    ----------
    sample_weight : (n,) float64
        Rows of weight 0 are not chosen.
    """
    candidates = np.flatnonzero(sample_weight)
    wanted = max(_FEWEST_ROWS, _ROWS_PER_COMPONENT * count)
    if candidates.size > wanted:
        candidates = np.sort(random.choice(candidates, wanted, replace=False))
    directions = rows.directions(candidates)
    weights = sample_weight[candidates]
    if start == "random":
        drawn = random.choice(
            candidates.size, count, replace=candidates.size < count, p=weights / weights.sum()
        )
        return directions[drawn]
    trials = 1 if start == "farthest" else 2 + int(math.log(count))
    first = random.choice(candidates.size, p=weights / weights.sum())
    chosen = [int(first)]
    nearest = _distances(directions, directions[chosen])[0]
    while len(chosen) < count:
        potential = weights * nearest
        if start == "farthest":
            drawn = np.array([int(np.argmax(np.where(weights > 0, nearest, -1.0)))])
        else:
            total = potential.sum()
            odds = potential / total if total > 0 else weights / weights.sum()
            drawn = random.choice(candidates.size, trials, p=odds)
        after = np.minimum(nearest, _distances(directions, directions[drawn]))
        best = int(np.argmin(after @ weights))
        chosen.append(int(drawn[best]))
        nearest = after[best]
    return directions[chosen]


def _distances(directions: Matrix, chosen: Matrix) -> Matrix:
    distances: Matrix = np.maximum(1.0 - chosen @ directions.T, 0.0)
    return distances
