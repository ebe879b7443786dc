"""Whether the nearest embeddings show the same class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import as_rows
from vmf.embeddings.embedding_file import FloatRows
from vmf.embeddings.held_rows import HeldRows
from vmf.evaluation.kept import Kept
from vmf.evaluation.nearest import (
    QUERIES_OF_A_GUESS,
    Ahead,
    Near,
    Nearest,
    Places,
    directions_of,
    floors,
    in_order,
    nearest_bytes,
    pair_bytes,
    threads,
)
from vmf.evaluation.rows import EvaluatedRows, Indices, Passes
from vmf.passes.engine import Reading
from vmf.passes.here import Here
from vmf.passes.memory_budget import SLACK
from vmf.uncertainty.norm import row_lengths

Codes = npt.NDArray[np.intp]
Vector = npt.NDArray[np.float64]

_SAMPLED_BYTES = 32 << 20
_SAMPLED_ROWS = 8192
_FEWEST_SAMPLED_ROWS = 256
_TRIES = 5


@dataclass(frozen=True)
class Retrieval:
    """What the cosine similarities between all rows say, a value a query; queries are rows too.

    Attributes
    ----------
    nearest : (queries,) intp
        The most similar other row.
    cosine : (queries,) float64
        Its cosine similarity.
    rank : (queries,) intp
        At which place, from 1, the first row of the same class comes, rows of other classes that
        are equally similar before it; 0 for a row alone in its class, `searched` + 1 for a first
        row beyond the places that were looked at.
    average_precision : (queries,) float64
        Average precision at R, NaN for a row alone in its class. Its mean is MAP@R (Musgrave,
        Belongie & Lim, ECCV 2020): R is the number of other rows of the class, and the precisions
        at the places of those among the first R are added and divided by R.
    searched : int
        How many places were looked at.
    """

    nearest: Indices
    cosine: Vector
    rank: Indices
    average_precision: Vector
    searched: int

    def recall_at(self, k: int) -> Vector:
        """1 for a row with one of its class among the k nearest, else 0; NaN if alone in it.

        Raises
        ------
        ValueError
            For more places than were looked at.
        """
        if k > self.searched:
            raise ValueError(f"k is {k}, but only the {self.searched} nearest were looked at")
        hit = (self.rank <= k).astype(np.float64)
        hit[self.rank == 0] = np.nan
        return hit


def retrieve(
    X: npt.ArrayLike,
    codes: npt.ArrayLike,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Retrieval:
    """Look up every row among all the others by cosine similarity.

    Parameters
    ----------
    X : (rows, dim) array_like
        Only directions count. No copy of it is made.
    codes : (rows,) array_like of integers or strings
        The class of each row.
    progress : callable, optional
        Called with the rows done and the rows in all.

    Raises
    ------
    ValueError
        For fewer than two rows, rows without a direction, another number of codes.
    """
    array = as_rows(X)
    code: npt.NDArray[Any] = np.asarray(codes)
    count = len(array)
    if count < 2:
        raise ValueError(f"X has {count} rows; a nearest neighbour needs at least 2")
    if code.shape != (count,):
        raise ValueError(f"codes have shape {code.shape}; expected ({count},), one a row")
    lengths = row_lengths(array)
    if not lengths.all():
        raise ValueError(f"row {int(np.argmin(lengths))} (counted from 0) is zero")
    every = np.arange(count)
    rows = EvaluatedRows((HeldRows(array),), every, np.ones(count, bool), lengths, count)
    search = Search(rows, every, np.unique(code, return_inverse=True)[1], Passes(Reading(), Here()))
    found, _ = search.exact(every, 1, Kept(), "", tell=progress)
    beyond = np.flatnonzero(found.rank == count)
    found.rank[beyond] = search.ranks(beyond)
    return Retrieval(found.nearest, found.cosine, found.rank, found.average_precision, count - 1)


def exact_bytes(rows: int, dimension: int, itemsize: int) -> int:
    """What exact neighbours take among so many rows, beside a row at a time and what is found.

    That is the pass, a sample of the rows in three copies while it is made, and the similarities of
    a guess from it.
    """
    guess = 3 * itemsize * threads() * QUERIES_OF_A_GUESS * _sample_size(rows, dimension)
    return nearest_bytes(itemsize) + _sample_bytes(rows, dimension, itemsize) + guess + SLACK


def _sample_bytes(rows: int, dimension: int, itemsize: int) -> int:
    return 3 * itemsize * dimension * _sample_size(rows, dimension)


def _sample_size(rows: int, dimension: int) -> int:
    most = min(_SAMPLED_ROWS, _SAMPLED_BYTES // (dimension * 4))
    return min(max(_FEWEST_SAMPLED_ROWS, most), rows)


class Search:
    """Looks up rows among some rows.

    Parameters
    ----------
    rows : EvaluatedRows
    inside : (n,) intp
        Which of them are searched, in order; a place is a position in this.
    codes : (n,) intp
        The class of each, 0, 1, ...
    passes : Passes
    seed : int
        Of the sample by which the search is made fast; it changes no result.
    """

    def __init__(
        self, rows: EvaluatedRows, inside: Indices, codes: Codes, passes: Passes, seed: int = 0
    ) -> None:
        self.rows = rows
        self.inside = inside
        self.codes = codes
        self.passes = passes
        self.others = np.bincount(codes)[codes] - 1
        self.column = rows.places(inside)
        self._seed = seed
        self._sample: tuple[FloatRows, Places] | None = None

    def __len__(self) -> int:
        return len(self.inside)

    def directions(self, places: Indices) -> FloatRows:
        """Return the directions of the rows at these places, which increase."""
        return directions_of(self.rows.take(self.passes, self.inside[places]), self.rows.dtype)

    def exact(
        self,
        queries: Indices,
        most: int,
        kept: Kept,
        name: str,
        *,
        what: str = "neighbours",
        tell: Callable[[int, int], None] | None = None,
    ) -> tuple[Retrieval, Places]:
        """Compare the rows at some places with all others.

        Parameters
        ----------
        queries : (n,) intp
            Their places, which increase.
        most : int
            Places to look at, at least, for the rank.
        kept : Kept
            Takes in what is found, in names that begin with `name`.

        Returns
        -------
        Retrieval
        (n, most) int32
            The places of the nearest rows.
        """
        count = len(queries)
        most = min(most, len(self) - 1)
        nearest = kept.begun(f"{name}nearest", (count, most), -1, np.int32)
        cosine = kept.begun(f"{name}cosine", (count,), np.nan, np.float64)
        rank = kept.begun(f"{name}rank", (count,), 0, np.intp)
        precision = kept.begun(f"{name}precision", (count,), np.nan, np.float64)
        say = tell or self.passes.say(what)
        done = kept.number(f"{name}done")
        while done < count:
            part = slice(done, done + self._queries_at_once(queries[done:], most))
            found = self._near(queries[part], most)
            graded = self._grade(found, queries[part], most)
            nearest[part], cosine[part], rank[part], precision[part] = graded
            done = min(part.stop, count)
            kept.put(**{f"{name}done": done})
            if say:
                say(done, count)
        found_rows = Retrieval(nearest[:, 0].astype(np.intp), cosine, rank, precision, most)
        return found_rows, nearest

    def ranks(self, queries: Indices) -> Indices:
        """Return at which place the first row of the same class comes, by comparing with all rows."""
        rank = np.empty(len(queries), np.intp)
        code = np.zeros(len(self.rows), np.int32)
        code[self.inside] = self.codes
        done = 0
        while done < len(queries):
            part = slice(done, done + self._queries_at_once(queries[done:], 1))
            places = queries[part]
            task = Ahead(self.directions(places), places.astype(np.int32), self.codes[places])
            columns = [self.column, code]
            least = self.passes.reduce(task, self.rows, columns=columns)
            task = Ahead(task.queries, task.own, task.codes, least.astype(task.queries.dtype))
            rank[part] = 1 + self.passes.reduce(task, self.rows, columns=columns).astype(np.intp)
            done = part.stop
        return rank

    def _queries_at_once(self, queries: Indices, most: int) -> int:
        """How many of these queries fit into memory, with what is found for them."""
        itemsize = self.rows.dtype.itemsize
        wanted = np.maximum(self.others[queries], most)
        bytes_of = np.cumsum(3 * itemsize * self.rows.dimension + pair_bytes(itemsize) * wanted)
        takes = exact_bytes(len(self), self.rows.dimension, itemsize)
        if self._sample is not None:  # which is there
            takes -= _sample_bytes(len(self), self.rows.dimension, itemsize)
        room = self.passes.room(0.7, takes)
        return max(1, int(np.searchsorted(bytes_of, room)))

    def _near(self, queries: Indices, most: int) -> Near:
        """The nearest rows of some queries, by number, in order; at least as many as are needed."""
        wanted = np.maximum(self.others[queries], most)
        directions, own = self.directions(queries), queries.astype(np.int32)
        sample, places = self._sampled()
        parts: list[Near] = []
        left = np.arange(len(queries))
        for tries in range(_TRIES + 1):
            if tries < _TRIES:
                floor = floors(
                    directions[left], own[left], wanted[left], sample, places, len(self), tries
                )
            else:
                floor = np.full(len(left), -np.inf, directions.dtype)
            task = Nearest(directions[left], own[left], floor, wanted[left])
            found = self.passes.reduce(task, self.rows, columns=[self.column])
            count = np.bincount(found.query, minlength=len(left))
            enough = count >= wanted[left]
            sound = enough[found.query]
            parts.append(
                Near(
                    left[found.query[sound]].astype(np.int32),
                    found.place[sound],
                    found.similarity[sound],
                )
            )
            left = left[~enough]
            if not left.size:
                break
        return in_order(Near(*(np.concatenate(v) for v in zip(*parts, strict=True))))

    def _sampled(self) -> tuple[FloatRows, Places]:
        if self._sample is None:
            rng = np.random.default_rng(self._seed)
            size = _sample_size(len(self), self.rows.dimension)
            chosen = np.sort(rng.choice(len(self), size, replace=False))
            self._sample = self.directions(chosen), chosen.astype(np.int32)
        return self._sample

    def _grade(
        self, found: Near, queries: Indices, most: int
    ) -> tuple[npt.NDArray[Any], Vector, Indices, Vector]:
        """The nearest, the first cosine, the rank and the average precision of each query."""
        count = len(queries)
        query, place, similarity = found
        each = np.bincount(query, minlength=count)
        first = np.cumsum(each) - each
        number = np.arange(len(query)) - first[query]
        nearest = place[first[:, np.newaxis] + np.arange(most)]
        same = self.codes[place] == self.codes[queries][query]
        others = self.others[queries]
        best = np.full(count, np.inf, similarity.dtype)
        leading = np.flatnonzero(same)[::-1]
        best[query[leading]] = similarity[leading]  # the first of each is written last
        as_near = ~same & (similarity >= best[query])
        rank = 1 + np.bincount(query[as_near], minlength=count)
        rank[np.isinf(best)] = len(self)  # beyond what was looked at
        rank = np.where(others > 0, rank, 0)
        # The k-th of the same class, at place j of the first R, has precision k/j.
        kept = np.flatnonzero(same & (number < others[query]))
        hits = np.bincount(query[kept], minlength=count)
        order = np.arange(len(kept)) - np.repeat(np.cumsum(hits) - hits, hits) + 1
        total = np.bincount(query[kept], order / (number[kept] + 1.0), minlength=count)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(others > 0, total / others, np.nan)
        return nearest, similarity[first].astype(np.float64), rank, precision
