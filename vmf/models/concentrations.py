"""The concentrations of components or classes from their statistics: free, tied or fixed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vmf.arrays.types import Matrix, Vector
from vmf.errors import Argument, DegenerateFitError, parts_of
from vmf.estimation import ConjugatePrior, Estimator, SufficientStatistics, fit_concentration
from vmf.estimation.concentration import check_estimator_name
from vmf.estimation.pooled import pooled_concentration

# 1 - R of equal rows, from the rounding of float64 directions.
_ROUNDING_FLOOR = 2.0**-98


class Concentrations:
    """How the concentrations of K sets of rows are found.

    Parameters
    ----------
    mode : {"free", "tied"} or float or (K,) array_like
        One kappa each, one for all, or the given ones.
    count : int
        K.
    estimator, prior
        See `vmf.estimation.fit_concentration`.

    Raises
    ------
    ValueError
        For any other mode, concentrations that are not finite and >= 0, or not one or K.
    """

    def __init__(
        self, mode: Any, count: int, estimator: Estimator, prior: ConjugatePrior | None
    ) -> None:
        check_estimator_name(estimator, prior)
        self.estimator = estimator
        self.prior = prior
        self.fixed: Vector | None = None
        self.tied = False
        if isinstance(mode, str):
            if mode not in ("free", "tied"):
                raise ValueError(
                    f"concentration is {mode!r}; expected 'free', 'tied' or numbers >= 0"
                )
            self.tied = mode == "tied"
            return
        given = np.asarray(mode, dtype=np.float64)
        if given.shape not in ((), (1,), (count,)):
            raise ValueError(
                f"concentration has shape {given.shape}; expected one number or {count}"
            )
        if not (np.isfinite(given) & (given >= 0)).all():
            raise ValueError(f"concentration is {mode}; it must be finite and >= 0")
        self.fixed = np.array(np.broadcast_to(given.reshape(-1), (count,)))

    @property
    def parameters(self) -> int | None:
        """How many of them are estimated; None for one each."""
        return 0 if self.fixed is not None else 1 if self.tied else None

    def estimate(
        self, statistics: Sequence[SufficientStatistics], resolution: float = 0.0
    ) -> tuple[Vector, list[int]]:
        """Return the concentrations (K,), and the sets whose rows do not determine theirs.

        These (no rows, one row, or equal rows) get the one pooled over all sets.

        Parameters
        ----------
        resolution : float
            1 - R below which rows count as equal.

        Raises
        ------
        DegenerateFitError
            When no set determines one.
        """
        count = len(statistics)
        if self.fixed is not None:
            return self.fixed.copy(), []
        if self.tied:
            return np.full(count, self.pooled(statistics)), []
        found = np.empty(count)
        lost = []
        for k, one in enumerate(statistics):
            found[k] = self._own(one, max(resolution, _ROUNDING_FLOOR))
            if not math.isfinite(found[k]):
                lost.append(k)
        if lost:
            found[lost] = self.pooled(statistics)
        return found, lost

    def resultants(self, statistics: Sequence[SufficientStatistics]) -> Matrix:
        """Return the sums of the rows of each set, with the prior's pseudo-rows, (K, dim)."""
        sums = np.stack([one.resultant + one.resultant_lo for one in statistics])
        if self.estimator == "map":
            prior = (self.prior or ConjugatePrior()).statistics(sums.shape[1])
            sums += prior.resultant
        return sums

    def mean_directions(
        self, statistics: Sequence[SufficientStatistics], before: Matrix | None = None
    ) -> Matrix:
        """Return the mean directions (K, dim); `before` where the rows of a set have none.

        Raises DegenerateFitError for these without `before`.
        """
        sums = self.resultants(statistics)
        lengths = np.sqrt(np.sum(sums * sums, axis=1))
        none = lengths == 0
        if none.any() and before is None:
            raise DegenerateFitError(
                "the rows cancel exactly (R = 0): kappa = 0 and there is no mean direction to fit"
            )
        directions = sums / np.where(none, 1.0, lengths)[:, np.newaxis]
        if before is not None:
            directions[none] = before[none]
        return directions

    def _own(self, one: SufficientStatistics, resolution: float) -> float:
        if self.estimator == "map":
            return fit_concentration(one, "map", self.prior)
        if one.weight <= 0 or one.effective_count <= 1 + 1e-9:
            return math.inf
        if one.one_minus_mean_resultant_length <= resolution:
            return math.inf
        return fit_concentration(one, self.estimator)

    def pooled(self, statistics: Sequence[SufficientStatistics]) -> float:
        """Return the one kappa of all sets; DegenerateFitError where there is none."""
        try:
            pooled = pooled_concentration(statistics, self.estimator, self.prior)
        except ValueError as error:
            raise DegenerateFitError(
                *parts_of(error), "; give the concentration, or more rows"
            ) from None
        if not math.isfinite(pooled):
            raise DegenerateFitError(
                "all rows that belong together have one direction (R = 1): kappa would be "
                "infinite; use fewer components, rows that differ, or ",
                Argument("estimator", "map"),
            )
        return pooled
