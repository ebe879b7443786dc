"""Estimates of the concentration kappa from sufficient statistics.

Which one to use: `mle` when the rows outnumber the dimensions by a hundred or more; `unbiased` (or
`marginal`, hardly different) otherwise, and without harm always; `map_estimate` with a prior of
your own when classes are small and something is known of them. The default prior, one row without
direction, only keeps kappa finite: it is far too strong for concentrated rows.

2000 simulated data sets a line (``python -m benchmarks.estimator_bias``)::

        p     n   kappa |  bias % (root mean square error %) of
                        |  mle            unbiased       marginal       map
        2     5       2 |  108.8 (316.5)    62.2 (248.5)    68.6 (249.9)   -11.7 ( 33.4)
        3    10     0.3 |  237.2 (286.9)    28.6 (183.7)    43.7 (200.5)   200.3 (243.4)
        3    10      30 |   23.0 ( 49.9)    10.5 ( 41.2)    10.7 ( 41.3)   -71.7 ( 71.7)
        3   100       3 |    1.8 ( 10.7)     0.5 ( 10.5)     0.7 ( 10.5)    -0.4 ( 10.1)
       64    20     6.4 |  158.0 (159.9)   -10.3 ( 57.4)    -9.4 ( 57.6)   144.3 (146.2)
       64    20      64 |    9.4 ( 11.1)     0.0 (  5.6)     0.1 (  5.6)    -2.3 (  5.3)
       64   200      64 |    0.9 (  1.9)     0.0 (  1.6)     0.0 (  1.6)    -0.2 (  1.6)
       64  5000     6.4 |    1.0 (  2.1)    -0.0 (  1.8)     0.0 (  1.8)     1.0 (  2.0)
     2048    20    2048 |    9.4 (  9.5)    -0.0 (  1.0)    -0.0 (  1.0)    -2.2 (  2.3)
     2048   200     205 |   23.2 ( 23.3)    -0.0 (  1.8)    -0.0 (  1.8)    22.6 ( 22.7)
     2048  2000     205 |    2.6 (  2.6)     0.0 (  0.5)     0.0 (  0.5)     2.5 (  2.5)
     2048  2000    2048 |    0.1 (  0.1)    -0.0 (  0.1)    -0.0 (  0.1)    -0.0 (  0.1)
     2048  5000   20480 |    0.0 (  0.0)     0.0 (  0.0)     0.0 (  0.0)    -0.4 (  0.4)
    32768    50    3277 |   77.3 ( 77.3)     0.0 (  1.1)     0.0 (  1.1)    73.7 ( 73.7)
    32768  5000   32768 |    0.0 (  0.0)    -0.0 (  0.0)    -0.0 (  0.0)    -0.0 (  0.0)

What bias is left for a handful of rows in low dimension is that of kappa as a curved
function of R: its distribution has a long tail to the right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

from vmf import special
from vmf.estimation import approximations
from vmf.estimation.marginal_likelihood import MarginalLikelihood
from vmf.estimation.prior import ConjugatePrior
from vmf.estimation.statistics import SufficientStatistics

Estimator = Literal["mle", "unbiased", "marginal", "map", "banerjee", "tanabe", "sra", "song"]


def mle(statistics: SufficientStatistics) -> float:
    """Return the maximum-likelihood kappa, the root of A_p(kappa) = R, to machine precision.

    Right when n is much larger than p. R overestimates A_p(kappa), E R^2 = A^2 + (1 - A^2)/n, so
    kappa comes out too large: by the factor n/(n - 1) when concentrated, and without bound for
    spread rows in dimension p > n (see the table at the top of this module).

    Returns
    -------
    float
        0 for R = 0, infinity for R = 1 (all rows equal, or one row).

    Raises
    ------
    ValueError
        If there are no rows.
    """
    return _inverse(
        statistics.dimension,
        statistics.mean_resultant_length,
        statistics.one_minus_mean_resultant_length,
    )


def unbiased(statistics: SufficientStatistics) -> float:
    """Return the kappa for which A_p(kappa)^2 = (n R^2 - 1) / (n - 1), 0 if that is negative.

    The right-hand side is the mean cosine between two different rows and an unbiased estimate of
    A_p(kappa)^2, for every n >= 2 and every p. (kappa itself is a curved function of it and keeps
    a bias of the order of its variance.) Right when p is comparable with n or larger; for n much
    larger than p it agrees with `mle`. With weights, n is the effective number of rows, with which
    the estimate of A^2 remains exactly unbiased.

    Returns
    -------
    float
        Infinity for R = 1.

    Raises
    ------
    ValueError
        If there are fewer than two (effective) rows.
    """
    likelihood = MarginalLikelihood.of(statistics)
    n = likelihood.count
    r, r_c = likelihood.mean_resultant_length, likelihood.one_minus_mean_resultant_length
    squared = (n * r * r - 1.0) / (n - 1.0)
    if squared <= 0:
        return 0.0
    a = math.sqrt(squared)
    squared_c = n * r_c * (1.0 + r) / (n - 1.0)
    return _inverse(statistics.dimension, a, squared_c / (1.0 + a))


def marginal(statistics: SufficientStatistics) -> float:
    """Return the kappa that maximises the likelihood of the resultant's length alone.

    Schou, Biometrika 65 (1978) 369-377: the root of n A_p(kappa) = r A_p(r kappa), r = n R; 0 if
    r^2 <= n. It removes the bias that the unknown mean direction causes and is the estimate
    that `concentration_interval` surrounds. Right for every n >= 2 and p; within a fraction of a
    standard error of `unbiased`. Returns and errors as for `unbiased`.
    """
    return MarginalLikelihood.of(statistics).maximum()


def map_estimate(statistics: SufficientStatistics, prior: ConjugatePrior | None = None) -> float:
    """Return the kappa of the posterior mode of (mu, kappa) under a conjugate prior.

    The mode of the density with respect to d mu d kappa: A_p(kappa) = |S + a r_0 m_0| / (W + a),
    the maximum-likelihood estimate after adding the prior's pseudo-rows. Right when classes are
    small and something is known beforehand; it stays finite for a single row or equal rows. It
    inherits the bias of `mle` in dimensions comparable with n unless the pseudo-count outweighs it.

    Parameters
    ----------
    prior : ConjugatePrior, optional
        Default: one pseudo-row without direction, ConjugatePrior(None, 1.0, 0.0).
    """
    return mle(statistics + (prior or ConjugatePrior()).statistics(statistics.dimension))


def fit_concentration(
    statistics: SufficientStatistics,
    estimator: Estimator = "unbiased",
    prior: ConjugatePrior | None = None,
) -> float:
    """Return the estimate of kappa that `estimator` names.

    Parameters
    ----------
    statistics : SufficientStatistics
    estimator : {"mle", "unbiased", "marginal", "map", "banerjee", "tanabe", "sra", "song"}
        See the functions of these names; "sra" means kappa_2.
    prior : ConjugatePrior, optional
        Only with "map".

    Raises
    ------
    ValueError
        For an unknown estimator, a prior with another estimator than "map", or statistics that
        the estimator cannot use.
    """
    check_estimator_name(estimator, prior)
    if estimator == "map":
        return map_estimate(statistics, prior)
    exact: dict[str, Callable[[SufficientStatistics], float]] = {
        "mle": mle,
        "unbiased": unbiased,
        "marginal": marginal,
    }
    if estimator in exact:
        return exact[estimator](statistics)
    approximate = getattr(approximations, estimator)
    return float(approximate(statistics.dimension, statistics.mean_resultant_length))


def check_estimator_name(estimator: str, prior: ConjugatePrior | None = None) -> None:
    """Raise ValueError unless `estimator` exists and may be used with `prior`."""
    names = get_args(Estimator)
    if estimator not in names:
        raise ValueError(f"unknown estimator {estimator!r}; choose one of {', '.join(names)}")
    if prior is not None and estimator != "map":
        raise ValueError(f"a prior is used by estimator 'map' only, not by {estimator!r}")


def _inverse(dim: int, a: float, a_c: float) -> float:
    """A_p^{-1} at a = 1 - a_c, from whichever of the two holds more digits."""
    if a_c <= 0:
        return math.inf
    return float(special.concentration_c(dim, a_c) if a > 0.5 else special.concentration(dim, a))
