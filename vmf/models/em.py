"""The EM algorithm: starts, iterations, and what happens to components that lose their rows.

The likelihood never falls from one iteration to the next with soft assignment, its classification form (every row
counted with its best component only) with hard assignment, while the concentrations are maximum-likelihood or fixed. A
component that falls below the least weight, or holds no row, is moved to the row with the lowest density, which breaks
that once; its rows being one or all equal, it keeps its direction and takes the concentration pooled over all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.blocks import DirectionRows
from vmf.arrays.types import Matrix, Vector
from vmf.distribution.components import Components, log_density
from vmf.estimation import SufficientStatistics
from vmf.models.concentrations import Concentrations
from vmf.models.expectation import Assignment, Pass, Precision, expectation
from vmf.models.labelled import labelled_statistics
from vmf.models.starts import Start, start_directions

# A component with less than this share of one row is empty.
_EMPTY = 1e-6


@dataclass(frozen=True, eq=False)
class State:
    """Parameters of a mixture, and the statistics that they come from.

    Attributes
    ----------
    weights, concentrations : (K,) float64
    mean_directions : (K, dim) float64
    statistics : list of SufficientStatistics
    objectives : tuple of float
        Of each iteration, at the parameters before it; see `vmf.models.expectation.Pass`.
    converged : bool
    moved : int
        How often a component that had lost its rows was moved to a row.
    undetermined : list of int
        Components whose rows do not determine their concentration.
    """

    weights: Vector
    mean_directions: Matrix
    concentrations: Vector
    statistics: list[SufficientStatistics]
    objectives: tuple[float, ...] = ()
    converged: bool = False
    moved: int = 0
    undetermined: list[int] = field(default_factory=list)

    @property
    def components(self) -> Components:
        """The parameters as components weighted by the mixture's weights."""
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        return Components(self.mean_directions, self.concentrations, log_weights)


@dataclass(frozen=True, eq=False)
class Standing:
    """A fit between two iterations: all that the rest of it depends on.

    Attributes
    ----------
    start : int
        Number of the start, from 0.
    state : State
        With the objectives of this start so far.
    likeliest : State
        Of this start, for stochastic assignment.
    best : State or None
        Of the starts before it.
    random : tuple
        State of the random numbers, as `numpy.random.RandomState.get_state` gives it.
    """

    start: int
    state: State
    likeliest: State
    best: State | None
    random: tuple[Any, ...]


Keep = Callable[[Standing], None]


@dataclass(frozen=True, eq=False)
class Settings:
    """What is learnt, and when to stop.

    Attributes
    ----------
    count : int
        K.
    weights : (K,) float64 or None
        Given ones; None to learn them.
    """

    count: int
    assignment: Assignment
    concentrations: Concentrations
    weights: Vector | None
    min_weight: float
    max_iter: int
    tol: float


