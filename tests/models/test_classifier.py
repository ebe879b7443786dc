from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.model_selection import cross_val_score

import vmf
from tests.models.data import clusters
from vmf.errors import BadRowError, DegenerateFitError
from vmf.estimation import ConjugatePrior, SufficientStatistics, statistics_by_class
from vmf.estimation.pooled import pooled_concentration
from vmf.models import VMFClassifier


@pytest.mark.parametrize("estimator", ["mle", "unbiased", "map"])
def test_classes_are_the_distributions_of_their_rows(estimator):
    rows, labels = clusters()
    classifier = VMFClassifier(estimator=estimator).fit(rows, labels)
    laws = [vmf.VonMisesFisher.fit(rows[labels == k], estimator=estimator) for k in range(3)]
    assert classifier.concentrations_ == pytest.approx([law.concentration for law in laws])
    each = np.stack([law.logpdf(rows) for law in laws], axis=1)
    assert classifier.log_density(rows) == pytest.approx(each, rel=1e-10)
    joint = each + np.log(1 / 3)
    total = np.logaddexp.reduce(joint, axis=1)
    assert classifier.score_samples(rows) == pytest.approx(total, rel=1e-10)
    assert classifier.predict_log_proba(rows) == pytest.approx(joint - total[:, None], abs=1e-8)
    assert classifier.decision_function(rows) == pytest.approx(joint, rel=1e-10)
    assert classifier.score(rows, labels) > 0.98


def test_two_classes_have_one_decision():
    rows, labels = clusters(count=2, kappa=5.0)
    classifier = VMFClassifier().fit(rows, labels)
    log_proba = classifier.predict_log_proba(rows)
    odds = classifier.decision_function(rows)
    assert odds == pytest.approx(log_proba[:, 1] - log_proba[:, 0], abs=1e-10)
    assert ((odds > 0) == (classifier.predict(rows) == 1)).all()


@pytest.mark.parametrize("labels", [["cat", "dog", "eel"], [7, -1, 30], [True, False, True]])
def test_labels_may_be_strings_or_numbers(labels):
    rows, codes = clusters()
    y = np.array(labels)[codes]
    classifier = VMFClassifier().fit(rows, y)
    assert classifier.classes_.tolist() == sorted(set(labels))
    assert classifier.classes_.dtype == y.dtype
    assert list(classifier.statistics_) == sorted(set(labels))
    assert np.mean(classifier.predict(rows) == y) > 0.95


def test_priors():
    rows, labels = clusters(kappa=6.0)
    keep = (labels > 0) | (np.arange(len(labels)) % 4 == 0)
    rows, labels = rows[keep], labels[keep]
    shares = np.bincount(labels) / len(labels)
    empirical = VMFClassifier().fit(rows, labels)
    assert np.exp(empirical.log_priors_) == pytest.approx(shares)
    uniform = VMFClassifier(priors="uniform").fit(rows, labels)
    assert np.exp(uniform.log_priors_) == pytest.approx([1 / 3] * 3)
    given = VMFClassifier(priors=[2, 1, 1]).fit(rows, labels)
    assert np.exp(given.log_priors_) == pytest.approx([0.5, 0.25, 0.25])
    difference = given.predict_log_proba(rows) - uniform.predict_log_proba(rows)
    shift = np.log([1.5, 0.75, 0.75])
    assert difference - difference[:, :1] == pytest.approx(
        np.tile(shift - shift[0], (len(rows), 1)), abs=1e-9
    )
    for wrong in ([1, 2], [1, 0, 1], "equal"):
        with pytest.raises(ValueError, match="priors is"):
            VMFClassifier(priors=wrong).fit(rows, labels)


def test_one_kappa_for_all_classes():
    rows, labels = clusters()
    tied = VMFClassifier(concentration="tied").fit(rows, labels)
    by_class = list(statistics_by_class(rows, labels).values())
    assert tied.concentrations_ == pytest.approx([pooled_concentration(by_class, "unbiased")] * 3)
    assert VMFClassifier(concentration=9.0).fit(rows, labels).concentrations_.tolist() == [9.0] * 3


def test_statistics_parts_and_the_whole_agree():
    rows, labels = clusters()
    whole = VMFClassifier().fit(rows, labels)
    streamed = VMFClassifier.from_statistics(statistics_by_class(rows, labels))
    parts = VMFClassifier()
    for start in (0, 100, 350):
        stop = {0: 100, 100: 350, 350: 600}[start]
        parts.partial_fit(rows[start:stop], labels[start:stop], classes=[0, 1, 2])
    late = VMFClassifier().partial_fit(rows[labels < 2], labels[labels < 2])
    late.partial_fit(rows[labels == 2], labels[labels == 2])
    for other in (streamed, parts, late):
        assert other.concentrations_ == pytest.approx(whole.concentrations_, rel=1e-11)
        assert other.log_density(rows) == pytest.approx(whole.log_density(rows), rel=1e-9)
        assert other.n_features_in_ == 16
    with pytest.raises(ValueError, match="y holds 5"):
        parts.partial_fit(rows[:1], [5], classes=[0, 1, 2])


