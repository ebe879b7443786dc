"""One concentration for several sets of rows, each with a mean direction of its own.

With S_k the resultant and W_k the weight of set k, n_k its effective number of rows:

- "mle": A_p(kappa) = sum_k |S_k| / sum_k W_k;
- "unbiased": A_p(kappa)^2 = (sum_k n_k R_k^2 - K) / (sum_k n_k - K), which has the mean A^2 because
  E n_k R_k^2 = 1 + (n_k - 1) A^2. A set of one row adds nothing to either sum;
- "map": "mle" after the prior's pseudo-rows have been added to every set;
- others: the estimator applied to the pooled R of "mle".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vmf import special
from vmf.estimation.concentration import Estimator, check_estimator_name, fit_concentration
from vmf.estimation.prior import ConjugatePrior
from vmf.estimation.statistics import SufficientStatistics


def pooled_concentration(
    statistics: Sequence[SufficientStatistics],
    estimator: Estimator = "unbiased",
    prior: ConjugatePrior | None = None,
) -> float:
    """Return the kappa that sets of rows with different mean directions share.

    Parameters
    ----------
    statistics : sequence of SufficientStatistics
        One a set, of one dimension; sets without rows are left out.
    estimator, prior
        As for `fit_concentration`.

    Returns
    -------
    float
        Infinity where every set is a single row or has equal rows only.

    Raises
    ------
    ValueError
        Where there are no rows, or "unbiased" has no set of two.
    """
    check_estimator_name(estimator, prior)
    used = [one for one in statistics if one.weight > 0]
    if not used:
        raise ValueError("there are no rows (or all weights are 0)")
    if estimator == "map":
        pseudo = (prior or ConjugatePrior()).statistics(used[0].dimension)
        used = [one + pseudo for one in used]
    if estimator in ("unbiased", "marginal"):
        return _unbiased(used)
    pooled = _pooled(used)
    return fit_concentration(pooled, "mle" if estimator == "map" else estimator)


def _pooled(used: Sequence[SufficientStatistics]) -> SufficientStatistics:
    """Statistics whose R is that of all rows about the mean direction of their own set."""
    resultant = np.zeros(used[0].dimension)
    weight = sum(one.weight for one in used)
    dispersion = math.fsum(one.dispersion for one in used)
    resultant[0] = weight - dispersion
    return SufficientStatistics(
        count=sum(one.count for one in used),
        weight=weight,
        weight2=sum(one.weight2 for one in used),
        resultant=resultant,
        resultant_lo=np.zeros_like(resultant),
        dispersion=dispersion,
    )


def _unbiased(used: Sequence[SufficientStatistics]) -> float:
    counts = [one.effective_count for one in used]
    rest = sum(max(n - 1.0, 0.0) for n in counts)
    if not rest > 1e-9:
        raise ValueError(
            "every set is one (effective) row; one row says nothing about the concentration"
        )
    squared_c = math.fsum(
        n * one.one_minus_mean_resultant_length * (1.0 + one.mean_resultant_length)
        for n, one in zip(counts, used, strict=True)
    )
    squared_c /= rest
    if squared_c >= 1:
        return 0.0
    if squared_c <= 0:
        return math.inf
    a = math.sqrt(1.0 - squared_c)
    return float(special.concentration_c(used[0].dimension, squared_c / (1.0 + a)))
