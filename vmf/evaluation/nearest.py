"""The most similar rows of each of some queries: by comparing them with all rows, a block at a time.

Cosine similarities are matrix products of unit vectors. Of a tile of them only those above the lowest
one that a query has kept so far are looked at, so that a similarity costs hardly more than its product,
however many neighbours are kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import unit_rows
from vmf.embeddings.embedding_file import FloatRows
from vmf.passes.engine import Column, Task

Done = TypeVar("Done")
Part = TypeVar("Part")
Places = npt.NDArray[np.int32]
Similarities = npt.NDArray[np.floating[Any]]

QUERIES_OF_A_TILE = 1024
ROWS_OF_A_TILE = 1024
"""A tile of similarities, 4 MB of float32, stays in the cache between its product and its comparison."""

QUERIES_OF_A_GUESS = 256
_UNIT_ELEMENTS = 1 << 20
_CHUNK_BYTES = 32 << 20


class Near(NamedTuple):
    """Pairs of a query and a row that is near to it, in any order.

    Attributes
    ----------
    query : (pairs,) int32
        The number of the query.
    place : (pairs,) int32
        Of the row.
    similarity : (pairs,) float32 or float64
        Their cosine.
    """

    query: npt.NDArray[np.int32]
    place: Places
    similarity: Similarities


@dataclass(frozen=True)
class Nearest(Task[Near]):
    """Finds rows that are near to queries; its column holds the places of the rows.

    Rows at place -1 are passed over.

    Parameters
    ----------
    queries : (queries, dim) float32 or float64
        Unit vectors.
    own : (queries,) int32
        The place of each, which is not its own neighbour.
    floor : (queries,) float32 or float64
        Less similar rows are passed over.
    most : (queries,) intp
        How many of the others are enough, of those that are most similar.
    """

    queries: FloatRows
    own: Places
    floor: Similarities
    most: npt.NDArray[np.intp]

    chunk_bytes = _CHUNK_BYTES
    blocks_per_thread = 2

    @property
    def beside(self) -> int:  # type: ignore[override]
        """Tiles of similarities, unit rows, and what is found: sorted, merged."""
        size = self.queries.dtype.itemsize
        return nearest_bytes(size) + pair_bytes(size) * int(self.most.sum())

    def of_block(self, rows: FloatRows, first_row: int, columns: Sequence[Column]) -> Near:
        """Return those of some rows."""
        directions, places, _ = used_directions(rows, columns, self.queries.dtype)

        def search(tile: slice) -> list[Near]:
            floor, most = self.floor[tile, np.newaxis], self.most[tile]
            found = []
            for part, similar in similarities(self.queries[tile], directions):
                hide(similar, self.own[tile], places[part])
                above = similar >= floor
                count = np.count_nonzero(above, axis=1)
                for crowded in np.flatnonzero(count > 2 * most + 64):  # rows that are all alike
                    enough = np.argpartition(-similar[crowded], most[crowded])[: most[crowded]]
                    above[crowded] = False
                    above[crowded, enough] = True
                query, column = np.divmod(np.flatnonzero(above), similar.shape[1])
                found.append(
                    Near(
                        (tile.start + query).astype(np.int32),
                        places[part][column],
                        similar[query, column],
                    )
                )
            return found

        parts = in_threads(search, slices(len(self.queries), QUERIES_OF_A_TILE))
        return self.merge([near for found in parts for near in found] or [self._nothing()])

    def merge(self, parts: Sequence[Near]) -> Near:
        """Return those of all rows."""
        found = Near(*(np.concatenate(values) for values in zip(*parts, strict=True)))
        if len(found.query) <= 4 * int(self.most.sum()) + 1000:
            return found
        return _enough(found, self.most)

    def _nothing(self) -> Near:
        none = np.empty(0, np.int32)
        return Near(none, none, np.empty(0, self.queries.dtype))


def nearest_bytes(itemsize: int) -> int:
    """What `Nearest` takes beside what it finds: unit rows, and similarities in each thread."""
    return 2 * _CHUNK_BYTES + threads() * 4 * itemsize * QUERIES_OF_A_TILE * ROWS_OF_A_TILE


def pair_bytes(itemsize: int) -> int:
    """What a wanted pair takes until it has been looked at."""
    return 6 * (8 + itemsize)


def in_order(found: Near) -> Near:
    """Return the pairs query by query, the most similar first, equally similar ones by their place."""
    order = np.lexsort((found.place, -found.similarity, found.query))
    return Near(found.query[order], found.place[order], found.similarity[order])


def _enough(found: Near, most: npt.NDArray[np.intp]) -> Near:
    """The `most` nearest of each query."""
    found = in_order(found)
    count = np.bincount(found.query, minlength=len(most))
    number = np.arange(len(found.query)) - np.repeat(np.cumsum(count) - count, count)
    kept = number < most[found.query]
    return Near(found.query[kept], found.place[kept], found.similarity[kept])


def floors(
    queries: FloatRows,
    own: Places,
    most: npt.NDArray[np.intp],
    sample: FloatRows,
    places: Places,
    rows: int,
    tries: int = 0,
) -> Similarities:
    """Guess how similar to each query as many of all rows are as are wanted, from a sample of them.

    Low enough that there are fewer of them for one query in a thousand only: three standard
    deviations of the number of wanted rows in the sample, and lower with every try.

    Parameters
    ----------
    queries, own, most
        See `Nearest`.
    sample : (sampled, dim)
        Unit vectors, drawn from all rows.
    places : (sampled,) int32
        Of these, in order.
    rows : int
        How many there are in all.
    """
    expected = most * (len(sample) / rows)
    rank = np.ceil((expected + 3.0 * np.sqrt(expected) + 3.0) * 4.0**tries).astype(np.intp)
    found = np.full(len(queries), -np.inf, queries.dtype)

    def search(tile: slice) -> None:
        similar = np.concatenate([s for _, s in similarities(queries[tile], sample)], axis=1)
        hide(similar, own[tile], places)
        for place in np.unique(rank[tile]):
            if place >= len(sample):
                continue
            those = np.flatnonzero(rank[tile] == place)
            kth = len(sample) - place
            found[tile.start + those] = np.partition(similar[those], kth, axis=1)[:, kth]

    in_threads(search, slices(len(queries), QUERIES_OF_A_GUESS))
    return found


@dataclass(frozen=True)
class Ahead(Task[Similarities]):
    """Finds the similarity of the most similar row of each query's class or, knowing that, how many
    rows of other classes are as similar.

    Its columns are the places of the rows and their classes.

    Parameters
    ----------
    queries, own
        See `Nearest`.
    codes : (queries,) integers
        The class of each.
    least : (queries,) float32 or float64, optional
        What was found without it.
    """

    queries: FloatRows
    own: Places
    codes: npt.NDArray[Any]
    least: Similarities | None = None

    chunk_bytes = _CHUNK_BYTES

    def of_block(self, rows: FloatRows, first_row: int, columns: Sequence[Column]) -> Similarities:
        """Return (queries,) of some rows."""
        directions, places, codes = used_directions(rows, columns, self.queries.dtype)
        assert codes is not None
        found = np.full(len(self.queries), -np.inf if self.least is None else 0.0)

        def search(tile: slice) -> None:
            for part, similar in similarities(self.queries[tile], directions):
                same = self.codes[tile, np.newaxis] == codes[part]
                if self.least is None:
                    hide(similar, self.own[tile], places[part])
                    best = np.where(same, similar, -np.inf).max(axis=1)
                    found[tile] = np.maximum(found[tile], best)
                else:
                    near = (similar >= self.least[tile, np.newaxis]) & ~same
                    found[tile] += np.count_nonzero(near, axis=1)

        in_threads(search, slices(len(self.queries), QUERIES_OF_A_TILE))
        return found

    def merge(self, parts: Sequence[Similarities]) -> Similarities:
        """Return (queries,) of all rows."""
        together: Similarities = (
            np.maximum.reduce(parts) if self.least is None else np.add.reduce(parts)
        )
        return together


def directions_of(rows: FloatRows, dtype: npt.DTypeLike) -> FloatRows:
    """Return rows divided by their lengths; NaN for those without a direction."""
    found = np.empty(rows.shape, dtype)
    for part in slices(len(rows), max(1, _UNIT_ELEMENTS // rows.shape[1])):
        found[part] = unit_rows(rows[part], "skip", 0)[0]
    return found


def used_directions(
    rows: FloatRows, columns: Sequence[Column], dtype: npt.DTypeLike
) -> tuple[FloatRows, Places, npt.NDArray[Any] | None]:
    """Return the directions of the rows that have a place, their places, and what else goes with them."""
    places, *others = columns
    assert places is not None
    other = others[0] if others else None
    if (places >= 0).all():
        return directions_of(rows, dtype), places, other
    used = np.flatnonzero(places >= 0)
    return directions_of(rows[used], dtype), places[used], None if other is None else other[used]


def similarities(queries: FloatRows, directions: FloatRows) -> Iterator[tuple[slice, Similarities]]:
    """Yield the similarities of queries and rows, a tile at a time; each may be changed.

    What does not fill a tile is filled up: so the bits of a similarity do not depend on which
    rows come with it.
    """
    count = len(queries)
    queries = filled_up(queries)
    for part in slices(len(directions), ROWS_OF_A_TILE):
        rows = filled_up(directions[part])
        yield part, (queries @ rows.T)[:count, : part.stop - part.start]


def filled_up(rows: FloatRows) -> FloatRows:
    """Return rows and as many zero ones as make their number a multiple of 64."""
    missing = -len(rows) % 64
    if not missing:
        return rows
    return np.concatenate([rows, np.zeros((missing, rows.shape[1]), rows.dtype)])


def hide(similar: Similarities, own: Places, places: Places) -> None:
    """Make each query's similarity with itself -inf; `places` increase."""
    column = np.minimum(np.searchsorted(places, own), len(places) - 1)
    there = np.flatnonzero(places[column] == own)
    similar[there, column[there]] = -np.inf


def slices(count: int, step: int) -> list[slice]:
    """Cut `count` things into parts of `step`, the last one shorter."""
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def threads() -> int:
    """How many threads a task uses: as the compiled functions, one for each processor at most."""
    chosen = os.environ.get("VMF_NUM_THREADS", "")
    if chosen.isdigit() and int(chosen) > 0:
        return int(chosen)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(work: Callable[[Part], Done], parts: Sequence[Part]) -> list[Done]:
    """Do some work on each part, several at a time, each in one thread of the linear algebra."""
    with _linear_algebra().limit(limits=1, user_api="blas"):
        if threads() == 1 or len(parts) < 2:
            return [work(part) for part in parts]
        with ThreadPoolExecutor(threads(), "vmf-evaluate") as pool:
            return list(pool.map(work, parts))


@cache
def _linear_algebra() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
