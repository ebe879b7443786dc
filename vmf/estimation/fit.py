"""From statistics to a fitted mean direction and concentration."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

from vmf.arrays.types import Vector
from vmf.errors import Argument, DegenerateFitError, Note
from vmf.estimation.concentration import Estimator, check_estimator_name, fit_concentration
from vmf.estimation.intervals import (
    concentration_interval,
    concentration_standard_error,
    mean_direction_interval,
)
from vmf.estimation.prior import ConjugatePrior
from vmf.estimation.statistics import SufficientStatistics


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted mean direction and concentration, and how sure they are.

    Parameters
    ----------
    mean_direction : (dim,) float64
        Unit vector.
    concentration : float
        kappa, finite.
    statistics : SufficientStatistics
        Of the data, without the prior.
    estimator : str
        Name of the estimator of kappa; see `fit_concentration`.
    prior : ConjugatePrior or None
        With estimator "map". Its pseudo-rows then count in the standard error and the intervals,
        which are approximate posterior ones.
    """

    mean_direction: Vector = field(repr=False)
    concentration: float
    statistics: SufficientStatistics
    estimator: Estimator
    prior: ConjugatePrior | None = None

    @cached_property
    def posterior_statistics(self) -> SufficientStatistics:
        """`statistics` together with the pseudo-rows of the prior, if there is one."""
        if self.prior is None:
            return self.statistics
        return self.statistics + self.prior.statistics(self.statistics.dimension)

    @cached_property
    def concentration_standard_error(self) -> float:
        """Standard error of kappa; NaN for fewer than two (effective) rows."""
        if self.posterior_statistics.effective_count <= 1 + 1e-9:
            return math.nan
        return concentration_standard_error(self.posterior_statistics, self.concentration)

    def concentration_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of kappa; see `vmf.estimation.concentration_interval`."""
        return concentration_interval(self.posterior_statistics, level)

    def mean_direction_half_angle(self, level: float = 0.95) -> float:
        """Return the half-angle in radians of the cone around the mean direction."""
        return mean_direction_interval(self.posterior_statistics, level)

    @cached_property
    def caution(self) -> Note | None:
        """One line when kappa lies outside its own 95 % interval, else None.

        That happens to estimators that do not allow for the mean direction being estimated too,
        when the rows are not many more than the dimensions.
        """
        if self.posterior_statistics.effective_count <= 1 + 1e-9:
            return None
        low, high = self.concentration_interval()
        if low <= self.concentration <= high:
            return None
        return Note(
            f"estimator {self.estimator!r} is biased for {self.statistics.effective_count:.6g} "
            f"rows in dimension {self.statistics.dimension}: kappa = {self.concentration:.6g} lies "
            f"outside its 95 % interval ({low:.6g}, {high:.6g}); use ",
            Argument("estimator", "unbiased"),
        )


def fit(
    statistics: SufficientStatistics,
    estimator: Estimator = "unbiased",
    prior: ConjugatePrior | None = None,
) -> FitResult:
    """Fit a von Mises-Fisher distribution to sufficient statistics.

    Parameters
    ----------
    statistics : SufficientStatistics
    estimator : str
        "unbiased" or "marginal" for any number of rows, "mle" where they are many for their
        dimension, "map" with a prior; see `fit_concentration` for all.
    prior : ConjugatePrior, optional
        For "map"; default one pseudo-row without direction.

    Raises
    ------
    DegenerateFitError
        All rows are equal or there is one only (R = 1, kappa would be infinite), or they cancel
        (R = 0, no mean direction).
    ValueError
        No rows, unknown estimator.
    """
    check_estimator_name(estimator, prior)
    used = statistics
    if estimator == "map":
        prior = prior or ConjugatePrior()
        used = statistics + prior.statistics(statistics.dimension)
    if used.mean_resultant_length == 0:
        raise DegenerateFitError(
            "the rows cancel exactly (R = 0): kappa = 0 and there is no mean direction to fit"
        )
    if used.one_minus_mean_resultant_length == 0:
        raise DegenerateFitError(
            ("there is only one row" if statistics.count == 1 else "all rows have one direction")
            + " (R = 1): kappa would be infinite; add rows that differ, or use ",
            Argument("estimator", "map"),
        )
    kappa = fit_concentration(used, "mle" if estimator == "map" else estimator)
    return FitResult(used.mean_direction, kappa, statistics, estimator, prior)
