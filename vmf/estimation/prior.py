"""The conjugate prior of the von Mises-Fisher distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vmf.estimation.statistics import SufficientStatistics


@dataclass(frozen=True, eq=False)
class ConjugatePrior:
    """Prior density proportional to C_p(kappa)^a exp(a r_0 kappa m_0 . mu).

    It acts like a = `pseudo_count` rows seen before, of mean direction m_0 and mean resultant
    length r_0. Conjugate family: Mardia & El-Atoum, Biometrika 63 (1976) 203-206; Nunez-Antonio &
    Gutierrez-Pena, Journal of Applied Statistics 32 (2005) 989-1001.

    Parameters
    ----------
    mean_direction : (dim,) array_like or None
        m_0, of any length but zero. None, allowed when r_0 = 0, prefers no direction.
    pseudo_count : float
        a > 0, in units of rows (of weight 1). A fraction of a row is a weak prior.
    mean_resultant_length : float
        r_0, at least 0 and below 1. With r_0 = 0 the prior pulls kappa towards 0.

    Raises
    ------
    ValueError
        For values outside these ranges.
    """

    mean_direction: npt.ArrayLike | None = None
    pseudo_count: float = 1.0
    mean_resultant_length: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.pseudo_count) and self.pseudo_count > 0):
            raise ValueError(f"pseudo_count is {self.pseudo_count}; it must be finite and > 0")
        if not 0 <= self.mean_resultant_length < 1:
            raise ValueError(
                f"mean_resultant_length is {self.mean_resultant_length}; "
                "it must be at least 0 and below 1"
            )
        if self.mean_direction is None:
            if self.mean_resultant_length != 0:
                raise ValueError("a prior with mean_resultant_length > 0 needs a mean_direction")
            return
        direction = np.array(self.mean_direction, dtype=np.float64)
        if direction.ndim != 1 or direction.size < 2:
            raise ValueError(
                f"mean_direction has shape {direction.shape}; expected (dim,), dim 2 or more"
            )
        length = float(np.linalg.norm(direction))
        if not (math.isfinite(length) and length > 0):
            raise ValueError("mean_direction must be finite and not zero")
        direction /= length
        direction.flags.writeable = False
        object.__setattr__(self, "mean_direction", direction)

    @classmethod
    def from_statistics(
        cls, statistics: SufficientStatistics, pseudo_count: float
    ) -> ConjugatePrior:
        """Return the prior that counts other rows, such as all classes pooled, as `pseudo_count`.

        Raises ValueError when these rows are all equal (R = 1) or cancel (R = 0).
        """
        return cls(statistics.mean_direction, pseudo_count, statistics.mean_resultant_length)

    def statistics(self, dim: int) -> SufficientStatistics:
        """Return the pseudo-rows as statistics of dimension `dim`, to be added to those of data."""
        if self.mean_direction is None:
            resultant = np.zeros(dim)
        else:
            direction = np.asarray(self.mean_direction, dtype=np.float64)
            if direction.size != dim:
                raise ValueError(
                    f"the prior has dimension {direction.size}, the data have dimension {dim}"
                )
            resultant = (self.pseudo_count * self.mean_resultant_length) * direction
        return SufficientStatistics(
            count=self.pseudo_count,
            weight=self.pseudo_count,
            weight2=self.pseudo_count,
            resultant=resultant,
            resultant_lo=np.zeros(dim),
            dispersion=self.pseudo_count * (1.0 - self.mean_resultant_length),
        )
