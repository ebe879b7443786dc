"""The open-set benchmark: its baselines against scikit-learn's, and a run from files to tables."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("scipy")
open_set = pytest.importorskip("benchmarks.open_set")

CLASSES = [f"c{k}" for k in range(10)]


def features(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(0).standard_normal((10, 16)) + 1
    labels = np.repeat(CLASSES, rows)
    X = np.repeat(means, rows, axis=0) + 1.6 * rng.standard_normal((10 * rows, 16))
    return X.astype(np.float32), labels


def test_mahalanobis_is_that_of_the_oracle_approximating_shrinkage():
    from sklearn.covariance import OAS

    X, labels = features(30, 1)
    test, _ = features(4, 2)
    known = ["c1", "c4", "c7"]
    means = np.stack([X[labels == label].mean(axis=0) for label in known])
    residual = np.concatenate(
        [X[labels == label] - m for label, m in zip(known, means, strict=True)]
    )
    precision = OAS(assume_centered=True).fit(residual).get_precision()
    each = [np.einsum("ij,jk,ik->i", test - m, precision, test - m) for m in means]
    found = open_set.ClassScatter(X, labels).mahalanobis(known, test)
    np.testing.assert_allclose(found, -np.min(each, axis=0), rtol=1e-4)


def test_the_neighbours_are_those_of_the_known_classes_alone():
    from sklearn.neighbors import NearestNeighbors

    X, labels = features(30, 1)
    test, _ = features(4, 2)
    splits = [CLASSES[:6], CLASSES[4:]]
    found = open_set.neighbour_cosines(X, labels, test, splits)
    for known, one in zip(splits, found, strict=True):
        inside = X[np.isin(labels, known)]
        for name, shift in (("kNN cosine", 0), ("kNN cosine, centred", inside.mean(axis=0))):
            search = NearestNeighbors(n_neighbors=50, metric="cosine").fit(inside - shift)
            expected = 1 - search.kneighbors(test - shift)[0][:, -1]
            np.testing.assert_allclose(one[name], expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_from_files_to_tables(tmp_path, monkeypatch, capsys):
    for name, rows, seed in (("train", 40, 1), ("test", 12, 2)):
        X, labels = features(rows, seed)
        np.save(tmp_path / f"{name}.npy", X)
        np.save(tmp_path / f"{name}.labels.npy", labels)
    monkeypatch.setattr(open_set, "RESULTS", tmp_path)
    arguments = ["--train", tmp_path / "train.npy", "--test", tmp_path / "test.npy"]
    arguments += ["--splits", 2, "--replicates", 3, "--name", "small"]
    monkeypatch.setattr(sys, "argv", ["open_set", *map(str, arguments)])
    open_set.main()
    found = json.loads((tmp_path / "small.json").read_text())
    assert len(found["splits"]) == 2
    assert all(len(split["known"]) == 6 for split in found["splits"])
    for name in ("log_density", "log_density, centred", "Mahalanobis", "linear probe, MSP"):
        assert found["scores"][name]["auroc"]["mean"] > 0.55
    table = (tmp_path / "small.md").read_text()
    assert "--name small --splits 2 --replicates 3" in table
    assert all(f"| {name} |" in table for name in found["scores"])
    assert str(tmp_path) not in table