class ExpectationMaximisation:
    """EM on some rows."""

    def __init__(
        self,
        rows: DirectionRows,
        sample_weight: Vector,
        settings: Settings,
        random: np.random.RandomState,
    ) -> None:
        self._rows = rows
        self._sample_weight = sample_weight
        self._settings = settings
        self._random = random
        self._precision = Precision(wide=rows.own_dtype == "float64")

    def start(self, init: Start | Matrix) -> State:
        """Return the state after the rows have been given to the nearest of the first directions."""
        settings = self._settings
        if isinstance(init, str):
            means = start_directions(
                self._rows, self._sample_weight, settings.count, init, self._random
            )
        else:
            means = init
        before = State(
            np.full(settings.count, 1.0 / settings.count), means, np.ones(settings.count), []
        )
        return self._maximise(self._pass(before, "hard"), before)

    def fit(
        self,
        init: Start | Matrix,
        starts: int,
        standing: Standing | None = None,
        keep: Keep | None = None,
    ) -> State:
        """Return the best state that so many starts lead to.

        Parameters
        ----------
        standing : Standing, optional
            Where to go on.
        keep : callable, optional
            Called after each iteration.
        """
        best, first = None, 0
        if standing is not None:
            best, first = standing.best, standing.start
            self._random.set_state(standing.random)
        for number in range(first, starts):
            if standing is None:
                state = likeliest = self.start(init)
            else:
                state, likeliest, standing = standing.state, standing.likeliest, None

            def keep_start(
                state: State, likeliest: State, number: int = number, best: State | None = best
            ) -> None:
                if keep is not None:
                    random = self._random.get_state(legacy=True)
                    keep(Standing(number, state, likeliest, best, tuple(random)))

            found = self.run(state, likeliest, keep_start)
            if best is None or found.objectives[-1] > best.objectives[-1]:
                best = found
        assert best is not None  # there is one start or more
        return best

    def run(
        self,
        state: State,
        likeliest: State | None = None,
        keep: Callable[[State, State], None] | None = None,
    ) -> State:
        """Return the state after as many iterations as it takes, those of its objectives included."""
        settings = self._settings
        if settings.count == 1:
            return self._single(state)
        likeliest = likeliest or state
        while len(state.objectives) < settings.max_iter:
            found = self._pass(state, settings.assignment)
            objectives = (*state.objectives, found.objective)
            if settings.assignment == "stochastic" and found.objective >= max(objectives):
                likeliest = state
            after = self._maximise(found, state)
            previous = state.objectives[-1] if state.objectives else -math.inf
            steady = abs(found.objective - previous) < settings.tol and after.moved == state.moved
            state = replace(after, objectives=objectives)
            if steady and settings.assignment != "stochastic":
                return replace(state, converged=True)
            if keep is not None:
                keep(state, likeliest)
        if settings.assignment == "stochastic":
            return replace(
                likeliest, objectives=state.objectives, converged=True, moved=state.moved
            )
        return state

    def add(self, state: State) -> State:
        """Return the state after these rows have been assigned and added to its statistics."""
        if self._settings.count == 1:
            found = [labelled_statistics(*self._all_in_one())[0]]
            objective = math.nan
        else:
            passed = self._pass(state, self._settings.assignment)
            found, objective = passed.statistics, passed.objective
        merged = [old + new for old, new in zip(state.statistics, found, strict=True)]
        after = self._parameters(merged, state, 0.0)
        return replace(after, objectives=(*state.objectives, objective), moved=state.moved)

    def _single(self, state: State) -> State:
        """One component: its statistics are those of all rows, so that nothing is left to iterate."""
        found = labelled_statistics(*self._all_in_one())
        after = self._parameters(found, state, self._resolution)
        one, kappa = found[0], float(after.concentrations[0])
        offset = after.mean_directions[0] - one.mean_direction
        r = one.mean_resultant_length
        distance = one.one_minus_mean_resultant_length + 0.5 * r * float(offset @ offset)
        objective = float(log_density(one.dimension, kappa, distance))
        return replace(after, objectives=(objective,), converged=True)

    def _all_in_one(self) -> tuple[DirectionRows, npt.NDArray[np.intp], int, Vector]:
        return self._rows, np.zeros(self._rows.count, np.intp), 1, self._sample_weight

    @property
    def _resolution(self) -> float:
        return self._rows.resolution

    def _pass(self, state: State, assignment: Assignment) -> Pass:
        uniforms = (
            self._random.random_sample(self._rows.count) if assignment == "stochastic" else None
        )
        while True:
            found = expectation(
                self._rows,
                self._sample_weight,
                state.components,
                assignment,
                self._precision,
                uniforms,
            )
            spread = [
                one.one_minus_mean_resultant_length
                for one in found.statistics
                if one.weight > 0 and one.effective_count > 1.01
            ]
            largest = float(state.concentrations.max())
            if self._precision.suffices(min(spread, default=1.0), largest):
                return found
            self._precision = self._precision.finer()

    def _maximise(self, found: Pass, before: State) -> State:
        settings = self._settings
        total = sum(one.weight for one in found.statistics)
        least = max(settings.min_weight * total, _EMPTY * total / self._rows.count)
        empty = [k for k, one in enumerate(found.statistics) if one.weight < least]
        if not empty or before.moved >= 2 * settings.count:
            after = self._parameters(found.statistics, before, self._resolution)
            return replace(after, moved=before.moved)
        return self._moved(empty, found, before)

    def _moved(self, empty: Sequence[int], found: Pass, before: State) -> State:
        """Begin the components `empty` again at the rows that the mixture fits worst."""
        densities = np.where(self._sample_weight > 0, found.log_densities, np.inf)
        worst = np.argsort(densities, kind="stable")[: len(empty)]
        after = self._parameters(found.statistics, before, self._resolution)
        means, weights = after.mean_directions.copy(), after.weights.copy()
        means[list(empty)] = self._rows.directions(worst)
        concentrations = after.concentrations.copy()
        if self._settings.concentrations.fixed is None:
            concentrations[list(empty)] = self._settings.concentrations.pooled(found.statistics)
        if self._settings.weights is None:
            weights[list(empty)] = max(self._settings.min_weight, 1.0 / self._rows.count)
            weights /= weights.sum()
        return replace(
            after,
            weights=weights,
            mean_directions=means,
            concentrations=concentrations,
            moved=before.moved + len(empty),
        )

    def _parameters(
        self, statistics: list[SufficientStatistics], before: State, resolution: float
    ) -> State:
        settings = self._settings
        concentrations, undetermined = settings.concentrations.estimate(statistics, resolution)
        # A lone component has nothing to go back to where its rows cancel.
        fallback = before.mean_directions if settings.count > 1 else None
        means = settings.concentrations.mean_directions(statistics, fallback)
        weights = settings.weights
        if weights is None:
            weights = np.array([one.weight for one in statistics])
            weights = weights / weights.sum()
        return State(weights, means, concentrations, statistics, undetermined=undetermined)


def given_directions(init: Any, count: int, dim: int) -> Matrix:
    """Check the mean directions that a person gives to begin with, and return them as unit rows."""
    means = np.array(init, dtype=np.float64)
    if means.shape != (count, dim):
        raise ValueError(
            f"init has shape {means.shape}; expected ({count}, {dim}), one a component"
        )
    norms = np.linalg.norm(means, axis=1)
    if not (np.isfinite(norms) & (norms > 0)).all():
        raise ValueError("init has a row that is zero or not finite; a direction is needed")
    unit: Matrix = means / norms[:, np.newaxis]
    return unit
