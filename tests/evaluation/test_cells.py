"""Approximate neighbours: beside exact ones, and what is said and corrected by a sample."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from vmf.embeddings.held_rows import HeldRows
from vmf.evaluation import evaluate
from vmf.evaluation.cells import Best, search_cells
from vmf.evaluation.kept import Kept
from vmf.evaluation.neighbours import NeighbourSearch, find_neighbours
from vmf.evaluation.retrieval import Search
from vmf.evaluation.rows import Passes, survey
from vmf.passes.engine import Reading
from vmf.passes.here import Here


@pytest.fixture(scope="module")
def grouped():
    """6000 rows of 60 classes, in which the first dimensions vary most."""
    rng = np.random.default_rng(3)
    deviations = np.arange(1, 25) ** -0.5
    codes = rng.integers(0, 60, 6000)
    X = rng.standard_normal((60, 24))[codes] * deviations * 0.8
    X += rng.standard_normal((6000, 24)) * deviations
    return X.astype(np.float32), codes


def searched(X, codes, kept=None, passes=None, **how):
    passes = passes or Passes(Reading(), Here())
    rows = survey([HeldRows(X)], passes)
    settings = NeighbourSearch(**how)
    every = np.arange(len(X))
    return find_neighbours(rows, every, codes, 8, settings, passes, 0, kept or Kept())


def test_the_share_of_neighbours_that_was_asked_for_is_found(grouped):
    X, codes = grouped
    kept, exact_kept = Kept(), Kept()
    found = searched(X, codes, kept, how="approximate", wanted=0.95, sample_rows=1500)
    exact = searched(X, codes, exact_kept, how="exact")
    near, true = kept["cells_nearest"], exact_kept["neighbours_nearest"]
    share = (near[:, :, np.newaxis] == true[:, np.newaxis]).any(axis=1).mean()
    assert share > 0.93
    assert found.facts["neighbour_recall"] == pytest.approx(share, abs=0.02)
    assert found.facts["rows_compared"] < 3000
    right = found.nearest == exact.nearest
    assert right.mean() > 0.97
    np.testing.assert_allclose(found.cosine[right], exact.cosine[right], atol=1e-3)


def test_with_all_cells_they_are_exact(grouped):
    X, codes = grouped
    kept, exact_kept = Kept(), Kept()
    # No share is 1.1, so that as many as are allowed are taken: all.
    how = {"how": "approximate", "wanted": 1.1, "most_compared": 10_000, "sample_rows": 1000}
    found = searched(X, codes, kept, **how)
    searched(X, codes, exact_kept, how="exact")
    assert found.facts["neighbour_recall"] > 0.99
    same = kept["cells_nearest"] == exact_kept["neighbours_nearest"]
    assert same.mean() > 0.98  # half precision may turn two around


def test_the_rows_may_be_searched_a_part_at_a_time(grouped):
    X, codes = grouped

    class Narrow(Passes):
        def room(self, share=1.0, beside=0):
            return 100_000

    how = {"how": "approximate", "sample_rows": 1000}
    whole, parts = Kept(), Kept()
    searched(X, codes, whole, **how)
    reading = Reading(chunk_bytes=500 * 24 * 4)
    searched(X, codes, parts, Narrow(reading, Here()), **how)
    assert parts.number("shards_done") > 3
    assert whole.number("shards_done") == 1
    # Two that are equally near, up to rounding, may be turned round.
    assert (parts["cells_nearest"] == whole["cells_nearest"]).mean() > 0.999
    np.testing.assert_allclose(parts["cells_similarity"], whole["cells_similarity"], atol=1e-6)


def test_it_goes_on_in_the_middle_of_a_part(grouped):
    X, codes = grouped
    expected = Kept()
    searched(X, codes, expected, how="approximate", sample_rows=1000)
    reading = Reading(chunk_bytes=700 * 24 * 4)
    passes = Passes(reading, Here())

    class Stop(Exception):
        pass

    kept, calls = Kept(), 0
    while True:

        def stop():
            nonlocal calls
            calls += 1
            if calls % 5 == 0:
                raise Stop

        kept = Kept(kept.arrays, stop)
        try:
            searched(X, codes, kept, passes, how="approximate", sample_rows=1000)
        except Stop:
            continue
        break
    assert calls > 10
    assert (kept["cells_nearest"] == expected["cells_nearest"]).mean() > 0.999


def test_recall_at_k_has_no_bias_however_bad_the_neighbours(grouped):
    """Each row is compared with some 100 of 6000: one in three has another nearest neighbour."""
    X, codes = grouped
    exact = evaluate(X, codes, scores=["entropy"], neighbours="exact", replicates=0)
    kept = Kept()
    found = searched(X, codes, kept, how="approximate", most_compared=100, sample_rows=1500)
    assert found.facts["nearest_found"] < 0.8
    from vmf.evaluation.judging import retrieval_metrics
    from vmf.evaluation.metric import Resampling

    measured = retrieval_metrics(found, (1, 8), Resampling(100, 0, 0.95))
    rough = found.approximate.recall_at(8).mean()
    true = exact.retrieval["recall@8"].value
    assert abs(rough - true) > 0.02
    for name in ("recall@1", "recall@8", "map@r"):
        metric = measured[name]
        half = (metric.high - metric.low) / 2
        assert metric.value == pytest.approx(exact.retrieval[name].value, abs=2.5 * half)
        assert half < 0.03
    assert "nothing but exact neighbours will do better" in found.notes[0]


def test_what_it_says(grouped):
    X, codes = (values[:5000] for values in grouped)
    found = evaluate(X, codes, scores=["entropy"], neighbours="approximate", replicates=20)
    assert found.facts["neighbours"] == "approximate"
    assert found.facts["sample_rows"] == 5000  # as many as there are
    assert "neighbours are approximate" in found.notes[0]
    score = found.scores[0].metrics["r_auroc"]
    exact = evaluate(X, codes, scores=["entropy"], neighbours="exact", replicates=20)
    assert score == exact.scores[0].metrics["r_auroc"]
    assert exact.facts["neighbours"] == "exact"
    assert not exact.notes
    with pytest.raises(ValueError, match="neighbours is 'some'"):
        evaluate(X, codes, neighbours="some")


def test_above_a_size_it_is_approximate():
    how = NeighbourSearch()
    assert how.is_exact(100_000)
    assert not how.is_exact(100_001)
    assert NeighbourSearch("exact").is_exact(10**9)
    assert not NeighbourSearch("approximate").is_exact(10)


def test_the_best_so_far_are_those_of_a_sorted_list():
    rng = np.random.default_rng(0)
    best, all_values = Best(40, 5), np.empty((40, 0), np.float32)
    for start in range(0, 3000, 300):
        similar = rng.standard_normal((40, 300)).astype(np.float32)
        number = np.flatnonzero(rng.random(40) < 0.8)
        kept = np.full((40, 300), -np.inf, np.float32)
        kept[number] = similar[number]
        all_values = np.concatenate([all_values, kept], axis=1)
        best.add(number, similar[number], np.arange(start, start + 300, dtype=np.int32))
    found = best.result()
    order = np.argsort(-all_values, axis=1)[:, :5]
    np.testing.assert_array_equal(np.sort(found.place, axis=1), np.sort(order, axis=1))


def test_rows_that_are_all_alike_and_fewer_rows_than_neighbours():
    X = np.ones((50, 4), np.float32)
    found = searched(X, np.arange(50) % 2, how="approximate")
    assert (found.nearest != np.arange(50)).all()
    passes = Passes(Reading(), Here())
    rows = survey([HeldRows(X[:3])], passes)
    search = Search(rows, np.arange(3), np.array([0, 1, 0]), passes)
    sample = np.arange(3)
    exact = np.array([[1, 2], [0, 2], [0, 1]], np.int32)
    near = search_cells(search, sample, exact, 2, 0.95, 100, 0, Kept())
    np.testing.assert_array_equal(np.sort(near.nearest, axis=1), exact)
