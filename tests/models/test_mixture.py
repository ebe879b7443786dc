from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

import vmf
from tests.models.data import clusters
from vmf.errors import BadRowError, DegenerateFitError
from vmf.estimation import ConjugatePrior
from vmf.models import VMFDensity, VMFMixture

OVERLAPPING = {"kappa": 12.0, "rows": 150, "dim": 8, "count": 4}


@pytest.mark.parametrize("assignment", ["soft", "hard"])
@pytest.mark.parametrize("concentration", ["free", "tied", 12.0])
@pytest.mark.parametrize("weights", ["free", "uniform"])
@pytest.mark.parametrize("seed", range(3))
def test_the_likelihood_never_falls(assignment, concentration, weights, seed):
    rows, _ = clusters(**OVERLAPPING, seed=10 * seed)
    mixture = VMFMixture(
        5, assignment=assignment, concentration=concentration, weights=weights, estimator="mle",
        init="random", tol=0.0, max_iter=40, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(rows)
    assert mixture.n_reseeded_ == 0
    bounds = np.array(mixture.lower_bounds_)
    assert len(bounds) >= 2
    assert bounds[-1] > bounds[0]
    assert np.diff(bounds).min() >= -1e-12


def test_the_likelihood_never_falls_in_float32_beyond_its_rounding():
    rows, _ = clusters(kappa=800.0, rows=300, dim=512, count=4, dtype=np.float32)
    mixture = VMFMixture(4, estimator="mle", tol=1e-6, init="random", random_state=0).fit(rows)
    bounds = np.array(mixture.lower_bounds_)
    assert np.diff(bounds).min() >= -1e-4


@pytest.mark.parametrize("assignment", ["soft", "hard", "stochastic"])
@pytest.mark.parametrize("init", ["k-means++", "farthest", "random"])
def test_known_components_are_found(assignment, init):
    rows, truth = clusters(rows=150)
    mixture = VMFMixture(
        3, assignment=assignment, init=init, n_init=4, max_iter=20, random_state=1
    ).fit(rows)
    assert adjusted_rand_score(truth, mixture.predict(rows)) > 0.97
    assert mixture.weights_ == pytest.approx([1 / 3] * 3, abs=0.02)
    assert mixture.concentrations_ == pytest.approx([60.0] * 3, rel=0.12)
    nearest = np.abs(mixture.mean_directions_[:, :3]).max(axis=1)
    assert (nearest > 0.98).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kappa", [5.0, 5e3, 5e7])
@pytest.mark.parametrize("estimator", ["mle", "unbiased", "map"])
def test_one_component_is_the_distribution(dtype, kappa, estimator):
    rows = vmf.VonMisesFisher(np.eye(12)[3], kappa).sample(300, 0, dtype=dtype)
    law = vmf.VonMisesFisher.fit(rows, estimator=estimator)
    for model in (VMFDensity(estimator=estimator), VMFMixture(1, estimator=estimator)):
        model.fit(rows)
        assert model.concentrations_[0] == pytest.approx(law.concentration, rel=1e-12)
        assert model.mean_directions_[0] == pytest.approx(law.mean_direction, abs=1e-15)
        unit = rows / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
        expected = law.logpdf(unit.astype(float))
        assert model.score_samples(rows) == pytest.approx(expected, rel=1e-6, abs=1e-6)
        assert model.lower_bound_ == pytest.approx(float(expected.mean()), rel=1e-6)
    density = VMFDensity().fit(rows)
    assert density.distribution_.concentration == density.concentration_


def test_densities_are_those_of_the_distributions():
    rows, _ = clusters()
    mixture = VMFMixture(3, random_state=0).fit(rows)
    each = np.stack(
        [
            vmf.VonMisesFisher(mean, kappa).logpdf(rows)
            for mean, kappa in zip(mixture.mean_directions_, mixture.concentrations_, strict=True)
        ],
        axis=1,
    )
    assert mixture.log_density(rows) == pytest.approx(each, rel=1e-11)
    joint = each + np.log(mixture.weights_)
    total = np.log(np.exp(joint - joint.max()).sum(axis=1)) + joint.max()
    assert mixture.score_samples(rows) == pytest.approx(total, rel=1e-11)
    assert mixture.score(rows) == pytest.approx(total.mean(), rel=1e-11)
    assert mixture.predict_log_proba(rows) == pytest.approx(joint - total[:, None], abs=1e-9)
    assert mixture.predict_proba(rows).sum(axis=1) == pytest.approx(np.ones(len(rows)))
    assert (mixture.predict(rows) == joint.argmax(axis=1)).all()
    lengths = [one.weight * one.mean_resultant_length for one in mixture.statistics_]
    assert mixture.posterior_concentrations_ == pytest.approx(
        mixture.concentrations_ * np.array(lengths)
    )


@pytest.mark.parametrize("kappa", [1e6, 1e11])
def test_concentrated_float32_and_float64_rows_keep_their_kappa(kappa):
    """In float32 products 1 - R of these rows is nothing but rounding."""
    dtype = np.float32 if kappa < 1e8 else np.float64
    rows, truth = clusters(kappa=kappa, rows=200, dim=6, count=2, dtype=dtype)
    mixture = VMFMixture(2, estimator="mle", random_state=0).fit(rows)
    label = mixture.predict(rows)
    for k in range(2):
        exact = vmf.VonMisesFisher.fit(rows[label == k], estimator="mle").concentration
        assert mixture.concentrations_[k] == pytest.approx(exact, rel=1e-6)
    assert adjusted_rand_score(truth, label) == 1.0


def test_density_in_high_dimension_is_finite():
    rows, truth = clusters(kappa=9000.0, rows=12, dim=32768, count=2, dtype=np.float32)
    mixture = VMFMixture(2, random_state=0).fit(rows)
    assert np.isfinite(mixture.score_samples(rows)).all()
    assert adjusted_rand_score(truth, mixture.predict(rows)) == 1.0


def test_lengths_of_rows_are_irrelevant_even_extreme_ones():
    rows, _ = clusters()
    lengths = np.exp(np.random.default_rng(0).normal(size=len(rows)))
    lengths[[3, 50]] = 1e-200, 1e180
    start = rows[:3]
    plain = VMFMixture(3, init=start).fit(rows)
    scaled = VMFMixture(3, init=start).fit(rows * lengths[:, None])
    assert scaled.concentrations_ == pytest.approx(plain.concentrations_, rel=1e-9)
    assert scaled.score_samples(rows * lengths[:, None]) == pytest.approx(
        plain.score_samples(rows), rel=1e-9
    )


def test_given_weights_concentrations_and_directions_are_kept():
    rows, _ = clusters()
    mixture = VMFMixture(
        3, weights=[2, 1, 1], concentration=[10.0, 20.0, 30.0], init=np.eye(16)[:3] * 7
    ).fit(rows)
    assert mixture.weights_.tolist() == [0.5, 0.25, 0.25]
    assert mixture.concentrations_.tolist() == [10.0, 20.0, 30.0]
    assert np.abs(mixture.mean_directions_[:, :3]).argmax(axis=1).tolist() == [0, 1, 2]
    assert len(set(VMFMixture(3, concentration="tied").fit(rows).concentrations_)) == 1


def test_repeating_a_row_is_giving_it_weight():
    rows, _ = clusters(**OVERLAPPING)
    times = np.random.default_rng(0).integers(0, 4, len(rows))
    start = np.eye(8)[:4]
    for estimator in ("mle", "unbiased"):
        weighted = VMFMixture(4, init=start, estimator=estimator, max_iter=200).fit(
            rows, sample_weight=times
        )
        repeated = VMFMixture(4, init=start, estimator=estimator, max_iter=200).fit(
            rows.repeat(times, axis=0)
        )
        assert weighted.concentrations_ == pytest.approx(repeated.concentrations_, rel=1e-9)
        assert weighted.weights_ == pytest.approx(repeated.weights_, rel=1e-9)


def test_a_component_without_rows_is_moved_and_that_is_said():
    rows, truth = clusters(rows=60)
    twice = np.eye(16)[[0, 0, 1]]  # the second gets no row
    mixture = VMFMixture(3, init=twice, assignment="hard")
    with pytest.warns(ConvergenceWarning, match="moved to other rows"):
        mixture.fit(rows)
    assert mixture.n_reseeded_ >= 1
    assert adjusted_rand_score(truth, mixture.predict(rows)) > 0.97


def test_a_component_below_the_least_weight_is_moved():
    rows, _ = clusters(rows=100, count=2)
    lone = VMFMixture(3, min_weight=0.05, random_state=0, max_iter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        lone.fit(np.concatenate([rows, -np.eye(16)[5:6]]))
    assert lone.n_reseeded_ > 0


def test_a_component_of_one_row_takes_the_pooled_concentration():
    rows, _ = clusters(rows=80, count=2)
    outlier = -np.eye(16)[7:8]
    start = np.concatenate([np.eye(16)[:2], outlier])
    with pytest.warns(ConvergenceWarning, match="pooled"):
        mixture = VMFMixture(3, init=start).fit(np.concatenate([rows, outlier]))
    assert np.isfinite(mixture.concentrations_).all()
    assert mixture.predict(outlier) == [2]
    assert mixture.statistics_[2].weight == pytest.approx(1.0, abs=1e-3)
    low, high = sorted(mixture.concentrations_[:2])
    assert low * 0.9 < mixture.concentrations_[2] < high * 1.1


def test_information_criteria_count_the_parameters():
    rows, _ = clusters()
    n = len(rows)
    for parameters, free in (
        ({}, 3 * 15 + 3 + 2),
        ({"concentration": "tied"}, 3 * 15 + 1 + 2),
        ({"concentration": 60.0, "weights": "uniform"}, 3 * 15),
    ):
        mixture = VMFMixture(3, random_state=0, **parameters).fit(rows)
        total = -2 * n * mixture.score(rows)
        assert mixture.bic(rows) == pytest.approx(total + free * np.log(n))
        assert mixture.aic(rows) == pytest.approx(total + 2 * free)


def test_bic_finds_the_number_of_components():
    rows, _ = clusters(rows=150)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        scores = [
            VMFMixture(k, n_init=3, random_state=0, estimator="mle").fit(rows).bic(rows)
            for k in range(1, 6)
        ]
    assert int(np.argmin(scores)) + 1 == 3


def test_samples_follow_the_mixture():
    rows, _ = clusters(rows=300)
    mixture = VMFMixture(3, random_state=0).fit(rows)
    drawn, components = mixture.sample(3000)
    assert drawn.shape == (3000, 16)
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.ones(3000))
    assert np.bincount(components) / 3000 == pytest.approx(mixture.weights_, abs=0.04)
    again = VMFMixture(3, init=mixture.mean_directions_).fit(drawn)
    assert again.concentrations_ == pytest.approx(mixture.concentrations_, rel=0.1)
    assert (mixture.sample(5)[0] == mixture.sample(5)[0]).all()


def test_warm_start_goes_on():
    rows, _ = clusters(**OVERLAPPING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole = VMFMixture(4, max_iter=6, tol=0, init=np.eye(8)[:4]).fit(rows)
        parts = VMFMixture(4, max_iter=3, tol=0, init=np.eye(8)[:4], warm_start=True).fit(rows)
        parts.fit(rows)
    assert parts.concentrations_ == pytest.approx(whole.concentrations_, rel=1e-12)
    parts.n_components = 3
    with pytest.raises(ValueError, match="warm_start=False"):
        parts.fit(rows)


def test_partial_fit_of_chunks_comes_near_the_fit_of_all():
    rows, _ = clusters(rows=400)
    mixture = VMFMixture(3, random_state=0)
    for chunk in np.array_split(rows, 6):
        mixture.partial_fit(chunk)
    assert sum(one.weight for one in mixture.statistics_) == pytest.approx(len(rows))
    whole = VMFMixture(3, random_state=0).fit(rows)
    assert mixture.score(rows) == pytest.approx(whole.score(rows), abs=0.02)
    one = VMFDensity().partial_fit(rows[:500]).partial_fit(rows[500:])
    assert one.concentration_ == pytest.approx(VMFDensity().fit(rows).concentration_, rel=1e-12)


def test_a_prior_enters_the_direction_and_the_concentration():
    rows, _ = clusters(rows=5, count=1)
    prior = ConjugatePrior(np.eye(16)[1], 20.0, 0.9)
    model = VMFDensity(estimator="map", prior=prior).fit(rows)
    law = vmf.VonMisesFisher.fit(rows, estimator="map", prior=prior)
    assert model.concentration_ == pytest.approx(law.concentration, rel=1e-12)
    assert model.mean_direction_ == pytest.approx(law.mean_direction, abs=1e-14)
    assert model.lower_bound_ == pytest.approx(model.score(rows), rel=1e-12)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components is 0"),
        ({"n_components": 2.5}, "n_components is 2.5"),
        ({"assignment": "fuzzy"}, "soft, hard, stochastic"),
        ({"concentration": "shared"}, "'free', 'tied'"),
        ({"concentration": -1.0}, "finite and >= 0"),
        ({"concentration": [1.0, 2.0, 3.0]}, "one number or 2"),
        ({"estimator": "best"}, "unknown estimator"),
        ({"weights": [1.0, 0.0]}, "2 numbers > 0"),
        ({"min_weight": 0.5}, "below 1/n_components"),
        ({"init": "kmeans"}, "k-means\\+\\+, farthest, random"),
        ({"init": np.eye(16)[:3]}, "expected \\(2, 16\\)"),
        ({"init": np.zeros((2, 16))}, "zero or not finite"),
        ({"max_iter": 0}, "max_iter is 0"),
        ({"tol": -1.0}, "tol is"),
        ({"zero_rows": "drop"}, "'skip' or 'error'"),
    ],
)
def test_unusable_parameters(parameters, message):
    rows, _ = clusters(rows=20)
    with pytest.raises(ValueError, match=message):
        VMFMixture(**{"n_components": 2, **parameters}).fit(rows)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(value):
    rows, _ = clusters(rows=20)
    rows[7, 5] = value
    with pytest.raises(BadRowError, match="X, row 7, column 5"):
        VMFMixture(2).fit(rows)
    with pytest.raises(BadRowError, match="X, row 7, column 5"):
        VMFMixture(2, random_state=0).fit(rows[:7]).predict(rows)


