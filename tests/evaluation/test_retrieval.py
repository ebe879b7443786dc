"""Retrieval against sorted lists, and pytorch-metric-learning where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from vmf.embeddings.held_rows import HeldRows
from vmf.evaluation.kept import Kept
from vmf.evaluation.retrieval import Search, retrieve
from vmf.evaluation.rows import Passes, survey
from vmf.passes.engine import Reading
from vmf.passes.here import Here


@pytest.fixture
def labelled() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 6, 150)
    codes[17] = 99  # alone in its class
    X = rng.standard_normal((6, 8))[codes % 6] + 1.2 * rng.standard_normal((150, 8))
    return X * rng.uniform(0.1, 10, (150, 1)), codes


def by_sorting(X, codes):
    """Nearest, rank and average precision of each row from whole sorted lists."""
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    nearest, rank, precision = [], [], []
    for i in range(len(X)):
        cosines = unit @ unit[i]
        others = [j for j in np.argsort(-cosines) if j != i]
        hits = codes[others] == codes[i]
        R = int(hits.sum())
        nearest.append(others[0])
        rank.append(int(np.argmax(hits)) + 1 if R else 0)
        top = hits[:R]
        precision.append((np.cumsum(top) / np.arange(1, R + 1) * top).sum() / R if R else np.nan)
    return np.array(nearest), np.array(rank), np.array(precision)


def search_of(X, codes, chunk_bytes=None, passes=None, **how):
    """A search among all rows of an array, read in blocks of some bytes."""
    reading = Reading(chunk_bytes=chunk_bytes)
    rows = survey([HeldRows(X)], Passes(reading, Here()))
    found = np.unique(codes, return_inverse=True)[1]
    return Search(rows, np.arange(len(X)), found, passes or Passes(reading, Here()), **how)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_agrees_with_sorted_lists(labelled, dtype):
    X, codes = labelled
    X = X.astype(dtype)
    found = retrieve(X, codes)
    nearest, rank, precision = by_sorting(X, codes)
    np.testing.assert_array_equal(found.nearest, nearest)
    np.testing.assert_array_equal(found.rank, rank)
    np.testing.assert_allclose(found.average_precision, precision, rtol=1e-12)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosine = np.einsum("ij,ij->i", unit, unit[nearest])
    np.testing.assert_allclose(found.cosine, cosine, rtol=4 * np.finfo(dtype).eps)


def test_recall_leaves_out_who_is_alone(labelled):
    found = retrieve(*labelled)
    hits = found.recall_at(3)
    assert np.isnan(hits[17])
    assert np.nanmean(hits) == np.mean((found.rank <= 3)[found.rank > 0])


def test_agrees_with_pytorch_metric_learning(labelled):
    pytest.importorskip("pytorch_metric_learning")
    torch = pytest.importorskip("torch")
    pytest.importorskip("faiss")
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    X, codes = labelled
    unit = torch.tensor(X / np.linalg.norm(X, axis=1, keepdims=True), dtype=torch.float32)
    wanted = ("precision_at_1", "mean_average_precision_at_r")
    theirs = AccuracyCalculator(include=wanted, k="max_bin_count").get_accuracy(
        unit, torch.tensor(codes)
    )
    ours = retrieve(X, codes)
    assert np.nanmean(ours.recall_at(1)) == pytest.approx(theirs["precision_at_1"], abs=1e-6)
    assert np.nanmean(ours.average_precision) == pytest.approx(
        theirs["mean_average_precision_at_r"], abs=1e-6
    )


def test_rows_as_near_as_a_right_one_come_first():
    X = np.array([[1.0, 0], [1, 0], [1, 0]])
    found = retrieve(X, [0, 1, 0])
    assert found.rank.tolist() == [2, 0, 2]


def test_labels_may_be_text_and_rows_half_precision(labelled, tmp_path):
    X, codes = labelled
    X = X.astype(np.float16)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = retrieve(mapped, codes.astype(str))
    expected = retrieve(X.astype(np.float32), codes)
    np.testing.assert_array_equal(found.rank, expected.rank)


def test_what_cannot_be_searched(labelled):
    X, codes = labelled
    with pytest.raises(ValueError, match="at least 2"):
        retrieve(X[:1], codes[:1])
    with pytest.raises(ValueError, match=r"codes have shape \(149,\)"):
        retrieve(X, codes[1:])
    X[3] = 0
    with pytest.raises(ValueError, match="row 3 .* is zero"):  # noqa: RUF043
        retrieve(X, codes)
    X[3, 0] = np.nan
    with pytest.raises(ValueError, match="row 3"):
        retrieve(X, codes)


def test_blocks_of_rows_and_of_queries_do_not_matter(labelled):
    """With 7 rows in a block, and as many queries as 1 MB allows."""
    X, codes = labelled
    expected = search_of(X, codes)
    wide, places = expected.exact(np.arange(150), 5, Kept(), "")

    class Narrow(Passes):
        def room(self, share=1.0, beside=0):
            return 20_000

    narrow = search_of(X, codes, 7 * 8 * 8, Narrow(Reading(chunk_bytes=7 * 8 * 8), Here()))
    assert narrow._queries_at_once(np.arange(150), 5) < 20
    found, same = narrow.exact(np.arange(150), 5, Kept(), "")
    np.testing.assert_array_equal(same, places)
    np.testing.assert_array_equal(found.rank, wide.rank)
    np.testing.assert_array_equal(found.average_precision, wide.average_precision)


def test_some_queries_among_all_rows(labelled):
    X, codes = labelled
    search = search_of(X, codes)
    every, places = search.exact(np.arange(150), 5, Kept(), "")
    chosen = np.array([3, 17, 18, 99])
    some, those = search.exact(chosen, 5, Kept(), "")
    np.testing.assert_array_equal(those, places[chosen])
    np.testing.assert_array_equal(some.rank, every.rank[chosen])


def test_a_rank_is_known_or_beyond_the_places_that_were_looked_at(labelled):
    X, _ = labelled
    shuffled = np.random.default_rng(0).permutation(np.arange(150) // 2)  # pairs, by chance
    exact = retrieve(X, shuffled)
    found, _ = search_of(X, shuffled).exact(np.arange(150), 4, Kept(), "")
    for k in (1, 2, 4):
        np.testing.assert_array_equal(found.recall_at(k), exact.recall_at(k))
    with pytest.raises(ValueError, match="only the 4 nearest were looked at"):
        found.recall_at(5)
    assert exact.rank.max() > 100


def test_rows_that_are_all_alike():
    X = np.ones((300, 4), np.float32)
    found = retrieve(X, np.arange(300) % 2)
    assert (found.rank == 151).all()  # all 150 of the other class are as near
    assert (found.cosine > 0.9999).all()


def test_what_was_searched_is_not_searched_again(labelled):
    X, codes = labelled
    expected, _ = search_of(X, codes).exact(np.arange(150), 3, Kept(), "n_")
    search, kept = search_of(X, codes), Kept()

    class Stop(Exception):
        pass

    def stop():
        raise Stop

    kept.changed = stop
    search._queries_at_once = lambda queries, most: 40
    for done in (40, 80):
        with pytest.raises(Stop):
            search.exact(np.arange(150), 3, kept, "n_")
        assert kept.number("n_done") == done
    kept = Kept(kept.arrays)
    kept["n_cosine"][:80] = 7.0  # as a sign
    found, _ = search.exact(np.arange(150), 3, kept, "n_")
    assert (found.cosine[:80] == 7.0).all()
    np.testing.assert_array_equal(found.cosine[80:], expected.cosine[80:])
    np.testing.assert_array_equal(found.rank, expected.rank)
