"""Approximate nearest rows: those of the cells that a query is nearest to.

The rows are put into cells around centres, as spherical k-means finds them (Dhillon & Modha, Machine
Learning 42 (2001) 143-175), and a query is compared with the rows of the nearest cells only: an inverted
file (Sivic & Zisserman, ICCV 2003; Jegou, Douze & Schmid, IEEE TPAMI 33 (2011) 117-128). As every row is a
query too, the queries that look into a cell are taken together: one matrix product a cell, which on a
CPU is several times as fast as the lists that faiss goes through query by query (benchmarks/evaluate.py
measures both).

The rows that are searched are kept in half precision, cell by cell, as many at a time as fit into
memory; the queries are read past them, by this process or by the workers of a cluster.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import widened
from vmf.embeddings.embedding_file import FloatRows
from vmf.evaluation.kept import Kept
from vmf.evaluation.nearest import (
    Places,
    Similarities,
    directions_of,
    filled_up,
    hide,
    in_threads,
    slices,
    threads,
    used_directions,
)
from vmf.evaluation.retrieval import Search
from vmf.evaluation.rows import Indices
from vmf.passes.engine import Column, Task

Halves = npt.NDArray[np.float16]
Centres = npt.NDArray[np.float32]

CELLS_PER_ROOT = 3.0
"""Cells there are for each square root of the number of rows: 3000 for a million. Those with several
times as many rows as others are cut again, which makes as many more at most."""

_ROWS_A_CENTRE = 32
_ITERATIONS = 8
_ITERATIONS_OF_A_CUT = 5
_CHUNK_BYTES = 32 << 20
_SMALL_BYTES = 16 << 20
_TILE_ROWS = 1024
_ROWS_OF_A_CELL = 2048
_BYTES_OF_A_CELL = 16 << 20
"""So many rows of a cell are compared at a time at most."""

_LISTS_BYTES = 32 << 20
"""What the queries that a thread looks up together take: their cells, and the best rows so far."""

_LARGEST_SENT = 256 << 20
"""Bytes of rows that are sent to the workers of a cluster at a time."""


class Tops(NamedTuple):
    """The most similar rows of each query.

    Attributes
    ----------
    similarity : (queries, most) float32 or float64
        Cosines, -inf where there are fewer rows.
    place : (queries, most) int32
        Of each row; -1 where there is none.
    """

    similarity: Similarities
    place: Places


class Best:
    """The rows that are most similar to each of some queries so far.

    Parameters
    ----------
    queries : int
    most : int
        How many rows are kept for each.
    """

    def __init__(self, queries: int, most: int) -> None:
        self._most = most
        self._spare = max(most, 128)
        self._similarity = np.full((queries, most + self._spare), -np.inf, np.float32)
        self._place = np.full((queries, most + self._spare), -1, np.int32)
        self._filled = np.zeros(queries, np.intp)
        self._least = np.full(queries, -np.inf, np.float32)

    @staticmethod
    def bytes_a_query(most: int) -> int:
        """What it takes, its result included."""
        return 8 * (2 * most + max(most, 128))

    def add(self, number: Indices, similar: Similarities, places: Places) -> None:
        """Take in how similar some rows are to some queries.

        Parameters
        ----------
        number : (m,) intp
            Of the queries, each once.
        similar : (m, rows)
        places : (rows,) int32
        """
        above = similar > self._least[number, np.newaxis]
        count = np.count_nonzero(above, axis=1)
        if not count.any():
            return
        width = similar.shape[1]
        crowded = np.flatnonzero(count > self._spare)
        if crowded.size:
            top = np.argpartition(similar[crowded], width - self._most, axis=1)[:, -self._most :]
            above[crowded] = False
            above[crowded[:, np.newaxis], top] = True
            count[crowded] = self._most
        full = self._filled[number] + count > self._similarity.shape[1]
        if full.any():
            self._thin(number[full])
        query, column = np.divmod(np.flatnonzero(above), width)
        before = np.cumsum(count) - count
        to = (self._filled[number] - before)[query] + np.arange(len(query))
        self._similarity[number[query], to] = similar[query, column]
        self._place[number[query], to] = places[column]
        self._filled[number] += count
        # With a bound as soon as there can be one, the next rows are mostly passed over.
        unbounded = number[(self._filled[number] >= self._most) & (self._least[number] == -np.inf)]
        if unbounded.size:
            self._thin(unbounded)

    def _thin(self, queries: npt.NDArray[np.intp]) -> None:
        """Keep the best of these queries only."""
        most = self._most
        values = self._similarity[queries]
        top = np.argpartition(values, values.shape[1] - most, axis=1)[:, -most:]
        kept = np.take_along_axis(values, top, axis=1)
        self._place[queries, :most] = np.take_along_axis(self._place[queries], top, axis=1)
        self._similarity[queries, :most] = kept
        self._similarity[queries, most:] = -np.inf
        self._filled[queries] = np.minimum(self._filled[queries], most)
        self._least[queries] = kept.min(axis=1)

    def result(self) -> Tops:
        """Return the most similar rows, in any order."""
        self._thin(np.arange(len(self._least)))
        return Tops(self._similarity[:, : self._most], self._place[:, : self._most])


@dataclass(frozen=True)
class InCell(Task[npt.NDArray[np.int32]]):
    """Finds the cell of each row that has a place; its column holds the places."""

    centres: Centres

    most_rows = 1 << 19
    chunk_bytes = _CHUNK_BYTES

    @property
    def beside(self) -> int:  # type: ignore[override]
        """Directions, and similarities to the centres."""
        return _CHUNK_BYTES + threads() * 8 * _TILE_ROWS * len(self.centres)

    def of_block(
        self, rows: FloatRows, first_row: int, columns: Sequence[Column]
    ) -> npt.NDArray[np.int32]:
        """Return the cells of some rows."""
        directions, _, _ = used_directions(rows, columns, np.float32)
        return nearest_centres(directions, self.centres)

    def merge(self, parts: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
        """Return the cells one after the other."""
        return np.concatenate(parts)


@dataclass(frozen=True)
class Directions(Task[Halves]):
    """Gives the directions of the rows that have a place, in half precision."""

    most_rows = 1 << 19
    blocks_per_thread = 2
    gives_rows = True

    def of_block(self, rows: FloatRows, first_row: int, columns: Sequence[Column]) -> Halves:
        """Return (n, dim)."""
        return used_directions(rows, columns, np.float32)[0].astype(np.float16)

    def merge(self, parts: Sequence[Halves]) -> Halves:
        """Return the rows one after the other."""
        return np.concatenate(parts)


@dataclass(frozen=True)
class LookUp(Task[Tops]):
    """Looks rows up among others that lie in cells; its column holds the places of the rows.

    Parameters
    ----------
    rows : (searched, dim) float16
        Unit vectors, cell after cell.
    places : (searched,) int32
        Of these; increasing in each cell.
    starts : (cells + 1,) intp
        Where in `rows` a cell begins.
    centres : (cells, dim) float32
    cells : int
        How many are looked into for a row.
    most : int
        Neighbours that are wanted.
    """

    rows: Halves
    places: Places
    starts: Indices
    centres: Centres
    cells: int
    most: int

    most_rows = 1 << 19
    blocks_per_thread = 2
    chunk_bytes = _CHUNK_BYTES

    @property
    def beside(self) -> int:  # type: ignore[override]
        """Directions, similarities, which cells, and the best so far."""
        return look_up_bytes(len(self.centres), int(self.rows.shape[1]), self.most)

    def of_block(self, rows: FloatRows, first_row: int, columns: Sequence[Column]) -> Tops:
        """Return the neighbours of those that have a place."""
        queries, own, _ = used_directions(rows, columns, np.float32)
        found = Tops(
            np.full((len(queries), self.most), -np.inf, np.float32),
            np.full((len(queries), self.most), -1, np.int32),
        )

        def look_up(part: slice) -> None:
            best = Best(part.stop - part.start, self.most)
            cells = self._cells_of(queries[part])
            # The nearest cell first: what it gives is mostly better than what the others have.
            for some in (cells[:, :1], cells[:, 1:]):
                self._look_into(some, queries[part], own[part], best)
            found.similarity[part], found.place[part] = best.result()

        each = Best.bytes_a_query(self.most) + _BYTES_A_CELL * self.cells
        # In equal parts, as many for each thread.
        rounds = -(-len(queries) * each // (threads() * _LISTS_BYTES))
        at_once = -(-len(queries) // (threads() * max(1, rounds)))
        in_threads(look_up, slices(len(queries), max(1, at_once)))
        return found

    def merge(self, parts: Sequence[Tops]) -> Tops:
        """Return the neighbours one after the other."""
        return Tops(*(np.concatenate(values) for values in zip(*parts, strict=True)))

    def _cells_of(self, queries: FloatRows) -> npt.NDArray[np.int32]:
        """The nearest cells of each query, the nearest one first."""
        found = np.empty((len(queries), self.cells), np.int32)
        for part in slices(len(queries), _TILE_ROWS):
            away = -(filled_up(queries[part]) @ self.centres.T)[: part.stop - part.start]
            if self.cells < len(self.centres):
                found[part] = np.argpartition(away, self.cells - 1, axis=1)[:, : self.cells]
            else:
                found[part] = np.arange(len(self.centres))
            first = np.take_along_axis(away, found[part], axis=1).argmin(axis=1)
            local = np.arange(len(first))
            swapped = found[part][local, first]
            found[part][local, first] = found[part][:, 0]
            found[part][:, 0] = swapped
        return found

    def _look_into(
        self, cells: npt.NDArray[np.int32], queries: FloatRows, own: Places, best: Best
    ) -> None:
        """Compare queries with the rows of their cells, a cell at a time."""
        wide = cells.shape[1]
        if not wide:
            return
        order = np.argsort(cells.reshape(-1), kind="stable")
        ends = np.cumsum(np.bincount(cells.reshape(-1), minlength=len(self.centres)))
        begins = np.concatenate([[0], ends[:-1]])
        for cell in np.flatnonzero((ends > begins) & (np.diff(self.starts) > 0)):
            start, stop = int(self.starts[cell]), int(self.starts[cell + 1])
            for some in slices(stop - start, _rows_of_a_cell(queries.shape[1])):
                inside = slice(start + some.start, start + some.stop)
                rows, places = widened(self.rows[inside]), self.places[inside]
                for part in slices(int(ends[cell] - begins[cell]), _TILE_ROWS):
                    number = order[begins[cell] + part.start : begins[cell] + part.stop] // wide
                    similar = (filled_up(queries[number]) @ rows.T)[: len(number)]
                    hide(similar, own[number], places)
                    best.add(number, similar, places)


_BYTES_A_CELL = 40  # of a query that looks into it: the cell, and its place among all, sorted


def look_up_bytes(centres: int, dimension: int, most: int) -> int:
    """What `LookUp` takes: directions, what is found, and for each thread lists and similarities."""
    rows = _CHUNK_BYTES // (4 * dimension)
    wide = dimension + 3 * _TILE_ROWS
    tile = 4 * (3 * _TILE_ROWS * centres + _rows_of_a_cell(dimension) * wide)
    return _CHUNK_BYTES + 8 * most * rows + threads() * (_LISTS_BYTES + tile)


def _rows_of_a_cell(dimension: int) -> int:
    return max(64, min(_ROWS_OF_A_CELL, _BYTES_OF_A_CELL // (4 * dimension)))


class Approximate(NamedTuple):
    """What was found in the cells.

    Attributes
    ----------
    nearest : (rows, most) int32
        Places, the most similar first, -1 where fewer rows were compared.
    similarity : (rows, most) float32
    cells, looked_into : int
        How many there are, and how many of them were looked into for each row.
    compared : float
        Rows that each was compared with, on average.
    """

    nearest: Places
    similarity: Similarities
    cells: int
    looked_into: int
    compared: float


def search_cells(
    search: Search,
    sample: Indices,
    exact: Places,
    most: int,
    wanted: float,
    most_compared: int,
    seed: int,
    kept: Kept,
) -> Approximate:
    """Look every row up in as many cells as give the wanted share of the neighbours of a sample.

    Parameters
    ----------
    search : Search
    sample : (queries,) intp
        Places of rows whose neighbours are known.
    exact : (queries, k) int32
        Places of these.
    most : int
        Neighbours to look for.
    wanted : float
        Share of the neighbours that are to be found.
    most_compared : int
        Rows that a query is compared with at most, on average.
    seed : int
        Of the rows that the cells are made of.
    kept : Kept
    """
    count, passes = len(search), search.passes
    if "centres" not in kept:
        kept.put(centres=_centres(search, seed))
    centres = kept["centres"]
    if "cells" not in kept:
        task = InCell(centres)
        parts = [
            step.found
            for step in passes.run(task, search.rows, columns=[search.column], what="cells")
            if step.found is not None
        ]
        kept.put(cells=np.concatenate(parts))
    cells = kept["cells"]
    sizes = np.bincount(cells, minlength=len(centres))
    looked_into, compared = _how_many(
        search, sample, exact, centres, cells, sizes, wanted, most_compared
    )
    shard_rows = kept.number("shard_rows") or _rows_at_once(search, len(centres), most)
    kept.put(shard_rows=shard_rows)
    similarity = kept.begun("cells_similarity", (count, most), -np.inf, np.float32)
    nearest = kept.begun("cells_nearest", (count, most), -1, np.int32)
    shards = slices(count, shard_rows)
    for number in range(kept.number("shards_done"), len(shards)):
        rows, places, starts = _shard(search, cells, shards[number], len(centres))
        task_ = LookUp(rows, places, starts, centres, looked_into, most)
        for step in passes.run(
            task_,
            search.rows,
            columns=[search.column],
            skip=kept.number("shard_queries_done"),
            what=f"neighbours, part {number + 1} of {len(shards)}"
            if len(shards) > 1
            else "neighbours",
        ):
            assert step.found is not None
            here = search.column[step.rows - step.count : step.rows]
            here = here[here >= 0]
            if len(here):
                part = slice(int(here[0]), int(here[-1]) + 1)
                found = _together(Tops(similarity[part], nearest[part]), step.found, most)

                def keep(part: slice = part, found: Tops = found, rows: int = step.rows) -> None:
                    similarity[part], nearest[part] = found
                    kept.put(shard_queries_done=rows)

                try:
                    keep()
                except BaseException:  # whose checkpoint needs all of it or nothing
                    keep()
                    raise
            else:
                kept.put(shard_queries_done=step.rows)
        kept.put(shards_done=number + 1, shard_queries_done=0)
        del rows, task_
    return Approximate(nearest, similarity, len(centres), looked_into, compared)


def cells_of(rows: int) -> int:
    """How many cells so many rows are put into at first; see `CELLS_PER_ROOT`."""
    return min(max(1, round(CELLS_PER_ROOT * math.sqrt(rows))), rows)


def nearest_centres(directions: FloatRows, centres: Centres) -> npt.NDArray[np.int32]:
    """The most similar centre of each direction, (n,)."""
    found = np.empty(len(directions), np.int32)

    def of_tile(part: slice) -> None:
        similar = filled_up(directions[part]) @ centres.T
        found[part] = similar[: part.stop - part.start].argmax(axis=1)

    in_threads(of_tile, slices(len(directions), _TILE_ROWS))
    return found


def _centres(search: Search, seed: int) -> Centres:
    """Centres of cells, by spherical k-means of some of the rows."""
    rng = np.random.default_rng(seed)
    count = cells_of(len(search))
    held = max(1, _held_at_once(search))
    # So many whatever the memory, that the cells hardly ever depend on it.
    fewest = max(2 * math.isqrt(len(search)), _SMALL_BYTES // (4 * search.rows.dimension))
    size = min(_ROWS_A_CENTRE * count, len(search), max(held, fewest))
    count = min(count, size)
    chosen = rng.choice(len(search), size, replace=False)
    rows = search.directions(np.sort(chosen)).astype(np.float32, copy=False)
    centres = _k_means(rows, count, _ITERATIONS, rng)
    # A query that looks into a large cell is compared with many rows that are not near it.
    cell = nearest_centres(rows, centres)
    inside = np.split(
        np.argsort(cell, kind="stable"), np.cumsum(np.bincount(cell, minlength=count))
    )
    found = []
    for number in range(count):
        parts = len(inside[number]) * count // len(rows)
        if parts < 2:
            found.append(centres[number : number + 1])
        else:
            found.append(_k_means(rows[inside[number]], parts, _ITERATIONS_OF_A_CUT, rng))
    return np.concatenate(found)


def _k_means(rows: FloatRows, count: int, iterations: int, rng: np.random.Generator) -> Centres:
    """The centres of `count` cells by spherical k-means of unit rows, of which there are as many or more."""
    centres = rows[np.sort(rng.choice(len(rows), count, replace=False))]
    for _ in range(iterations):
        cell = nearest_centres(rows, centres)
        order = np.argsort(cell, kind="stable")
        filled, first = np.unique(cell[order], return_index=True)
        sums = np.add.reduceat(rows[order], first, axis=0)
        # A cell that has lost its rows begins anew at one of them.
        fresh = rows[rng.choice(len(rows), count)]
        fresh[filled] = sums
        centres = directions_of(fresh, np.float32)
        bad = ~np.isfinite(centres[:, 0])  # of rows that cancel
        centres[bad] = rows[: int(bad.sum())]
    return centres


def _how_many(
    search: Search,
    sample: Indices,
    exact: Places,
    centres: Centres,
    cells: npt.NDArray[np.int32],
    sizes: Indices,
    wanted: float,
    most_compared: int,
) -> tuple[int, float]:
    """How many cells to look into, and how many rows are in them on average."""
    needed = np.zeros(len(centres) + 1, np.intp)
    compared = np.zeros(len(centres))
    held = slices(len(sample), max(1, _held_at_once(search)))
    for part, directions in _tiles(search, sample, held):
        similar = directions @ centres.T
        order = np.argsort(-similar, axis=1, kind="stable")
        compared += np.cumsum(sizes[order], axis=1).sum(axis=0)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(len(centres))[np.newaxis], axis=1)
        of_neighbours = np.take_along_axis(rank, cells[exact[part]].astype(np.intp), axis=1)
        needed += np.bincount(of_neighbours.reshape(-1) + 1, minlength=len(needed))
    share = np.cumsum(needed)[1:] / exact.size  # with 1, 2, ... cells
    compared /= len(sample)
    enough = min(int(np.count_nonzero(share < wanted)) + 1, len(centres))
    allowed = max(1, int(np.count_nonzero(compared <= most_compared)))
    chosen = min(enough, allowed)
    return chosen, float(compared[chosen - 1])


def _tiles(
    search: Search, sample: Indices, held: Sequence[slice]
) -> Iterator[tuple[slice, FloatRows]]:
    """The directions of rows at some places, a tile at a time; read as many at a time as may be held."""
    for some in held:
        directions = search.directions(sample[some]).astype(np.float32, copy=False)
        for tile in slices(len(directions), _TILE_ROWS):
            yield slice(some.start + tile.start, some.start + tile.stop), directions[tile]


def _held_at_once(search: Search) -> int:
    """How many rows may be in memory with what is computed of them: as read, and a few times so wide."""
    return search.passes.room(0.25) // (16 * search.rows.dimension)


def _rows_at_once(search: Search, centres: int, most: int) -> int:
    """How many rows are searched at a time."""
    dimension = search.rows.dimension
    # Every part is a search of its own: cells for each query, and half the work lost on the way.
    size = search.passes.room(0.85, look_up_bytes(centres, dimension, most))
    if not search.passes.runner.is_here:
        size = min(size, _LARGEST_SENT)
    return max(1024, size // (2 * dimension + 8))


def _shard(
    search: Search, cells: npt.NDArray[np.int32], part: slice, count: int
) -> tuple[Halves, Places, Indices]:
    """The rows at some places, cell after cell; see `LookUp`."""
    own = cells[part]
    order = np.argsort(own, kind="stable")
    to = np.empty(len(own), np.intp)
    to[order] = np.arange(len(own))
    rows = np.empty((len(own), search.rows.dimension), np.float16)
    column = np.where(
        (search.column >= part.start) & (search.column < part.stop), search.column, -1
    )
    done = 0
    for step in search.passes.run(
        Directions(),
        search.rows,
        columns=[column.astype(np.int32)],
        skip=int(search.inside[part.start]),
        stop=int(search.inside[part.stop - 1]) + 1,
    ):
        assert step.found is not None
        rows[to[done : done + len(step.found)]] = step.found
        done += len(step.found)
    starts = np.concatenate([[0], np.cumsum(np.bincount(own, minlength=count))])
    return rows, (part.start + order).astype(np.int32), starts


def _together(before: Tops, new: Tops, most: int) -> Tops:
    """The best of both, the most similar first; a row that is in both counts once."""
    again = (new.place[:, :, np.newaxis] == before.place[:, np.newaxis, :]).any(axis=2)
    similarity = np.where(again, -np.inf, new.similarity)
    similarity = np.concatenate([before.similarity, similarity], axis=1)
    place = np.concatenate([before.place, new.place], axis=1)
    order = np.lexsort((place, -similarity), axis=1)[:, :most]
    return Tops(
        np.take_along_axis(similarity, order, axis=1), np.take_along_axis(place, order, axis=1)
    )
