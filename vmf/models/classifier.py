"""A classifier that gives every class its own von Mises-Fisher distribution."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from vmf.arrays.blocks import DirectionRows
from vmf.arrays.libraries import in_library_of, to_numpy
from vmf.arrays.types import Matrix, Vector
from vmf.distribution.components import evaluate, log_expected_likelihood, plug_in_densities
from vmf.errors import DegenerateFitError
from vmf.estimation import ConjugatePrior, Estimator, SufficientStatistics
from vmf.models.concentrations import Concentrations
from vmf.models.input import direction_rows, enough_rows, row_weights
from vmf.models.labelled import labelled_statistics
from vmf.models.posterior import DirectionModel, ZeroRows, of_each_row


class VMFClassifier(ClassifierMixin, DirectionModel):
    """Class-conditional von Mises-Fisher distributions and Bayes' rule.

        p(class k | x)  proportional to  prior_k C_p(kappa_k) exp(kappa_k mu_k . x)

    Only the directions of the rows count: they need not be of unit length.

    Parameters
    ----------
    concentration : {"free", "tied"} or float or (classes,) array_like
        kappa: one a class, one for all, or given. A class whose rows do not determine its own (one row, equal rows)
        gets the pooled one, with a warning.
    estimator : str
        Of kappa; see `vmf.estimation.fit_concentration`.
    prior : ConjugatePrior, optional
        For "map": pseudo-rows added to every class.
    priors : None, "uniform" or (classes,) array_like
        Probabilities of the classes: their shares of the rows, equal, or these (divided by their sum).
    predictive : bool
        False: densities at the estimated mean directions. True: integrated over the posterior of each mean direction
        given kappa, vMF(beta_k/|beta_k|, |beta_k|) with beta_k = kappa_k S_k for a uniform prior (S_k the sum of the
        class's unit rows, with the prior's), which is exact,

            log p(x | k) = log C_p(kappa) + log C_p(|beta|) - log C_p(|beta + kappa x|),

        and makes classes of few rows as broad as their means are uncertain.
    zero_rows : {"skip", "error"}
        See `VMFMixture`.

    Attributes
    ----------
    classes_ : (classes,) array
    mean_directions_ : (classes, p) float64
    concentrations_ : (classes,) float64
    posterior_concentrations_ : (classes,) float64
        |beta_k|, the concentration of the posterior of each mean direction.
    log_priors_ : (classes,) float64
    statistics_ : dict of label to SufficientStatistics
    n_features_in_ : int
        p.

    Raises
    ------
    vmf.estimation.BadRowError
        For rows with NaN or infinity, and with `zero_rows="error"` for zero rows.
    vmf.estimation.DegenerateFitError
        Where no class determines a concentration, or the rows of one cancel.

    Notes
    -----
    What X may be, and `sample_weight`: see `VMFMixture`.
    """

    def __init__(
        self,
        *,
        concentration: Any = "free",
        estimator: Estimator = "unbiased",
        prior: ConjugatePrior | None = None,
        priors: Any = None,
        predictive: bool = False,
        zero_rows: ZeroRows = "skip",
    ) -> None:
        self.concentration = concentration
        self.estimator = estimator
        self.prior = prior
        self.priors = priors
        self.predictive = predictive
        self.zero_rows = zero_rows

    @classmethod
    def from_statistics(
        cls, statistics: Mapping[Any, SufficientStatistics], **parameters: Any
    ) -> VMFClassifier:
        """Return the classifier of classes whose rows have been added up already.

        Parameters
        ----------
        statistics : mapping of label to SufficientStatistics
            For example of `vmf.estimation.statistics_by_class`, chunk after chunk.
        **parameters
            Of the constructor.
        """
        classifier = cls(**parameters)
        classifier._solve(dict(statistics))
        return classifier

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> VMFClassifier:
        """Fit a distribution to the rows of each class.

        Parameters
        ----------
        X : (n, p) array
        y : (n,) array of strings or numbers
        sample_weight : (n,) array, optional
            How many rows a row stands for.
        """
        self._solve(self._add({}, X, y, sample_weight, reset=True))
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> VMFClassifier:
        """Add rows to those of earlier calls; the result is that of one `fit` on all of them.

        Classes may come up in any call; `classes`, where given, are those that may.
        """
        if classes is not None:
            unknown = np.setdiff1d(to_numpy(y), np.asarray(classes))
            if unknown.size:
                raise ValueError(f"y holds {unknown.tolist()[0]!r}, which is not in `classes`")
        earlier = getattr(self, "statistics_", {})
        self._solve(self._add(earlier, X, y, sample_weight, reset=not earlier))
        return self

    @of_each_row
    def decision_function(self, X: Any) -> Any:
        """Return log(prior p(x_i | class)), (n, classes); for two classes the log-odds of the second, (n,)."""
        joint = self._joint(X)
        return joint[:, 1] - joint[:, 0] if joint.shape[1] == 2 else joint

    @of_each_row
    def predict(self, X: Any) -> Any:
        """Return the most probable class of each row, (n,); a NumPy array of the labels' type."""
        most_probable = to_numpy(self._most_probable(X))
        return self.classes_[most_probable]

    def _densities(self, rows: DirectionRows) -> Any:
        if not self.predictive:
            return plug_in_densities(rows, self.mean_directions_, self.concentrations_)
        dim = float(self.n_features_in_)
        kappa = in_library_of(self.concentrations_, rows.like)
        of_mean = in_library_of(self.posterior_concentrations_, rows.like)
        return evaluate(
            rows,
            self.mean_directions_,
            self.concentrations_,
            lambda distance: log_expected_likelihood(dim, kappa, of_mean, distance),
        )

    def _log_weights(self) -> Vector:
        log_priors: Vector = self.log_priors_
        return log_priors

    def _add(
        self, earlier: Mapping[Any, SufficientStatistics], X: Any, y: Any, sample_weight: Any,
        reset: bool,
    ) -> dict[Any, SufficientStatistics]:  # fmt: skip
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None"
            )
        rows = direction_rows(self, X, reset=reset)
        labels = column_or_1d(to_numpy(y), warn=True)
        if labels.shape[0] != rows.count:
            raise ValueError(
                f"X and y have inconsistent numbers of samples: {rows.count} rows, "
                f"{labels.shape[0]} labels"
            )
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise ValueError("Input y contains NaN or infinity; every row needs a label")
        check_classification_targets(labels)
        classes, codes = np.unique(labels, return_inverse=True)
        weights = row_weights(sample_weight, rows)
        if not earlier:
            enough_rows(weights, self._solver(len(classes)))
        found = labelled_statistics(rows, codes, len(classes), weights)
        result = dict(earlier)
        for label, one in zip(classes.tolist(), found, strict=True):
            if one.weight > 0:
                result[label] = result[label] + one if label in result else one
        return result

    def _solve(self, statistics: dict[Any, SufficientStatistics]) -> None:
        if not statistics:
            raise ValueError("there are no classes; give rows with labels")
        labels = np.array(sorted(statistics))
        if len(set(map(type, statistics))) > 1 and labels.dtype.kind in "US":
            raise ValueError("labels mix strings and numbers; use one of the two")
        ordered = {label: statistics[label] for label in labels.tolist()}
        dims = {one.dimension for one in ordered.values()}
        if len(dims) > 1:
            raise ValueError(f"the statistics of the classes have dimensions {sorted(dims)}")
        for label, one in ordered.items():
            if not one.weight > 0:
                raise ValueError(f"class {label!r} has no rows (or all weights are 0)")
        found = list(ordered.values())
        solver = self._solver(len(found))
        concentrations, undetermined = solver.estimate(found)
        sums = solver.resultants(found)
        lengths = np.linalg.norm(sums, axis=1)
        if not lengths.all():
            label = labels.tolist()[int(np.argmin(lengths))]
            raise DegenerateFitError(
                f"the rows of class {label!r} cancel exactly (R = 0): they have no mean direction"
            )
        if undetermined:
            names = ", ".join(repr(label) for label in labels[undetermined[:5]].tolist())
            more = ", ..." if len(undetermined) > 5 else ""
            warnings.warn(
                f"the rows of {len(undetermined)} classes ({names}{more}) do not determine their "
                "concentration (one row, or equal rows): they have the pooled one",
                UserWarning,
                stacklevel=3,
            )
        self.set_fitted(labels, found, sums / lengths[:, np.newaxis], concentrations)

    def set_fitted(
        self,
        labels: npt.NDArray[Any],
        statistics: list[SufficientStatistics],
        mean_directions: Matrix,
        concentrations: Vector,
    ) -> None:
        """Take over what has been fitted elsewhere, such as a model file; class after class, labels sorted."""
        sums = self._solver(len(statistics)).resultants(statistics)
        self.log_priors_ = np.log(_priors(self.priors, statistics))
        self.classes_ = labels
        self.statistics_ = dict(zip(labels.tolist(), statistics, strict=True))
        self.n_features_in_ = int(mean_directions.shape[1])
        self.mean_directions_ = mean_directions
        self.concentrations_ = concentrations
        self.posterior_concentrations_ = concentrations * np.linalg.norm(sums, axis=1)

    def _solver(self, count: int) -> Concentrations:
        return Concentrations(self.concentration, count, self.estimator, self.prior)


def _priors(priors: Any, statistics: list[SufficientStatistics]) -> Vector:
    count = len(statistics)
    if priors is None:
        shares = np.array([one.weight for one in statistics])
    elif isinstance(priors, str):
        if priors != "uniform":
            raise ValueError(f"priors is {priors!r}; expected None, 'uniform' or numbers")
        shares = np.ones(count)
    else:
        shares = np.asarray(priors, dtype=np.float64)
        if shares.shape != (count,) or not (np.isfinite(shares) & (shares > 0)).all():
            raise ValueError(f"priors is {priors}; expected {count} numbers > 0, one a class")
    normalised: Vector = shares / math.fsum(shares)
    return normalised
