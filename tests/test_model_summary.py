from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import vmf
from vmf.distribution.summary import cautions, summarize
from vmf.estimation import concentration_interval, mean_direction_interval
from vmf.jobs.fit import fit_files
from vmf.passes.engine import Reading

RNG = np.random.default_rng(0)


def model_of(tmp_path, rows, **how):
    np.save(tmp_path / "x.npy", rows)
    return fit_files([tmp_path / "x.npy"], **how)


def test_the_numbers_are_those_of_the_statistics(tmp_path):
    rows = vmf.VonMisesFisher(np.eye(5)[0], 12.0).sample(300, RNG)
    model = model_of(tmp_path, rows, estimator="mle")
    (one,) = summarize(model, 0.9)
    statistics = vmf.SufficientStatistics.from_rows(rows)
    assert (one.rows, one.normalised, one.skipped, one.label) == (300, 0, 0, None)
    assert one.mean_resultant_length == pytest.approx(statistics.mean_resultant_length, rel=1e-14)
    assert one.interval == pytest.approx(concentration_interval(statistics, 0.9), rel=1e-12)
    assert math.radians(one.half_angle) == pytest.approx(
        mean_direction_interval(statistics, 0.9), rel=1e-12
    )
    assert one.sra[2] == pytest.approx(one.concentration, rel=1e-4)
    logpdf = vmf.VonMisesFisher(model.mean_direction[0], one.concentration).logpdf(rows)
    assert one.log_likelihood == pytest.approx(logpdf.mean(), rel=1e-12)
    assert cautions(model, [one]) == []


def test_the_interval_under_a_prior_counts_its_rows(tmp_path):
    model = model_of(tmp_path, np.eye(4)[:1], estimator="map")
    (one,) = summarize(model)
    low, high = one.interval
    assert low <= one.concentration <= high < math.inf
    assert math.isfinite(one.standard_error)
    assert math.isfinite(one.log_likelihood)


def test_equal_rows_have_no_interval(tmp_path):
    rows = vmf.VonMisesFisher(np.eye(4)[0], 5.0).sample(50, RNG)
    model = model_of(tmp_path, rows)
    single = vmf.SufficientStatistics.from_rows(rows[:1])
    (one,) = summarize(replace(model, statistics=(single,), standard_error=np.array([np.nan])))
    assert one.interval is None
    assert one.half_angle is None


def test_cautions_say_what_happened(tmp_path):
    rows = 3 * vmf.VonMisesFisher(np.eye(4)[0], 5.0).sample(50, RNG)
    rows[7] = 0
    model = model_of(tmp_path, rows, reading=Reading(on_bad_rows="skip"))
    first, second = cautions(model, summarize(model))
    assert first == "49 rows were not of unit length and were normalised."
    assert second == "1 rows held NaN or infinity or were zero and were skipped."


def test_a_caution_where_maximum_likelihood_misleads(tmp_path):
    rows = vmf.VonMisesFisher(np.eye(2000)[0], 600.0).sample(20, RNG)
    model = model_of(tmp_path, rows, estimator="mle")
    said = " ".join(cautions(model, summarize(model)))
    assert "biased upwards; use estimator='unbiased'" in said
    model = model_of(tmp_path, rows, estimator="unbiased")
    assert cautions(model, summarize(model)) == []


def test_a_caution_where_nothing_excludes_uniformity(tmp_path):
    rows = np.random.default_rng(3).standard_normal((60, 3))
    model = model_of(tmp_path, rows / np.linalg.norm(rows, axis=1, keepdims=True))
    (one,) = summarize(model)
    assert one.interval[0] == 0
    assert "may have no preferred direction" in " ".join(cautions(model, [one]))
