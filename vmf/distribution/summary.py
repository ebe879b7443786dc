"""What there is to say about a fitted model: its estimates, how sure they are, and cautions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vmf.distribution.components import log_density
from vmf.distribution.model import Model
from vmf.errors import Argument, Note
from vmf.estimation import (
    ConjugatePrior,
    concentration_interval,
    mean_direction_interval,
    sra,
)
from vmf.estimation.statistics import SufficientStatistics


@dataclass(frozen=True)
class ClassSummary:
    """Estimates for one class.

    Attributes
    ----------
    label : str or None
    rows, normalised, skipped : int
        Rows used; of these, those that were not of unit length; rows left out.
    mean_resultant_length : float
        R.
    concentration, standard_error : float
        kappa and its standard error; NaN where there is none.
    interval : (float, float) or None
        Confidence interval of kappa at the level asked for; for estimator "map" an approximate
        credible one. None where there is none.
    half_angle : float or None
        Half-angle in degrees of the confidence cone around the mean direction.
    sra : (float, float, float)
        The published approximations kappa_0, kappa_1 and kappa_2 (Sra, 2012), to compare with
        work that used them; see :mod:`vmf.estimation.approximations`.
    log_likelihood : float
        Mean over the rows of the log-density at the fit.
    """

    label: str | None
    rows: int
    normalised: int
    skipped: int
    mean_resultant_length: float
    concentration: float
    standard_error: float
    interval: tuple[float, float] | None
    half_angle: float | None
    sra: tuple[float, float, float]
    log_likelihood: float


def summarize(model: Model, level: float = 0.95) -> list[ClassSummary]:
    """Summarise every class of ``model``, with intervals at confidence ``level``."""
    return [_summarize_class(model, index, level) for index in range(len(model.classes))]


def cautions(model: Model, summary: list[ClassSummary]) -> list[str]:
    """One sentence, or `Note`, for everything about the fit that its reader should know."""
    said: list[str] = []
    normalised = sum(one.normalised for one in summary)
    if normalised:
        said.append(f"{normalised} rows were not of unit length and were normalised.")
    skipped = sum(one.skipped for one in summary)
    if skipped:
        said.append(f"{skipped} rows held NaN or infinity or were zero and were skipped.")
    if model.left_out:
        count = len(model.left_out)
        files = (
            "1 file could not be read and was"
            if count == 1
            else f"{count} files could not be read and were"
        )
        said.append(f"{files} left out:")
        said += model.left_out
    high = [o for o in summary if o.interval and o.concentration > o.interval[1]]
    if model.estimator == "mle" and high:
        whose = "kappa" if len(summary) == 1 else f"kappa of {len(high)} classes"
        said.append(
            Note(
                f"{whose} lies above its own interval: with so few rows for {model.dimension}"
                " dimensions maximum likelihood is biased upwards; use ",
                Argument("estimator", "unbiased"),
                ".",
            )
        )
    uniform = [o for o in summary if o.interval and o.interval[0] == 0]
    if uniform:
        whose = "the rows" if len(summary) == 1 else f"the rows of {len(uniform)} classes"
        said.append(f"the interval contains kappa = 0: {whose} may have no preferred direction.")
    return said


def _summarize_class(model: Model, index: int, level: float) -> ClassSummary:
    statistics = model.statistics[index]
    kappa = float(model.concentration[index])
    r = statistics.mean_resultant_length
    interval, half_angle = _intervals(_with_prior(model, statistics), level)
    # The mean over the rows of 1 - cos to the fitted mean direction m, which differs from that of
    # the rows, m_0, only under a prior: (1 - R) + R |m - m_0|^2 / 2.
    offset = model.mean_direction[index] - statistics.mean_direction
    distance = statistics.one_minus_mean_resultant_length + 0.5 * r * float(offset @ offset)
    steps = [float(sra(model.dimension, r, steps=number)) for number in (0, 1, 2)]
    return ClassSummary(
        label=model.classes[index],
        rows=round(statistics.count),
        normalised=statistics.normalised,
        skipped=statistics.skipped,
        mean_resultant_length=r,
        concentration=kappa,
        standard_error=float(model.standard_error[index]),
        interval=interval,
        half_angle=half_angle,
        sra=(steps[0], steps[1], steps[2]),
        log_likelihood=float(log_density(model.dimension, kappa, distance)),
    )


def _with_prior(model: Model, statistics: SufficientStatistics) -> SufficientStatistics:
    """The statistics that the estimate used: a "map" fit counts the rows of its prior too."""
    if model.estimator != "map":
        return statistics
    return statistics + ConjugatePrior().statistics(statistics.dimension)


def _intervals(
    statistics: SufficientStatistics, level: float
) -> tuple[tuple[float, float] | None, float | None]:
    """None where the data give no interval: a single row, or rows that are all equal."""
    try:
        interval = concentration_interval(statistics, level)
        half_angle = math.degrees(mean_direction_interval(statistics, level))
    except ValueError:
        return None, None
    return interval, half_angle
