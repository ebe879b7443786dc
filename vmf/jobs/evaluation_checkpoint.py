"""What an evaluation has found so far, in a file that another run can go on from.

A safetensors file with the arrays of `vmf.evaluation.kept.Kept`: neighbours, answers and scores of the
rows that are done, sums of the classes, the centres of cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vmf.errors import PathLike
from vmf.evaluation.kept import Kept
from vmf.passes.checkpoint import Tensor, open_checkpoint, write_checkpoint

_FORMAT = "vmf-evaluation-checkpoint"


@dataclass(frozen=True)
class EvaluationCheckpoint:
    """The arrays, and the plan that they belong to.

    Attributes
    ----------
    plan : mapping
        All that decides about the figures, as JSON.
    arrays : mapping of str to array
    """

    plan: Mapping[str, Any]
    arrays: Mapping[str, Tensor]

    @property
    def progress(self) -> str:
        """How far the evaluation is, in words."""
        arrays, kept = self.arrays, Kept(self.arrays)
        searched = kept.number("neighbours_done") or kept.number("sample_done")
        if "cells_nearest" in arrays:
            searched = int(np.count_nonzero(arrays["cells_nearest"][:, 0] >= 0))
        judged = 0
        if "inside_confidence" in arrays:
            judged = int(np.count_nonzero(~np.isnan(arrays["inside_confidence"])))
        if judged:
            return f"the neighbours of {searched} rows and the scores of {judged}"
        return f"the neighbours of {searched} rows"


def save_evaluation_checkpoint(checkpoint: EvaluationCheckpoint, path: PathLike) -> None:
    """Write to ``path``, all of it or nothing; OSError when the disk is full."""
    write_checkpoint(path, _FORMAT, checkpoint.arrays, {"plan": checkpoint.plan})


def load_evaluation_checkpoint(path: PathLike) -> EvaluationCheckpoint:
    """Read a checkpoint; EmbeddingError when it is not one, or damaged."""
    with open_checkpoint(path, _FORMAT, "vmf evaluate") as (state, tensors):
        plan = state["plan"]
        if not all("name" in one for one in plan["files"]):
            raise ValueError("its plan is none")
        # What is read is not writable, and the arrays are to be filled in.
        return EvaluationCheckpoint(plan, {name: one.copy() for name, one in tensors.items()})