def test_zero_rows_count_for_nothing_or_are_refused():
    rows, _ = clusters(rows=40)
    start = np.eye(16)[:3]
    with_zeros = np.insert(rows, [4, 60], 0.0, axis=0)
    zero = np.flatnonzero(~with_zeros.any(axis=1))
    with pytest.raises(BadRowError, match=r"X, row 4 .*all values are zero"):
        VMFMixture(3, init=start, zero_rows="error").fit(with_zeros)
    plain = VMFMixture(3, init=start).fit(rows)
    with pytest.warns(UserWarning, match="2 rows of X are zero, the first of them row 4"):
        skipping = VMFMixture(3, init=start).fit(with_zeros)
    assert skipping.concentrations_ == pytest.approx(plain.concentrations_, rel=1e-12)
    assert skipping.weights_ == pytest.approx(plain.weights_, rel=1e-12)
    with pytest.warns(UserWarning, match="zero"):
        scores = skipping.score_samples(with_zeros)
    with pytest.warns(UserWarning, match="zero"):
        proba = skipping.predict_proba(with_zeros)
    assert np.flatnonzero(np.isnan(scores)).tolist() == zero.tolist()
    assert proba[zero] == pytest.approx(np.tile(plain.weights_, (2, 1)))
    with pytest.raises(ValueError, match="every row of X"), pytest.warns(UserWarning, match="5"):
        VMFMixture(3).fit(np.zeros((5, 4)))


