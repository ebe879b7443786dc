"""Where the fit of a mixture stands, in a file that another run can go on from.

A safetensors file: the parameters and statistics of the state after the last iteration, of the most
likely one of this start (stochastic assignment) and of the best start before, where there are such; the
state of the random numbers; and as JSON the plan, the likelihoods so far and some counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vmf.errors import PathLike
from vmf.models.em import Standing, State
from vmf.passes.checkpoint import (
    Tensor,
    open_checkpoint,
    read_statistics,
    statistics_tensors,
    write_checkpoint,
)

_FORMAT = "vmf-mixture-checkpoint"
_PARAMETERS = ("weights", "mean_directions", "concentrations")


@dataclass(frozen=True)
class MixtureCheckpoint:
    """A fit between two iterations or batches, and the plan it belongs to.

    Attributes
    ----------
    plan : mapping
    standing : Standing
    rows : int
        In batches: how many have been added.
    """

    plan: Mapping[str, Any]
    standing: Standing
    rows: int = 0

    @property
    def progress(self) -> str:
        """How far the fit is, in words."""
        if self.rows:
            return f"{self.rows} rows"
        done = len(self.standing.state.objectives)
        of_start = f" of start {self.standing.start + 1}" if self.standing.start else ""
        return f"{done} iteration{'s' if done > 1 else ''}{of_start}"


def save_mixture_checkpoint(checkpoint: MixtureCheckpoint, path: PathLike) -> None:
    """Write to ``path``, all of it or nothing; OSError when the disk is full."""
    standing = checkpoint.standing
    kind, keys, *position = standing.random
    states = {"state": standing.state, "likeliest": standing.likeliest, "best": standing.best}
    if standing.likeliest is standing.state:
        del states["likeliest"]
    tensors: dict[str, Tensor] = {"random": np.asarray(keys)}
    described: dict[str, Any] = {}
    for name, state in states.items():
        if state is None:
            continue
        found = {key: getattr(state, key) for key in _PARAMETERS}
        found |= statistics_tensors(state.statistics)
        tensors |= {f"{name}.{key}": one for key, one in found.items()}
        described[name] = {
            "objectives": list(state.objectives),
            "converged": state.converged,
            "moved": state.moved,
            "undetermined": [int(k) for k in state.undetermined],
        }
    text = {
        "plan": checkpoint.plan,
        "start": standing.start,
        "rows": checkpoint.rows,
        "states": described,
        "random": [str(kind), *position],
    }
    write_checkpoint(path, _FORMAT, tensors, text)


def load_mixture_checkpoint(path: PathLike) -> MixtureCheckpoint:
    """Read a checkpoint.

    Raises
    ------
    EmbeddingError
        When it is not one, or damaged.
    """
    with open_checkpoint(path, _FORMAT, "vmf mixture") as (text, tensors):
        states = {name: _state(name, one, tensors) for name, one in text["states"].items()}
        kind, position, has_gauss, gauss = text["random"]
        random = (kind, tensors["random"], position, has_gauss, gauss)
        np.random.RandomState().set_state(random)  # ValueError, TypeError for what is none
        start = text["start"]
        if type(start) is not int or start < 0 or not states["state"].objectives:
            raise ValueError("its number of starts or iterations is none")
        state = states["state"]
        if any(one.mean_directions.shape != state.mean_directions.shape for one in states.values()):
            raise ValueError("its states are of several mixtures")
        standing = Standing(
            start, state, states.get("likeliest", state), states.get("best"), random
        )
        rows = text.get("rows", 0)  # fits in batches had no checkpoint once
        if type(rows) is not int or rows < 0:
            raise ValueError("its number of rows is none")
        return MixtureCheckpoint(dict(text["plan"]), standing, rows)


def _state(name: str, described: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> State:
    """A state, checked as far as a file could hold another one; ValueError, KeyError."""
    weights, means, kappas = (tensors[f"{name}.{key}"] for key in _PARAMETERS)
    statistics = list(read_statistics(lambda key: tensors[f"{name}.{key}"]))
    count = len(weights)
    if not (
        weights.shape == kappas.shape == (len(statistics),)
        and means.shape == (count, statistics[0].dimension)
        and all(
            one.dtype == np.float64 and np.isfinite(one).all() for one in (weights, means, kappas)
        )
    ):
        raise ValueError("its parameters are none of a mixture")
    objectives = tuple(map(float, described["objectives"]))
    if not np.isfinite(objectives).all():
        raise ValueError("its likelihoods are no finite numbers")
    undetermined = [int(k) for k in described["undetermined"]]
    return State(
        weights,
        means,
        kappas,
        statistics,
        objectives,
        bool(described["converged"]),
        int(described["moved"]),
        undetermined,
    )
