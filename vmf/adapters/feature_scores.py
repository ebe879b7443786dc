"""A classifier fitted to batches of features as tensors, and scores of new ones as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vmf.estimation import SufficientStatistics, statistics_by_class
from vmf.models import VMFClassifier
from vmf.uncertainty import Higher, Reference, find_score


class FeatureScores:
    """Batches in by `add`, then `solve`, then scores out by `score`.

    Parameters
    ----------
    score : str
        A name in `vmf.uncertainty.SCORES`.
    classifier : dict
        Arguments of `vmf.models.VMFClassifier`.
    """

    def __init__(self, score: str, classifier: dict[str, Any]) -> None:
        self.score_name = find_score(score).name
        self._classifier_arguments = classifier
        self._statistics: dict[Any, SufficientStatistics] = {}
        self._kept: list[npt.NDArray[Any]] = []
        self._reference: Reference | None = None

    @property
    def classifier(self) -> VMFClassifier | None:
        """The classifier, once solved."""
        return None if self._reference is None else self._reference.model  # type: ignore[return-value]

    def choose(self, score: str) -> None:
        """Take another score; what was fitted stays."""
        self.score_name = find_score(score).name

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Add rows (n, p) with integer labels (n,); rows of negative labels are left out."""
        if labels.is_floating_point() or labels.shape != features.shape[:1]:
            raise ValueError(
                f"labels are {labels.dtype} of shape {tuple(labels.shape)}; expected integers "
                f"({features.shape[0]},), one a row"
            )
        known = (labels >= 0).cpu()
        rows = _array(features)[known.numpy()]
        self._statistics = statistics_by_class(
            rows, labels.cpu()[known].numpy(), initial=self._statistics
        )
        # Kept for the scores that need them, which may be chosen later.
        self._kept.append(rows)

    def solve(self) -> None:
        """Fit the classifier to what was added."""
        if not self._statistics:
            raise ValueError("no in-distribution row to fit to: every label is negative")
        model = VMFClassifier.from_statistics(self._statistics, **self._classifier_arguments)
        self._reference = Reference(model, training=np.concatenate(self._kept))

    def score(self, features: Tensor, higher: Higher) -> Tensor:
        """Return the score of rows (n, p), (n,) in float64, on their device."""
        if self._reference is None:
            raise RuntimeError("no classifier yet: call solve() before score()")
        values = find_score(self.score_name)(self._reference, _array(features), higher=higher)
        return torch.from_numpy(np.ascontiguousarray(values)).to(features.device)


def _array(features: Tensor) -> npt.NDArray[Any]:
    if features.dim() != 2:
        raise ValueError(f"features have shape {tuple(features.shape)}; expected (n, p)")
    host = features.detach().cpu()
    # NumPy has no bfloat16.
    array: npt.NDArray[Any] = (host.float() if host.dtype == torch.bfloat16 else host).numpy()
    return array
