"""Estimation of von Mises-Fisher distributions: chunks -> statistics -> solve.

`SufficientStatistics` adds up rows, `fit` and the estimators of the concentration solve,
`concentration_interval` and `mean_direction_interval` say how sure the answer is.
"""

from __future__ import annotations

from vmf.errors import BadRowError, DegenerateFitError
from vmf.estimation.approximations import banerjee, song, sra, tanabe
from vmf.estimation.concentration import (
    Estimator,
    fit_concentration,
    map_estimate,
    marginal,
    mle,
    unbiased,
)
from vmf.estimation.fit import FitResult, fit
from vmf.estimation.intervals import (
    concentration_interval,
    concentration_standard_error,
    mean_direction_interval,
)
from vmf.estimation.prior import ConjugatePrior
from vmf.estimation.statistics import SufficientStatistics, statistics_by_class

__all__ = [
    "BadRowError",
    "ConjugatePrior",
    "DegenerateFitError",
    "Estimator",
    "FitResult",
    "SufficientStatistics",
    "banerjee",
    "concentration_interval",
    "concentration_standard_error",
    "fit",
    "fit_concentration",
    "map_estimate",
    "marginal",
    "mean_direction_interval",
    "mle",
    "song",
    "sra",
    "statistics_by_class",
    "tanabe",
    "unbiased",
]
