"""The neighbours of rows: exact, or approximate with an exact sample that says how good they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vmf.evaluation.cells import Approximate, cells_of, look_up_bytes, search_cells
from vmf.evaluation.kept import Kept
from vmf.evaluation.nearest import Places
from vmf.evaluation.retrieval import Codes, Retrieval, Search, exact_bytes
from vmf.evaluation.rows import EvaluatedRows, Indices, Passes

Vector = npt.NDArray[np.float64]

EXACT_ROWS = 100_000
"""Up to so many rows, each is compared with all others."""

_FEWEST_BYTES_AT_ONCE = 48 << 20
"""Of queries, or of rows that are searched, so that files are not read for every few of them."""

_PAIRS_OF_SAMPLE = 200_000_000
_FEWEST_SAMPLED = 1000


@dataclass(frozen=True)
class NeighbourSearch:
    """How neighbours are looked for.

    Attributes
    ----------
    how : {"auto", "exact", "approximate"}
        "auto" is exact up to `exact_rows` rows.
    exact_rows : int
    wanted : float
        Share of the exact neighbours of a sample that approximate ones are to have.
    most_compared : int
        Rows that a row is compared with at most, on average, whatever share that gives.
    sample_rows : int
        How many rows are compared with all others besides; fewer, but 1000 or more, where classes
        are large.
    """

    how: Literal["auto", "exact", "approximate"] = "auto"
    exact_rows: int = EXACT_ROWS
    wanted: float = 0.95
    most_compared: int = 40_000
    sample_rows: int = 5_000

    def __post_init__(self) -> None:
        if self.how not in ("auto", "exact", "approximate"):
            raise ValueError(
                f"neighbours is {self.how!r}; expected 'auto', 'exact' or 'approximate'"
            )

    def is_exact(self, rows: int) -> bool:
        """Whether each of so many rows is compared with all others."""
        return self.how == "exact" or (self.how == "auto" and rows <= self.exact_rows)


def search_bytes(how: NeighbourSearch, rows: int, dimension: int, itemsize: int, most: int) -> int:
    """What a search among so many rows takes, beside a row at a time, if it is not to take forever."""
    takes = exact_bytes(rows, dimension, itemsize)
    if not how.is_exact(rows):
        takes = max(takes, look_up_bytes(2 * cells_of(rows), dimension, most))
    return takes + _FEWEST_BYTES_AT_ONCE


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of each row inside.

    Attributes
    ----------
    nearest : (rows,) intp
        The most similar other row; of approximate ones, of those that were compared.
    cosine : (rows,) float64
    found : Retrieval
        By exact neighbours, of all rows or of the sample.
    sample : (sampled,) intp or None
        Which rows these are; None for all.
    approximate : Retrieval or None
        By approximate neighbours, of all rows.
    facts : mapping
    notes : tuple of str
    """

    nearest: Indices
    cosine: Vector
    found: Retrieval
    sample: Indices | None = None
    approximate: Retrieval | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def is_right(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Whether the nearest row is of the same class, for each row."""
        right: npt.NDArray[np.bool_] = codes[self.nearest] == codes
        return right

    def compared(self, codes: Codes) -> tuple[Indices | None, npt.NDArray[np.bool_]]:
        """The rows whose exact nearest row is known, None for all, and whether it is of their class."""
        own = codes if self.sample is None else codes[self.sample]
        return self.sample, codes[self.found.nearest] == own


def find_neighbours(
    rows: EvaluatedRows,
    inside: Indices,
    codes: Codes,
    most: int,
    how: NeighbourSearch,
    passes: Passes,
    seed: int,
    kept: Kept,
) -> Neighbours:
    """Look up each of some rows among the others of them.

    Parameters
    ----------
    rows : EvaluatedRows
    inside : (n,) intp
        Which of them, in order.
    codes : (n,) intp
        Their classes.
    most : int
        Neighbours that are looked at.
    how : NeighbourSearch
    seed : int
        Of the sample and the cells.
    kept : Kept
    """
    search = Search(rows, inside, codes, passes, seed)
    count = len(inside)
    if how.is_exact(count):
        found, _ = search.exact(np.arange(count), most, kept, "neighbours_")
        return Neighbours(found.nearest, found.cosine, found, facts={"neighbours": "exact"})
    most = min(most, count - 1)
    sample = _sample(search, how, seed)
    exact, places = search.exact(sample, most, kept, "sample_", what="exact neighbours of a sample")
    near = search_cells(search, sample, places, most, how.wanted, how.most_compared, seed, kept)
    recall, first = _recall(near, sample, places)
    facts = {
        "neighbours": "approximate",
        "neighbour_recall": recall,
        "nearest_found": first,
        "sample_rows": len(sample),
        "rows_compared": round(near.compared),
        "cells": near.cells,
        "cells_looked_into": near.looked_into,
    }
    # Where a row was compared with none it has no neighbour; itself is certainly the wrong one.
    nearest = near.nearest[:, 0].astype(np.intp)
    alone = nearest < 0
    nearest[alone] = np.flatnonzero(alone)
    return Neighbours(
        nearest,
        near.similarity[:, 0].astype(np.float64),
        exact,
        sample,
        _as_retrieval(near, search),
        facts,
        (_note(facts, most, count, how),),
    )


def _sample(search: Search, how: NeighbourSearch, seed: int) -> Indices:
    """Some of the rows, drawn without looking at them."""
    each = float(np.mean(search.others)) + 1.0
    size = int(max(_FEWEST_SAMPLED, min(how.sample_rows, _PAIRS_OF_SAMPLE / each)))
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(len(search), min(size, len(search)), replace=False))


def _recall(found: Approximate, sample: Indices, exact: Places) -> tuple[float, float]:
    """Shares of the exact neighbours of the sample, and of the nearest ones, that were found."""
    own = found.nearest[sample]
    hit = (own[:, :, np.newaxis] == exact[:, np.newaxis, :]).any(axis=1)
    return float(hit.mean()), float(hit[:, 0].mean())


def _as_retrieval(found: Approximate, search: Search) -> Retrieval:
    """Ranks by the approximate neighbours."""
    codes, count = search.codes, len(search)
    same = (codes[found.nearest] == codes[:, np.newaxis]) & (found.nearest >= 0)
    rank = np.where(same.any(axis=1), same.argmax(axis=1) + 1, count)
    rank = np.where(search.others > 0, rank, 0)
    nearest = found.nearest[:, 0].astype(np.intp)
    return Retrieval(
        nearest,
        found.similarity[:, 0].astype(np.float64),
        rank,
        np.full(count, np.nan),
        found.nearest.shape[1],
    )


def _note(facts: Mapping[str, Any], most: int, count: int, how: NeighbourSearch) -> str:
    text = (
        f"neighbours are approximate: each row was compared with {facts['rows_compared']} of {count}"
        f" rows. Of {facts['sample_rows']} rows drawn at random, whose neighbours were found exactly,"
        f" {100 * facts['neighbour_recall']:.1f} % of the {most} nearest and"
        f" {100 * facts['nearest_found']:.1f} % of the nearest rows are right. Recall@k is corrected"
        " by these rows, MAP@R and R-AUROC are of these rows alone"
    )
    if facts["neighbour_recall"] < how.wanted - 0.01:
        text += (
            f"; {100 * how.wanted:.0f} % would take comparing with more than"
            f" {how.most_compared} rows: nothing but exact neighbours will do better here"
        )
    return text
