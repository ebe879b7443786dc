"""What scikit-learn asks of every estimator."""

from __future__ import annotations

import warnings

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks

from vmf.models import VMFClassifier, VMFDensity, VMFMixture


@parametrize_with_checks([VMFMixture(), VMFDensity(), VMFClassifier()])
def test_what_scikit_learn_asks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)
