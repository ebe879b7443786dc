"""The measures of scores against their definitions, scikit-learn and torchmetrics."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.libraries import needs, optional
from vmf.evaluation.calibration import expected_calibration_error, reliability
from vmf.evaluation.detection import auroc, detect, ranks
from vmf.evaluation.judging import classification_metrics
from vmf.evaluation.metric import Metric, Resampling, bootstrap
from vmf.evaluation.ordered import Ordered, harmonic_numbers
from vmf.evaluation.selective import aurc, best_aurc, risk_coverage

average_precision_score = optional("sklearn.metrics").average_precision_score
roc_auc_score = optional("sklearn.metrics").roc_auc_score


@pytest.fixture
def scores() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return np.round(rng.normal(1, 1, 300), 1), np.round(rng.normal(0, 1, 120), 1)  # with ties


def test_detection(scores):
    needs("sklearn")
    inside, outside = scores
    found = detect(inside, outside)
    pairs = inside[:, np.newaxis] - outside
    assert found["auroc"] == pytest.approx((pairs > 0).mean() + 0.5 * (pairs == 0).mean())
    truth = np.repeat([1, 0], [300, 120])
    both = np.concatenate(scores)
    assert found["aupr_in"] == average_precision_score(truth, both)
    assert found["aupr_out"] == average_precision_score(1 - truth, -both)
    # The highest threshold that keeps 95 % of the rows inside, by trying all.
    kept = [t for t in np.unique(both) if (inside >= t).mean() >= 0.95]
    assert found["fpr95"] == pytest.approx((outside >= max(kept)).mean())


def test_detection_at_its_ends():
    needs("sklearn")
    perfect = detect([3.0, 4.0], [1.0, 2.0])
    assert perfect == {"auroc": 1.0, "aupr_in": 1.0, "aupr_out": 1.0, "fpr95": 0.0}
    assert detect([1.0, 2.0], [3.0, 4.0])["auroc"] == 0.0
    assert detect([1.0, 1.0], [1.0])["auroc"] == 0.5


def test_agrees_with_pytorch_ood(scores):
    """There the rows outside are the positives of the false positive rate too."""
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("pytorch_ood.metrics").OODMetrics()
    inside, outside = scores
    for part, label in ((inside, 1), (outside, -1)):
        metrics.update(torch.tensor(-part), torch.full((len(part),), label))
    theirs = metrics.compute()
    assert detect(inside, outside)["auroc"] == pytest.approx(theirs["AUROC"], abs=1e-6)
    swapped = detect(-outside, -inside)
    assert swapped["fpr95"] == pytest.approx(theirs["FPR95TPR"], abs=1e-6)


def test_auroc_of_one_kind_only_is_undefined():
    needs("sklearn")
    assert auroc([1.0, 2.0], [True, True]) is None
    assert auroc([1.0, 2.0], [False, False]) is None
    assert auroc([1.0, 2.0, 2.0], [False, False, True]) == roc_auc_score([0, 0, 1], [1, 2, 2])


def test_ranks_keep_order_and_ties_and_take_infinities():
    np.testing.assert_array_equal(ranks([np.inf, -np.inf, 3.0, 3.0]), [2, 0, 1, 1])
    with pytest.raises(ValueError, match="margin: the score of row 2 is nan"):
        ranks([0.0, 1.0, np.nan], "margin")


def test_risk_and_coverage():
    found = risk_coverage([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0])
    np.testing.assert_allclose(found.coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.risk, [0, 1 / 2, 1 / 3, 1 / 2])
    assert aurc([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0]) == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_ties_count_as_the_mean_over_all_orders():
    certainty, correct = np.array([2.0, 1, 1, 1, 0]), np.array([1, 0, 1, 1, 0])
    middle = [correct[list(order)] for order in itertools.permutations([1, 2, 3])]
    risks = [np.cumsum(1 - np.concatenate([[1], part, [0]])) / np.arange(1, 6) for part in middle]
    np.testing.assert_allclose(risk_coverage(certainty, correct).risk, np.mean(risks, axis=0))


def test_the_best_area_is_not_beaten():
    rng = np.random.default_rng(1)
    correct = rng.random(40) < 0.7
    areas = [aurc(rng.random(40), correct) for _ in range(50)]
    assert best_aurc(correct) < min(areas)
    assert aurc(np.zeros(40), correct) == pytest.approx(1 - correct.mean())


def test_calibration_by_hand():
    confidence, correct = np.array([0.55, 0.58, 0.95, 1.0]), np.array([1, 0, 1, 1])
    found = reliability(confidence, correct, bins=10)
    np.testing.assert_allclose(found.share[[5, 9]], [0.5, 0.5])
    np.testing.assert_allclose(found.accuracy[[5, 9]], [0.5, 1.0])
    assert np.isnan(found.accuracy[0])
    expected = 0.5 * abs(0.5 - 0.565) + 0.5 * abs(1 - 0.975)
    assert expected_calibration_error(confidence, correct, 10) == pytest.approx(expected)


def test_calibration_agrees_with_torchmetrics():
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(4), 500)
    truth = rng.integers(0, 4, 500)
    theirs = functional.multiclass_calibration_error(
        torch.tensor(p), torch.tensor(truth), num_classes=4, n_bins=15
    )
    ours = expected_calibration_error(p.max(axis=1), p.argmax(axis=1) == truth)
    assert ours == pytest.approx(float(theirs), abs=1e-6)


def test_the_interval_of_a_mean_is_that_of_theory():
    values = np.random.default_rng(0).normal(3, 2, 400)
    found = bootstrap(lambda i: {"mean": values[i].mean()}, 400, replicates=2000, seed=1)["mean"]
    half = 1.96 * values.std() / 20
    assert found.value == values.mean()
    assert found.low == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03)


def test_groups_are_drawn_each_by_itself_and_the_seed_decides():
    seen = []

    def statistic(a, b):
        seen.append((a, b))
        return {"x": float(a.sum() + b.sum())}

    first = bootstrap(statistic, 5, 3, replicates=20, seed=7)
    assert all(len(a) == 5 and len(b) == 3 and b.max() < 3 for a, b in seen)
    assert first == bootstrap(statistic, 5, 3, replicates=20, seed=7)
    assert first != bootstrap(statistic, 5, 3, replicates=20, seed=8)


def test_without_replicates_and_where_undefined():
    none = bootstrap(lambda i: {"x": 1.0, "y": None}, 5, replicates=0, seed=0)
    assert none == {"x": Metric(1.0), "y": Metric(None)}
    rare = bootstrap(
        lambda i: {"x": 1.0 if 0 in i else None}, 4, replicates=300, seed=0
    )  # defined in about two thirds of the draws
    assert rare["x"] == Metric(1.0)


@pytest.mark.parametrize("digits", [1, 12])
def test_counting_rows_gives_what_sorting_them_again_gives(digits):
    """The measures of every replicate, with ties and without, from the same draws."""
    needs("sklearn")
    rng = np.random.default_rng(5)
    certainty = np.round(rng.normal(1, 1, 300), digits)
    outside = np.round(rng.normal(0, 1, 120), digits)
    certainty[7], outside[3] = np.inf, -np.inf
    correct, near = rng.random(300) < 0.7, rng.random(300) < 0.8
    order, both = Ordered(certainty), Ordered(np.concatenate([certainty, outside]))
    wrong, positive = order.arranged(~correct), order.arranged(near)
    inside = both.arranged(np.arange(420) < 300)
    harmonic = harmonic_numbers(300)
    dense = ranks(np.concatenate([certainty, outside]))

    def by_sorting(i, j):
        return {
            "aurc": aurc(dense[:300][i], correct[i]),
            "r_auroc": auroc(dense[:300][i], near[i]),
            **detect(dense[:300][i], dense[300:][j]),
        }

    def by_counting(times, times_outside):
        own = order.arranged(times)
        return {
            "aurc": order.aurc(wrong, own, harmonic),
            "r_auroc": order.auroc(positive, own),
            **both.detection(inside, both.arranged(np.concatenate([times, times_outside]))),
        }

    expected = bootstrap(by_sorting, 300, 120, replicates=40, seed=3)
    found = Resampling(40, 3, 0.95).of_counts(by_counting, 300, 120)
    assert found.keys() == expected.keys()
    for name, metric in found.items():
        other = expected[name]
        assert (metric.value, metric.low, metric.high) == pytest.approx(
            (other.value, other.low, other.high), rel=1e-12
        ), name


def test_an_order_without_both_kinds_has_no_auroc():
    order = Ordered([1.0, 2.0, 3.0])
    assert order.auroc(np.ones(3), np.ones(3)) is None
    assert order.auroc(np.array([1.0, 0, 0]), np.array([0.0, 1, 1])) is None
    with pytest.raises(ValueError, match="mine: the score of row 1 is nan"):
        Ordered([1.0, np.nan], "mine")


def test_classification_by_counts_is_that_of_drawn_rows():
    rng = np.random.default_rng(6)
    confidence, correct = rng.random(200), rng.random(200) < 0.6
    found = classification_metrics(confidence, correct, Resampling(30, 4, 0.9))
    expected = bootstrap(
        lambda i: {
            "accuracy": correct[i].mean(),
            "ece": expected_calibration_error(confidence[i], correct[i]),
        },
        200, replicates=30, seed=4, level=0.9,
    )  # fmt: skip
    for name, metric in found.items():
        other = expected[name]
        assert (metric.value, metric.low, metric.high) == pytest.approx(
            (other.value, other.low, other.high), rel=1e-12
        )
