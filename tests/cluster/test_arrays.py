"""Estimators on dask arrays, computed by threads and by a cluster."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import vmf
from vmf.errors import BadRowError
from vmf.estimation import SufficientStatistics, statistics_by_class

da = pytest.importorskip("dask.array")
dask = pytest.importorskip("dask")

CHUNKS = pytest.mark.parametrize("chunks", [(700, 24), (1999, 10), (6000, 24)])


@pytest.fixture(params=["threads", "cluster"])
def computed_by(request):
    if request.param == "threads":
        with dask.config.set(scheduler="threads"):
            yield
    else:
        with request.getfixturevalue("client").as_current():
            yield


def same(found: SufficientStatistics, expected: SufficientStatistics) -> None:
    for name in ("count", "weight", "weight2", "normalised", "skipped", "dispersion"):
        assert getattr(found, name) == getattr(expected, name)
    assert np.array_equal(found.resultant, expected.resultant)
    assert np.array_equal(found.resultant_lo, expected.resultant_lo)


@CHUNKS
@pytest.mark.usefixtures("computed_by")
def test_statistics_have_the_bits_of_the_numpy_array(rows, chunks):
    X = da.from_array(rows, chunks)
    same(SufficientStatistics.from_rows(X), SufficientStatistics.from_rows(rows))
    there, here = vmf.VonMisesFisher.fit(X), vmf.VonMisesFisher.fit(rows)
    assert there.concentration == here.concentration
    assert np.array_equal(there.mean_direction, here.mean_direction)
    labels = np.arange(len(rows)) % 5
    here = statistics_by_class(rows, labels)
    for given in (labels, da.from_array(labels, 1000)):
        there = statistics_by_class(X, given)
        assert list(there) == list(here)
        for label in here:
            same(there[label], here[label])


@pytest.mark.usefixtures("computed_by")
def test_weights_and_chunks_of_unknown_size(rows):
    X = da.from_array(rows, (700, 24))
    unknown = X[da.from_array(np.arange(len(rows)) % 2 == 0, 700)]
    assert np.isnan(unknown.shape[0])
    same(SufficientStatistics.from_rows(unknown), SufficientStatistics.from_rows(rows[::2]))
    weights = np.random.default_rng(0).random(len(rows))
    expected = SufficientStatistics.from_rows(rows, weights=weights)
    first = SufficientStatistics.from_rows(X, weights=weights)
    same(SufficientStatistics.from_rows(X, weights=da.from_array(weights, 512)), first)
    assert first.weight == pytest.approx(expected.weight, rel=1e-14)
    assert first.resultant == pytest.approx(expected.resultant, rel=1e-13)
    same(
        SufficientStatistics.from_rows(unknown, weights=weights[::2]),
        SufficientStatistics.from_rows(da.from_array(rows[::2], (350, 24)), weights=weights[::2]),
    )


@pytest.mark.usefixtures("computed_by")
def test_the_first_bad_row_is_named(rows):
    wrong = rows.copy()
    wrong[[2511, 5000], 7] = np.nan
    X = da.from_array(wrong, (700, 24))
    for call in (
        lambda: SufficientStatistics.from_rows(X),
        lambda: statistics_by_class(X, np.zeros(len(rows), int)),
        lambda: vmf.models.VMFMixture(2).fit(X),
    ):
        with pytest.raises(BadRowError) as error:
            call()
        assert (error.value.row, error.value.column) == (2511, 7)
    assert SufficientStatistics.from_rows(X, on_bad_rows="skip").skipped == 2


def test_what_has_no_rows_is_refused(rows):
    for X in (da.ones(5), da.ones((5, 1)), da.ones((5, 2, 2))):
        with pytest.raises(ValueError, match="expected 2-D"):
            SufficientStatistics.from_rows(X)
    with pytest.raises(ValueError, match="labels have shape"):
        statistics_by_class(da.from_array(rows, 700), np.zeros(3))


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(1)
    means = np.linalg.qr(rng.standard_normal((24, 24)))[0][:3]
    parts = [vmf.VonMisesFisher(mean, 60.0).sample(1000, rng) for mean in means]
    order = rng.permutation(3000)
    return np.concatenate(parts)[order].astype(np.float32), np.repeat([0, 1, 2], 1000)[order]


PER_ROW = ["predict", "score_samples", "log_density", "predict_proba", "predict_log_proba"]


@pytest.mark.usefixtures("computed_by")
def test_density_and_classifier_have_the_bits_of_the_numpy_array(groups):
    rows, labels = groups
    X = da.from_array(rows, (450, 24))
    here, there = vmf.models.VMFDensity().fit(rows), vmf.models.VMFDensity().fit(X)
    assert there.concentration_ == here.concentration_
    assert np.array_equal(there.mean_direction_, here.mean_direction_)
    here = vmf.models.VMFClassifier().fit(rows, labels)
    there = vmf.models.VMFClassifier().fit(X, da.from_array(labels, 1000))
    assert np.array_equal(there.concentrations_, here.concentrations_)
    assert np.array_equal(there.mean_directions_, here.mean_directions_)
    for method in [*PER_ROW, "decision_function"]:
        found = getattr(there, method)(X)
        assert isinstance(found, da.Array)
        expected = getattr(here, method)(rows)
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        assert found.compute() == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert there.score(X, labels) == here.score(rows, labels) > 0.95


@pytest.mark.parametrize("assignment", ["soft", "hard", "stochastic"])
@pytest.mark.usefixtures("computed_by")
def test_mixtures_depend_on_chunks_by_rounding_only(groups, assignment):
    rows, _ = groups
    how = {"assignment": assignment, "random_state": 3, "max_iter": 20}
    here = vmf.models.VMFMixture(3, **how).fit(rows)
    X = da.from_array(rows, (450, 24))
    there, again = (vmf.models.VMFMixture(3, **how).fit(X) for _ in range(2))
    assert np.array_equal(there.mean_directions_, again.mean_directions_)
    assert np.array_equal(there.concentrations_, again.concentrations_)
    assert there.concentrations_ == pytest.approx(here.concentrations_, rel=1e-5)
    assert there.mean_directions_ == pytest.approx(here.mean_directions_, abs=1e-6)
    assert there.lower_bounds_ == pytest.approx(here.lower_bounds_, rel=1e-6)
    assert np.array_equal(there.predict(X).compute(), here.predict(rows))
    assert there.score(X) == pytest.approx(here.score(rows), rel=1e-6)
    assert there.bic(X) == pytest.approx(here.bic(rows), rel=1e-6)


def test_threads_and_cluster_give_the_same_bits_of_a_mixture(groups, client):
    X = da.from_array(groups[0], (450, 24))
    with dask.config.set(scheduler="threads"):
        here = vmf.models.VMFMixture(3, random_state=0).fit(X)
    with client.as_current():
        there = vmf.models.VMFMixture(3, random_state=0).fit(X)
    assert np.array_equal(there.mean_directions_, here.mean_directions_)
    assert np.array_equal(there.concentrations_, here.concentrations_)


@pytest.mark.usefixtures("computed_by")
def test_zero_rows_are_left_out_with_a_warning(groups):
    rows = groups[0].copy()
    rows[1700] = 0
    X = da.from_array(rows, (450, 24))
    with pytest.warns(UserWarning, match="1 rows of X are zero, the first of them row 1700"):
        there = vmf.models.VMFDensity().fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert there.concentration_ == vmf.models.VMFDensity().fit(rows).concentration_


def test_log_densities_of_a_distribution(groups):
    rows = groups[0].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    distribution = vmf.VonMisesFisher.fit(rows)
    found = distribution.logpdf(da.from_array(rows, (450, 24)))
    assert isinstance(found, da.Array)
    assert found.compute() == pytest.approx(distribution.logpdf(rows), rel=1e-12)