def grid(count=400):
    """Points and areas of a grid on the sphere in three dimensions (Gauss-Legendre in the height)."""
    height, weight = np.polynomial.legendre.leggauss(count)
    turn = np.arange(2 * count) * np.pi / count
    ring = np.sqrt(1 - height**2)
    points = np.stack(
        [
            np.outer(ring, np.cos(turn)),
            np.outer(ring, np.sin(turn)),
            np.outer(height, 1 + 0 * turn),
        ],
        axis=-1,
    )
    return points.reshape(-1, 3), np.repeat(weight * np.pi / count, 2 * count)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_predictive_density_is_the_integral_over_the_posterior(count):
    kappa = 6.0
    rows = vmf.VonMisesFisher(np.eye(3)[0], kappa).sample(count, 1)
    classifier = VMFClassifier(concentration=kappa, predictive=True).fit(rows, [0] * count)
    beta = kappa * rows.sum(axis=0)
    assert classifier.posterior_concentrations_ == pytest.approx([np.linalg.norm(beta)])
    points, areas = grid()
    posterior = vmf.VonMisesFisher(beta / np.linalg.norm(beta), np.linalg.norm(beta))
    mass = posterior.pdf(points) * areas
    assert mass.sum() == pytest.approx(1.0)
    new = vmf.VonMisesFisher(np.eye(3)[1], 0.5).sample(5, 2)
    for x, found in zip(new, classifier.log_density(new)[:, 0], strict=True):
        given_mean = np.array(vmf.VonMisesFisher(x, kappa).pdf(points))  # symmetric in x and mu
        assert found == pytest.approx(np.log(given_mean @ mass), rel=1e-9)
    assert np.exp(classifier.log_density(points)[:, 0]) @ areas == pytest.approx(1.0)


def test_the_predictive_density_follows_from_the_formula_in_high_dimension():
    mpmath = pytest.importorskip("mpmath")
    dim, kappa = 512, 400.0
    rows = vmf.VonMisesFisher(np.eye(dim)[0], kappa).sample(3, 0)
    new = vmf.VonMisesFisher(np.eye(dim)[0], kappa).sample(4, 1)
    found = VMFClassifier(concentration=kappa, predictive=True).fit(rows, ["a"] * 3)

    def log_c(k):
        order = mpmath.mpf(dim) / 2 - 1
        return (
            order * mpmath.log(k)
            - mpmath.mpf(dim) / 2 * mpmath.log(2 * mpmath.pi)
            - mpmath.log(mpmath.besseli(order, k))
        )

    with mpmath.workdps(40):
        unit = [mpmath.matrix(row.tolist()) for row in rows]
        beta = mpmath.mpf(kappa) * (unit[0] + unit[1] + unit[2])
        for x, value in zip(new, found.log_density(new)[:, 0], strict=True):
            both = mpmath.norm(beta + kappa * mpmath.matrix(x.tolist()))
            exact = log_c(mpmath.mpf(kappa)) + log_c(mpmath.norm(beta)) - log_c(both)
            assert value == pytest.approx(float(exact), rel=1e-11)


def test_with_many_rows_the_predictive_density_is_that_of_the_mean():
    rows, labels = clusters(rows=3000, dim=4)
    plug_in = VMFClassifier().fit(rows, labels).log_density(rows)
    predictive = VMFClassifier(predictive=True).fit(rows, labels).log_density(rows)
    assert np.abs(predictive - plug_in).max() < 0.1
    few = VMFClassifier(predictive=True, concentration="tied").fit(rows[:8], labels[:8])
    plain = VMFClassifier(concentration="tied").fit(rows[:8], labels[:8])
    truth = few.classes_.searchsorted(labels)
    at = np.arange(len(rows))
    assert few.log_density(rows)[at, truth].mean() > plain.log_density(rows)[at, truth].mean()


def test_a_prior_of_the_mean_direction_enters_the_posterior():
    prior = ConjugatePrior(np.eye(4)[1], 5.0, 0.8)
    classifier = VMFClassifier(estimator="map", prior=prior, concentration=3.0)
    classifier.fit(np.eye(4)[:1], [0])
    beta = 3.0 * (np.eye(4)[0] + 4.0 * np.eye(4)[1])
    assert classifier.posterior_concentrations_ == pytest.approx([np.linalg.norm(beta)])
    assert classifier.mean_directions_[0] == pytest.approx(beta / np.linalg.norm(beta))


