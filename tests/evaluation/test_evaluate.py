"""The whole evaluation, on classes that are known."""

from __future__ import annotations

import numpy as np
import pytest

from vmf import VonMisesFisher
from vmf.errors import BadRowError
from vmf.evaluation import aurc, auroc, detect, evaluate
from vmf.models import VMFClassifier
from vmf.uncertainty import SCORES, Reference

KNOWN = ("cat", "dog", "emu")


def draw(rows: int, seed: int = 0, kappa: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that overlap and a fourth, "fox", away from them; of varying length."""
    rng = np.random.default_rng(seed)
    means = np.eye(12)[:4] + 0.4
    means[3] = -means[3]
    labels = np.repeat([*KNOWN, "fox"], rows)
    parts = [VonMisesFisher(m / np.linalg.norm(m), kappa).sample(rows, rng) for m in means]
    X = np.concatenate(parts) * rng.uniform(1, 5, (4 * rows, 1))
    order = rng.permutation(4 * rows)
    return X[order], labels[order]


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    return draw(60)


@pytest.fixture(scope="module")
def found(data):
    return evaluate(*data, held_out=["fox"], replicates=20, scores=list(SCORES))


def test_the_facts(found, data):
    assert found.facts["rows"] == 180
    assert found.facts["rows_outside"] == 60
    assert found.facts["class_count"] == 3
    assert [one.label for one in found.classes] == list(KNOWN)
    np.testing.assert_array_equal(found.labels, data[1][found.numbers])
    assert set(data[1][found.numbers_outside]) == {"fox"}
    assert {score.name for score in found.scores} == set(SCORES)


def test_the_measures_are_those_of_the_scores(found):
    correct = found.predicted == found.labels
    near = found.labels[found.nearest] == found.labels
    assert found.classification["accuracy"].value == pytest.approx(correct.mean())
    assert found.retrieval["recall@1"].value == pytest.approx(near.mean())
    for score in found.scores:
        assert score.metrics["aurc"].value == pytest.approx(aurc(score.certainty, correct))
        assert score.metrics["r_auroc"].value == pytest.approx(auroc(score.certainty, near))
        measured = detect(score.certainty, score.certainty_outside)
        assert score.metrics["auroc"].value == pytest.approx(measured["auroc"])
        assert score.metrics["fpr95"].value == pytest.approx(measured["fpr95"])
        for metric in score.metrics.values():
            assert metric.low <= metric.value <= metric.high or metric.low == metric.high


def test_scores_that_ought_to_work_do(found):
    by_name = {score.name: score.metrics for score in found.scores}
    assert by_name["log_density"]["auroc"].value > 0.95
    assert by_name["kernel_density"]["auroc"].value > 0.95
    assert by_name["log_odds"]["aurc"].value < by_name["norm"]["aurc"].value
    assert 0.4 < by_name["norm"]["auroc"].value < 0.6  # the lengths were drawn without meaning
    assert found.scores[0].metrics["auroc"].value == max(m["auroc"].value for m in by_name.values())


def test_a_row_is_never_judged_by_a_classifier_that_has_seen_it(data):
    """With labels drawn at random a classifier that had would be right too often."""
    X, labels = data
    shuffled = np.random.default_rng(0).permutation(labels)
    found = evaluate(X, shuffled, replicates=0)
    assert found.classification["accuracy"].value < 0.4


def test_other_rows_to_fit_to(data):
    X, labels = data
    known = np.isin(labels, KNOWN)
    other, other_labels = draw(40, seed=9)
    found = evaluate(
        X[known], labels[known], train=(other, other_labels), outside=X[~known], replicates=0
    )
    keep = np.isin(other_labels, KNOWN)
    model = VMFClassifier().fit(other[keep], other_labels[keep])
    np.testing.assert_array_equal(found.predicted, model.predict(X[known]))
    reference = Reference(model, other[keep])
    for score in found.scores:
        expected = SCORES[score.name](reference, X[known])
        np.testing.assert_allclose(score.certainty, expected, rtol=1e-9)


def test_scores_of_ones_own(data):
    X, labels = data
    mine = np.random.default_rng(3).standard_normal(len(X))
    found = evaluate(
        X, labels, held_out=["fox"], scores=["entropy"], given={"mine": mine}, replicates=0
    )
    score = next(score for score in found.scores if score.name == "mine")
    np.testing.assert_array_equal(score.certainty, mine[found.numbers])
    np.testing.assert_array_equal(score.certainty_outside, mine[found.numbers_outside])
    with pytest.raises(ValueError, match=r"the score mine has shape \(3,\)"):
        evaluate(X, labels, given={"mine": mine[:3]})


def test_normalised_rows_have_no_scores_of_length(data):
    X, labels = data
    found = evaluate(X / np.linalg.norm(X, axis=1, keepdims=True), labels, replicates=0)
    names = {score.name for score in found.scores}
    assert {"log_density", "entropy"} <= names
    assert not {"norm", "elk"} & names


def test_the_seed_decides(data):
    first = evaluate(*data, replicates=5, seed=1).as_dict()
    assert first == evaluate(*data, replicates=5, seed=1).as_dict()
    assert first != evaluate(*data, replicates=5, seed=2).as_dict()


def test_integers_half_precision_and_read_only_maps(data, tmp_path):
    X, labels = data
    codes = np.unique(labels, return_inverse=True)[1]
    np.save(tmp_path / "x.npy", X.astype(np.float16))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = evaluate(mapped, codes, held_out=["3"], replicates=0)
    wide = evaluate(X.astype(np.float16).astype(np.float64), labels, held_out=["fox"], replicates=0)
    assert found.facts["rows"] == 180
    for name in ("accuracy", "ece"):
        assert found.classification[name].value == pytest.approx(
            wide.classification[name].value, abs=0.02
        )


def test_rows_alone_in_their_class_are_left_out_and_told(data):
    X, labels = data
    labels = labels.copy()
    labels[5] = "gnu"
    found = evaluate(X, labels, replicates=0)
    assert found.notes == ("1 rows alone in their class are left out",)
    assert 5 not in found.numbers


def test_a_class_of_two_rows_is_told(data):
    X, labels = data
    labels = labels.copy()
    labels[[5, 6]] = "gnu"
    found = evaluate(X, labels, replicates=0)
    assert any("do not determine their concentration" in note for note in found.notes)


def test_without_errors_the_auroc_of_errors_is_undefined():
    X, labels = draw(20, kappa=5000.0)
    found = evaluate(X, labels, replicates=5)
    assert found.classification["accuracy"].value == 1.0
    assert all(score.metrics["r_auroc"].value is None for score in found.scores)


def test_bad_input(data):
    X, labels = data
    with pytest.raises(ValueError, match="the rows have 1 class with at least 2 rows"):
        evaluate(X, np.full(len(X), "cat"))
    with pytest.raises(ValueError, match=r"labels have shape \(239,\)"):
        evaluate(X, labels[1:])
    with pytest.raises(TypeError, match="labels have dtype float64"):
        evaluate(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="outside has dimension 5, X 12"):
        evaluate(X, labels, outside=X[:, :5])
    with pytest.raises(ValueError, match="not both"):
        evaluate(X, labels, outside=X, held_out=["fox"])
    with pytest.raises(ValueError, match="there is no score 'margin'"):
        evaluate(X, labels, scores=["margin"])
    with pytest.raises(ValueError, match="no training row has the label 'emu'"):
        evaluate(X, labels, train=(X[labels != "emu"], labels[labels != "emu"]))
    X = X.copy()
    X[3, 1] = np.nan
    with pytest.raises((BadRowError, ValueError), match="row 3"):
        evaluate(X, labels)
