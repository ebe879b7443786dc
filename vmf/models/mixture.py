"""Mixtures of von Mises-Fisher distributions.

    p(x) = sum_k w_k C_p(kappa_k) exp(kappa_k mu_k . x)

Banerjee, Dhillon, Ghosh & Sra, Journal of Machine Learning Research 6 (2005) 1345-1382 (soft and hard assignment);
Celeux & Diebolt, Computational Statistics Quarterly 2 (1985) 73-82 (stochastic).
"""

from __future__ import annotations

import math
import numbers
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from vmf.arrays.blocks import DirectionRows
from vmf.arrays.libraries import in_library_of
from vmf.arrays.types import Matrix, Vector
from vmf.distribution import VonMisesFisher, sampling
from vmf.distribution.components import plug_in_densities
from vmf.errors import Argument, DegenerateFitError, Note
from vmf.estimation import ConjugatePrior, Estimator, SufficientStatistics
from vmf.models.concentrations import Concentrations
from vmf.models.em import (
    ExpectationMaximisation,
    Keep,
    Settings,
    Standing,
    State,
    given_directions,
)
from vmf.models.expectation import Assignment
from vmf.models.input import direction_rows, enough_rows, repetitions, row_weights
from vmf.models.posterior import DirectionModel, ZeroRows, of_each_row
from vmf.models.starts import STARTS
from vmf.passes.file_rows import FileRows

ASSIGNMENTS = ("soft", "hard", "stochastic")


def _has_several(mixture: VMFMixture) -> bool:
    """Whether there is anything to be uncertain about.

    scikit-learn's checks take whatever has `predict_proba` for a classifier of two classes or more.
    """
    if mixture.n_components == 1:
        raise AttributeError(
            "predict_proba needs two components or more; with one, each row has probability 1"
        )
    return True


