"""From sufficient statistics to models, or to one line that says why there is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vmf.distribution.model import Model
from vmf.errors import Argument, DegenerateFitError, EmbeddingError, PathLike
from vmf.estimation import Estimator, FitResult, SufficientStatistics, fit
from vmf.version import __version__


def fitted_model(
    where: str,
    classes: Sequence[str | None],
    statistics: Sequence[SufficientStatistics],
    estimator: Estimator,
    *,
    eps: float,
    sources: tuple[str, ...],
    left_out: tuple[str, ...] = (),
) -> Model:
    """Fit each class.

    Parameters
    ----------
    where : str
        What the rows come from, for messages.
    classes : sequence of str or None
        Their labels; None for rows without.
    eps : float
        Relative rounding of the coarsest numbers that the rows were stored in.

    Raises
    ------
    EmbeddingError
        For a class that cannot be fitted.
    """
    fits = [
        _fit(where if label is None else f"{where}, class {label!r}", one, estimator, eps)
        for label, one in zip(classes, statistics, strict=True)
    ]
    return model_of_fits(classes, statistics, fits, estimator, sources, left_out)


def model_of_fits(
    classes: Sequence[str | None],
    statistics: Sequence[SufficientStatistics],
    fits: Sequence[FitResult],
    estimator: Estimator,
    sources: tuple[str, ...],
    left_out: tuple[str, ...] = (),
) -> Model:
    """Put the fits of the classes together."""
    return Model(
        classes=tuple(classes),
        mean_direction=np.array([one.mean_direction for one in fits]),
        concentration=np.array([one.concentration for one in fits]),
        standard_error=np.array([one.concentration_standard_error for one in fits]),
        statistics=tuple(statistics),
        estimator=estimator,
        sources=sources,
        left_out=left_out,
        toolkit_version=__version__,
    )


def _fit(
    where: str, statistics: SufficientStatistics, estimator: Estimator, eps: float
) -> FitResult:
    """Solve, or say why no distribution can be fitted to these rows.

    The spread of equal rows, stored with a relative rounding of eps/2 and each scaled differently,
    is of the order eps^2 / 24; what is below eps^2 / 8 is rounding, not spread.
    """
    check_count(where, statistics.count, statistics.skipped, estimator)
    if statistics.mean_resultant_length < 1e-15:
        raise EmbeddingError(
            where,
            f"the {statistics.count:.0f} rows cancel (R = 0): there is no mean direction and"
            " kappa = 0, a uniform distribution",
        )
    if statistics.one_minus_mean_resultant_length < eps * eps / 8 and estimator != "map":
        raise EmbeddingError(
            where,
            f"all {statistics.count:.0f} rows point in the same direction (R = 1), so kappa is"
            " infinite; check that the rows are different embeddings, or use ",
            Argument("estimator", "map"),
        )
    return solve(where, statistics, estimator)


def check_count(where: PathLike, count: float, skipped: int, estimator: str) -> None:
    """Refuse rows of which none, or too few for a concentration, can be used; EmbeddingError."""
    beside = f" ({skipped} were skipped)" if skipped else ""
    if count == 0:
        raise EmbeddingError(where, f"holds no usable rows{beside}")
    if count < 2 and estimator != "map":
        raise EmbeddingError(
            where,
            f"holds one single usable row{beside}, which says nothing about the spread; fit at"
            " least 2 rows, or use ",
            Argument("estimator", "map"),
        )


def solve(where: PathLike, statistics: SufficientStatistics, estimator: Estimator) -> FitResult:
    """Fit; EmbeddingError that names ``where`` when these rows determine no distribution."""
    try:
        return fit(statistics, estimator)
    except DegenerateFitError as error:
        raise EmbeddingError(where, *error.parts) from error