def test_a_class_of_one_row_takes_the_pooled_concentration_and_that_is_said():
    rows, labels = clusters()
    few = np.concatenate([np.flatnonzero(labels == 0)[:40], np.flatnonzero(labels == 1)[:1]])
    with pytest.warns(UserWarning, match="1 classes .1. do not determine"):
        classifier = VMFClassifier().fit(rows[few], labels[few])
    by_class = list(statistics_by_class(rows[few], labels[few]).values())
    pooled = pooled_concentration(by_class, "unbiased")
    assert classifier.concentrations_[1] == pytest.approx(pooled)
    assert classifier.concentrations_[0] == pytest.approx(pooled)
    with pytest.raises(DegenerateFitError, match="one"):
        VMFClassifier().fit(rows[:3], ["a", "b", "c"])
    fixed = VMFClassifier(concentration=60.0).fit(rows[few], labels[few])
    assert fixed.concentrations_.tolist() == [60.0, 60.0]


def test_one_class_is_a_density():
    rows, _ = clusters(count=1)
    classifier = VMFClassifier().fit(rows, ["only"] * len(rows))
    assert set(classifier.predict(rows)) == {"only"}
    assert classifier.predict_proba(rows) == pytest.approx(np.ones((len(rows), 1)))
    law = vmf.VonMisesFisher.fit(rows, estimator="unbiased")
    assert classifier.score_samples(rows) == pytest.approx(law.logpdf(rows), rel=1e-10)


def test_bad_input():
    rows, labels = clusters(rows=10)
    broken = rows.copy()
    broken[4, 2] = np.nan
    with pytest.raises(BadRowError, match=r"X, row 4, column 2 .*NaN"):
        VMFClassifier().fit(broken, labels)
    with pytest.raises(ValueError, match="inconsistent numbers of samples: 30 rows, 29 labels"):
        VMFClassifier().fit(rows, labels[:29])
    with pytest.raises(ValueError, match="requires y"):
        VMFClassifier().fit(rows, None)
    with pytest.raises(ValueError, match="NaN"):
        VMFClassifier().fit(rows, np.where(labels == 0, np.nan, labels))
    with pytest.raises(ValueError, match="Unknown label type"):
        VMFClassifier().fit(rows, labels + 0.5)
    with pytest.raises(ValueError, match="no classes"):
        VMFClassifier.from_statistics({})
    one = SufficientStatistics.from_rows(rows)
    with pytest.raises(ValueError, match=r"dimensions \[4, 16\]"):
        VMFClassifier.from_statistics({"a": one, "b": SufficientStatistics.from_rows(rows[:, :4])})
    with pytest.raises(ValueError, match="'b' has no rows"):
        VMFClassifier.from_statistics({"a": one, "b": SufficientStatistics.empty(16)})
    with pytest.raises((ValueError, TypeError), match=r"mix|not supported"):
        VMFClassifier.from_statistics({"a": one, 1: one})
    opposite = np.concatenate([np.eye(16)[:2], -np.eye(16)[:2]])
    with pytest.raises(DegenerateFitError, match="'x' cancel"):
        VMFClassifier().fit(np.concatenate([rows, opposite]), ["r"] * 30 + ["x"] * 4)
    fitted = VMFClassifier().fit(rows, labels)
    with pytest.raises(ValueError, match="expecting 16 features"):
        fitted.predict(rows[:, :5])


def test_zero_rows_have_the_priors_as_probabilities():
    rows, labels = clusters(rows=30)
    rows[[2, 9]] = 0.0
    with pytest.warns(UserWarning, match="2 rows of X are zero"):
        classifier = VMFClassifier().fit(rows, labels)
    assert sum(one.weight for one in classifier.statistics_.values()) == 88
    assert sum(one.skipped for one in classifier.statistics_.values()) == 2
    with pytest.warns(UserWarning, match="zero"):
        proba = classifier.predict_proba(rows)
    assert proba[[2, 9]] == pytest.approx(np.tile(np.exp(classifier.log_priors_), (2, 1)))
    with pytest.warns(UserWarning, match="zero"):
        assert np.flatnonzero(np.isnan(classifier.score_samples(rows))).tolist() == [2, 9]


def test_it_works_inside_scikit_learn():
    rows, labels = clusters(kappa=30.0)
    assert cross_val_score(VMFClassifier(), rows, labels, cv=3).min() > 0.95