class VMFMixture(DensityMixin, DirectionModel):
    """Mixture of von Mises-Fisher distributions, fitted by expectation-maximisation.

    Only the directions of the rows count: they need not be of unit length.

    Parameters
    ----------
    n_components : int
        K.
    assignment : {"soft", "hard", "stochastic"}
        How EM gives rows to components: in proportion to their probabilities; to the most probable
        one; to one drawn with these probabilities, keeping the best of `max_iter` iterations.
    concentration : {"free", "tied"} or float or (K,) array_like
        kappa: one a component, one for all, or given.
    estimator : str
        Of kappa; see `vmf.estimation.fit_concentration`. The likelihood rises in every iteration with "mle" only.
    prior : ConjugatePrior, optional
        For "map".
    weights : {"free", "uniform"} or (K,) array_like
        Weights of the components: learnt, equal, or given (divided by their sum).
    min_weight : float
        A component that falls below this weight (or holds no row) is moved to the row that the
        mixture fits worst, with a warning.
    init : {"k-means++", "farthest", "random"} or (K, p) array_like
        How the first mean directions are chosen among the rows (see `vmf.models.starts`), or these directions.
    n_init : int
        Starts, of which the best is kept.
    max_iter : int
    tol : float
        Stop when the mean log-likelihood of a row changes by less, in nats.
    warm_start : bool
        Let `fit` go on from the parameters of the last.
    zero_rows : {"skip", "error"}
        A row that is zero has no direction. "skip": it is left out of a fit, its density is NaN and its probabilities
        are the weights, with a warning. "error": it is refused.
    random_state : int, RandomState or None

    Attributes
    ----------
    weights_ : (K,) float64
    mean_directions_ : (K, p) float64
        Unit vectors.
    concentrations_ : (K,) float64
    posterior_concentrations_ : (K,) float64
        Concentration of the (von Mises-Fisher) posterior of each mean direction, kappa |S|, given kappa, the
        assignments and a uniform prior.
    statistics_ : list of SufficientStatistics
        What the parameters come from; `weight` is the number of rows of each.
    lower_bounds_ : list of float
        Mean log-likelihood of a row in each iteration, at the parameters before it (of each row with its best
        component, for hard assignment).
    lower_bound_ : float
        The last of them.
    n_iter_ : int
    converged_ : bool
    n_reseeded_ : int
        How often a component was moved.
    n_features_in_ : int
        p.

    Raises
    ------
    vmf.estimation.BadRowError
        For rows with NaN or infinity, and with `zero_rows="error"` for zero rows.
    vmf.estimation.DegenerateFitError
        Where kappa would be infinite: one row, or equal ones.
    ValueError, TypeError
        For unusable parameters, shapes and types, and more components than rows.

    Notes
    -----
    X may be a NumPy array, a SciPy sparse matrix, a CuPy array, a torch tensor or a dask array; results for the last
    three are of their kind (and on their device). A dask array is read once for each iteration and once before, where
    dask computes; so is what `vmf.embeddings.open_embeddings` returns, for files, folders and URLs larger than memory.
    Parameters and some numbers a row are kept here.
    float16 and read-only memory maps are read in blocks, without a copy of the whole.
    `sample_weight` says how many rows a row stands for.

    Examples
    --------
    >>> import numpy as np, vmf
    >>> rows = np.concatenate([vmf.VonMisesFisher(axis, 50.0).sample(500, 0) for axis in np.eye(8)[:3]])
    >>> mixture = vmf.models.VMFMixture(3, random_state=0).fit(rows)
    >>> np.bincount(mixture.predict(rows)).tolist()
    [500, 500, 500]
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        assignment: Assignment = "soft",
        concentration: Any = "free",
        estimator: Estimator = "unbiased",
        prior: ConjugatePrior | None = None,
        weights: Any = "free",
        min_weight: float = 0.0,
        init: Any = "k-means++",
        n_init: int = 1,
        max_iter: int = 100,
        tol: float = 1e-3,
        warm_start: bool = False,
        zero_rows: ZeroRows = "skip",
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.assignment = assignment
        self.concentration = concentration
        self.estimator = estimator
        self.prior = prior
        self.weights = weights
        self.min_weight = min_weight
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.zero_rows = zero_rows
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> VMFMixture:
        """Fit the mixture to the directions of the rows of X (n, p)."""
        settings = self._settings()
        rows = direction_rows(self, X, reset=True)
        em = self._em(rows, sample_weight, settings)
        if self.warm_start and hasattr(self, "mean_directions_"):
            best = em.run(replace(self._state(settings.count, rows.dim), objectives=()))
        else:
            best = em.fit(self._init(rows), self._starts())
        self._keep(best)
        self._warn(best)
        return self

    def fit_resumable(self, rows: FileRows, standing: Standing | None, keep: Keep) -> VMFMixture:
        """Fit as `fit` does, or go on with a fit from where it stood.

        Parameters
        ----------
        standing : Standing or None
            What `keep` was called with by a fit of the same rows with the same parameters.
        keep : callable
            Called after each iteration.
        """
        found = direction_rows(self, rows, reset=True)
        em = self._em(found, None, self._settings())
        best = em.fit(self._init(found), self._starts(), standing, keep)
        self._keep(best)
        self._warn(best)
        return self

    def _starts(self) -> int:
        return 1 if int(self.n_components) == 1 else int(self.n_init)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> VMFMixture:
        """Add rows to the statistics of the components, and solve again.

        The first call fits the mixture to its rows. Later ones assign the new rows by the parameters so far and add
        their statistics; rows are not kept, so what has been assigned stays so (incremental EM, Neal & Hinton 1998,
        with every row seen once).
        """
        if not hasattr(self, "mean_directions_"):
            return self.fit(X, sample_weight=sample_weight)
        settings = self._settings()
        rows = direction_rows(self, X)
        em = self._em(rows, sample_weight, settings, few_rows=True)
        self._keep(em.add(self._state(settings.count, rows.dim)))
        return self

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the mean of log p(x_i)."""
        scores = self.score_samples(X)
        if sample_weight is None:
            return float(scores.mean())
        weights = in_library_of(repetitions(sample_weight, int(scores.shape[0])), scores)
        return float((scores * weights).sum()) / float(weights.sum())

    @available_if(_has_several)
    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each component given the row, (n, K); for two components or more."""
        return super().predict_proba(X)

    @of_each_row
    def predict(self, X: Any) -> Any:
        """Return the most probable component of each row, (n,)."""
        return self._most_probable(X)

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit, and return the most probable component of each row, (n,)."""
        return self.fit(X, sample_weight=sample_weight).predict(X)

    def sample(self, n_samples: int = 1) -> tuple[Matrix, npt.NDArray[np.int64]]:
        """Draw rows (n_samples, p), component after component, and their components (n_samples,)."""
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"n_samples is {n_samples}; it must be 1 or more")
        random = check_random_state(self.random_state)
        generator = np.random.default_rng(random.randint(2**32, dtype=np.uint64))
        counts = generator.multinomial(n_samples, self.weights_)
        drawn = [
            sampling.sample(mean, kappa, int(count), generator)
            for mean, kappa, count in zip(
                self.mean_directions_, self.concentrations_, counts, strict=True
            )
        ]
        return np.concatenate(drawn), np.repeat(np.arange(len(counts)), counts)

    def bic(self, X: Any) -> float:
        """Return Bayes' information criterion of X, -2 log L + d log n; lower is better."""
        scores = self.score_samples(X)
        n = int(scores.shape[0])
        return -2.0 * float(scores.sum()) + self._free_parameters() * math.log(n)

    def aic(self, X: Any) -> float:
        """Return Akaike's information criterion of X, -2 log L + 2 d; lower is better."""
        return -2.0 * float(self.score_samples(X).sum()) + 2.0 * self._free_parameters()

    def _free_parameters(self) -> int:
        count, dim = self.mean_directions_.shape
        kappas = self._settings().concentrations.parameters
        weights = count - 1 if isinstance(self.weights, str) and self.weights == "free" else 0
        return int(count * (dim - 1) + (count if kappas is None else kappas) + weights)

    def _densities(self, rows: DirectionRows) -> Any:
        return plug_in_densities(rows, self.mean_directions_, self.concentrations_)

    def _log_weights(self) -> Vector:
        with np.errstate(divide="ignore"):
            return np.log(self.weights_)

    def _settings(self) -> Settings:
        for name, least in (("n_components", 1), ("n_init", 1), ("max_iter", 1)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or value < least:
                raise ValueError(f"{name} is {value!r}; it must be a whole number, {least} or more")
        if self.assignment not in ASSIGNMENTS:
            raise ValueError(
                f"assignment is {self.assignment!r}; expected one of {', '.join(ASSIGNMENTS)}"
            )
        count = int(self.n_components)
        if not 0 <= self.min_weight < 1.0 / count:
            raise ValueError(
                f"min_weight is {self.min_weight}; it must be at least 0 and below 1/n_components"
            )
        if not self.tol >= 0:
            raise ValueError(f"tol is {self.tol}; it must be >= 0")
        return Settings(
            count=count,
            assignment=self.assignment,
            concentrations=Concentrations(self.concentration, count, self.estimator, self.prior),
            weights=_given_weights(self.weights, count),
            min_weight=float(self.min_weight),
            max_iter=int(self.max_iter),
            tol=float(self.tol),
        )

    def _em(
        self, rows: DirectionRows, sample_weight: Any, settings: Settings, few_rows: bool = False
    ) -> ExpectationMaximisation:
        weights = row_weights(sample_weight, rows)
        if not few_rows:
            enough_rows(weights, settings.concentrations)
            used = int(np.count_nonzero(weights))
            if used < settings.count:
                raise DegenerateFitError(
                    Argument("n_components"),
                    f" is {settings.count}, but X has n_samples = {used} rows that count; a"
                    " component needs one row or more",
                )
        return ExpectationMaximisation(
            rows, weights, settings, check_random_state(self.random_state)
        )

    def _init(self, rows: DirectionRows) -> Any:
        if not isinstance(self.init, str):
            return given_directions(self.init, int(self.n_components), rows.dim)
        if self.init not in STARTS:
            raise ValueError(
                f"init is {self.init!r}; expected one of {', '.join(STARTS)}, or directions"
            )
        return self.init

    def _state(self, count: int, dim: int) -> State:
        if self.mean_directions_.shape != (count, dim):
            raise ValueError(
                f"the fitted mixture has shape {self.mean_directions_.shape}, asked for is "
                f"{(count, dim)}; set warm_start=False or fit a new one"
            )
        return State(
            self.weights_,
            self.mean_directions_,
            self.concentrations_,
            self.statistics_,
            objectives=tuple(self.lower_bounds_),
            moved=self.n_reseeded_,
        )

    def set_fitted(
        self,
        mean_directions: Matrix,
        concentrations: Vector,
        statistics: list[SufficientStatistics],
    ) -> None:
        """Take over what has been fitted elsewhere, such as a model file; weights are shares of rows."""
        weights = np.array([one.weight for one in statistics])
        self.n_features_in_ = int(mean_directions.shape[1])
        self._keep(
            State(
                weights / weights.sum(), mean_directions, concentrations, statistics, converged=True
            )
        )

    def standing(self) -> Standing:
        """Return where a fit by `partial_fit` stands, for `go_on_from`."""
        state = self._state(*self.mean_directions_.shape)
        random = check_random_state(self.random_state).get_state(legacy=True)
        return Standing(0, state, state, None, random)

    def go_on_from(self, state: State) -> None:
        """Take over the state of `standing`; `partial_fit` goes on from there."""
        self.n_features_in_ = int(state.mean_directions.shape[1])
        self._keep(state)

    def _keep(self, state: State) -> None:
        self.weights_ = state.weights
        self.mean_directions_ = state.mean_directions
        self.concentrations_ = state.concentrations
        self.statistics_ = state.statistics
        sums = self._settings().concentrations.resultants(state.statistics)
        self.posterior_concentrations_ = state.concentrations * np.linalg.norm(sums, axis=1)
        self.lower_bounds_ = list(state.objectives)
        self.lower_bound_ = self.lower_bounds_[-1] if self.lower_bounds_ else math.nan
        self.n_iter_ = len(state.objectives)
        self.converged_ = state.converged
        self.n_reseeded_ = state.moved

    def _warn(self, state: State) -> None:
        said: list[str] = []
        if not state.converged:
            said.append(
                Note(
                    f"EM did not converge in {self.n_iter_} iterations; raise ",
                    Argument("max_iter"),
                    " or ",
                    Argument("tol"),
                )
            )
        if state.moved:
            said.append(
                f"components without rows were moved to other rows {state.moved} times; "
                "fewer components may do"
            )
        if state.undetermined:
            said.append(
                f"the rows of {len(state.undetermined)} of {len(state.weights)} components do not "
                "determine their concentration (none, one, or equal rows): they have the pooled "
                "one; fewer components, or VMFMixture(concentration='tied'), avoid that"
            )
        for text in said:
            warnings.warn(text, ConvergenceWarning, stacklevel=3)


class VMFDensity(VMFMixture):
    """One von Mises-Fisher distribution: the mixture with one component.

    Parameters
    ----------
    concentration : "free" or float
        kappa, estimated or given.
    estimator, prior
        See `VMFMixture`.
    zero_rows, random_state
        See `VMFMixture`; the second is for `sample`.

    Attributes
    ----------
    mean_direction_ : (p,) float64
    concentration_ : float
    distribution_ : vmf.VonMisesFisher
    """

    def __init__(
        self,
        *,
        concentration: Any = "free",
        estimator: Estimator = "unbiased",
        prior: ConjugatePrior | None = None,
        zero_rows: ZeroRows = "skip",
        random_state: Any = None,
    ) -> None:
        super().__init__(
            concentration=concentration,
            estimator=estimator,
            prior=prior,
            zero_rows=zero_rows,
            random_state=random_state,
        )

    @property
    def mean_direction_(self) -> Vector:
        """mu, (p,)."""
        mean: Vector = self.mean_directions_[0]
        return mean

    @property
    def concentration_(self) -> float:
        """kappa."""
        return float(self.concentrations_[0])

    @property
    def distribution_(self) -> VonMisesFisher:
        """The fitted distribution."""
        check_is_fitted(self)
        return VonMisesFisher(self.mean_direction_, self.concentration_)


def _given_weights(weights: Any, count: int) -> Vector | None:
    if isinstance(weights, str):
        if weights not in ("free", "uniform"):
            raise ValueError(f"weights is {weights!r}; expected 'free', 'uniform' or numbers")
        return None if weights == "free" else np.full(count, 1.0 / count)
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (count,) or not (np.isfinite(given) & (given > 0)).all():
        raise ValueError(f"weights is {weights}; expected {count} numbers > 0, or 'free'")
    shares: Vector = given / given.sum()
    return shares