def test_too_few_rows():
    rows, _ = clusters(rows=1)
    with pytest.raises(ValueError, match="n_components is 4, but X has n_samples = 3"):
        VMFMixture(4).fit(rows)
    with pytest.raises(DegenerateFitError, match="n_samples = 1"):
        VMFMixture(1).fit(rows[:1])
    with pytest.raises(DegenerateFitError, match="concentration"):
        VMFMixture(3, random_state=0).fit(rows)
    assert VMFMixture(3, random_state=0, concentration=5.0).fit(rows).score(rows) > 0
    assert VMFDensity(estimator="map").fit(rows[:1]).concentration_ > 0
    with pytest.raises(DegenerateFitError, match="R = 1"):
        VMFDensity().fit(np.tile(rows[:1], (5, 1)))
    with pytest.raises(DegenerateFitError, match="R = 0"):
        VMFDensity().fit(np.concatenate([np.eye(4), -np.eye(4)]))
    with pytest.raises(ValueError, match="sample_weight"):
        VMFMixture(1).fit(rows, sample_weight=[1.0, -1.0, 1.0])
    with pytest.raises(ValueError, match="sample_weight is zero for every row"):
        VMFMixture(1).fit(rows, sample_weight=np.zeros(3))


def test_one_component_has_no_predict_proba():
    assert not hasattr(VMFMixture(1), "predict_proba")
    assert hasattr(VMFMixture(2), "predict_proba")
