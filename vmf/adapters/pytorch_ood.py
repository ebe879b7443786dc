"""A detector of pytorch-ood: von Mises-Fisher classes on a network's features.

Needs pytorch-ood (K. Kirchheim, M. Filax & F. Ortmeier, PyTorch-OOD: A Library for Out-of-Distribution
Detection based on PyTorch, CVPR Workshops 2022; the extra `metric-learning`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

from vmf.adapters.feature_scores import FeatureScores
from vmf.models import VMFClassifier

try:
    from pytorch_ood.api import (
        DetectorInfo,
        FeaturesDetector,
        ModelNotSetException,
        RequiresFittingException,
        Task,
    )
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"vmf.adapters.pytorch_ood needs {error.name}: pip install 'vmf-toolkit[metric-learning]'",
        name=error.name,
    ) from None

__all__ = ["VMFDetector"]


class VMFDetector(FeaturesDetector):  # type: ignore[misc]
    """Outlier scores under one von Mises-Fisher distribution a class.

    Only the directions of features count, except for the scores that read their length.
    Higher scores are more out-of-distribution, as everywhere in pytorch-ood.

    Parameters
    ----------
    encoder : callable, optional
        Inputs to features (n, p). Without it, `fit_features` and `predict_features` are what there is.
    score : str
        A name in `vmf.uncertainty.SCORES`. "log_density" is minus the log-density of the mixture of
        the classes. It can be changed after fitting.
    **classifier
        Arguments of `vmf.models.VMFClassifier`: concentration, estimator, prior, priors, predictive.

    Examples
    --------
    >>> import torch
    >>> from vmf.adapters.pytorch_ood import VMFDetector
    >>> features, labels = torch.randn(100, 16) + 3 * torch.eye(16)[:2].repeat(50, 1), torch.arange(100) % 2
    >>> VMFDetector().fit_features(features, labels).predict_features(torch.randn(5, 16)).shape
    torch.Size([5])
    """

    requires_fit = True
    info = DetectorInfo(tasks={Task.CLASSIFICATION})
    hyperparameter_space = {  # noqa: RUF012
        "score": ["log_density", "class_log_density", "predictive_log_density", "log_odds"]
    }

    def __init__(
        self,
        encoder: Callable[[Tensor], Tensor] | None = None,
        *,
        score: str = "log_density",
        **classifier: Any,
    ) -> None:
        super().__init__()
        VMFClassifier(**classifier)  # an unknown argument is an error here, not at fit
        self.encoder = encoder
        self._classifier_arguments = classifier
        self._scores = FeatureScores(score, classifier)

    @property
    def score(self) -> str:
        """Name of the score."""
        return self._scores.score_name

    @score.setter
    def score(self, name: str) -> None:
        self._scores.choose(name)

    @property
    def classifier(self) -> VMFClassifier | None:
        """The fitted classifier, with mean directions and concentrations; None before."""
        return self._scores.classifier

    def fit(self, data_loader: Any) -> Self:
        """Fit to batches (inputs, labels), each passed through the encoder.

        Rows with negative labels, pytorch-ood's mark of outliers, are left out.

        Raises
        ------
        ModelNotSetException
            Without an encoder.
        """
        scores = FeatureScores(self.score, self._classifier_arguments)
        with torch.no_grad():
            for inputs, labels in data_loader:
                scores.add(self._encode(inputs), labels)
        return self._solve(scores)

    def fit_features(self, x: Tensor, y: Tensor) -> Self:
        """Fit to features (n, p) with labels (n,); rows with negative labels are left out."""
        scores = FeatureScores(self.score, self._classifier_arguments)
        scores.add(x, y)
        return self._solve(scores)

    def predict(self, x: Tensor) -> Tensor:
        """Return outlier scores (n,) of inputs, passed through the encoder.

        Raises
        ------
        ModelNotSetException, RequiresFittingException
        """
        with torch.no_grad():
            return self.predict_features(self._encode(x))

    def predict_features(self, x: Tensor) -> Tensor:
        """Return outlier scores of features (n, p), (n,) in float64; higher is more out-of-distribution.

        Raises
        ------
        RequiresFittingException
        """
        if self.classifier is None:
            raise RequiresFittingException()
        return self._scores.score(x, "ood")

    def _encode(self, inputs: Tensor) -> Tensor:
        if self.encoder is None:
            raise ModelNotSetException()
        device = self.device
        return self.encoder(inputs if device is None else inputs.to(device))

    def _solve(self, scores: FeatureScores) -> Self:
        scores.solve()
        self._scores = scores
        return self
