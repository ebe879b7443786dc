"""The scores by name."""

from __future__ import annotations

import numpy as np
import pytest

from vmf import uncertainty
from vmf.uncertainty import SCORES, Reference, find_score


@pytest.fixture
def reference(model) -> Reference:
    rng = np.random.default_rng(0)
    X = model.draw(60)
    return Reference(model, X * rng.uniform(1, 3, (len(X), 1)), draws=8, seed=5)


@pytest.mark.parametrize("name", list(SCORES))
def test_each_gives_one_number_a_row_in_both_conventions(reference, name):
    X = np.random.default_rng(1).standard_normal((9, 6))
    score = SCORES[name]
    certain = score(reference, X)
    assert certain.shape == (9,)
    assert np.isfinite(certain).all()
    np.testing.assert_array_equal(score(reference, X, higher="ood"), -certain)
    assert np.ptp(certain) > 0


@pytest.mark.parametrize("name", list(SCORES))
def test_what_is_missing_is_named(reference, name):
    score = SCORES[name]
    X = np.random.default_rng(1).standard_normal((9, 6))
    assert score.missing(reference, X) == ()
    assert set(score.missing(Reference(), X)) == set(score.needs) - {"lengths"}
    with pytest.raises(ValueError, match=f"the score {name} needs"):
        score(Reference(), X)
    if "lengths" in score.needs:
        with pytest.raises(ValueError, match="these are normalised"):
            score(reference, X / np.linalg.norm(X, axis=1, keepdims=True))


def test_those_of_functions_agree_with_them(reference):
    X = np.random.default_rng(1).standard_normal((9, 6))
    for name in ("log_density", "class_log_density", "log_odds", "entropy", "max_probability"):
        expected = getattr(uncertainty, name)(reference.model, X)
        np.testing.assert_array_equal(SCORES[name](reference, X), expected)
    kappa = uncertainty.norm_concentration(X, scale=reference.norm_scale)
    np.testing.assert_array_equal(SCORES["norm"](reference, X), kappa)
    np.testing.assert_array_equal(
        SCORES["elk"](reference, X), uncertainty.elk_to_classes(reference.model, X, kappa)
    )


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="there is no score 'margin'; choose among log_density, "):
        find_score("margin")
