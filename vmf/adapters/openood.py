"""A postprocessor of OpenOOD: von Mises-Fisher classes on a network's features.

J. Zhang, J. Yang, P. Wang et al., OpenOOD v1.5: Enhanced Benchmark for Out-of-Distribution Detection, 2023.
OpenOOD need not be installed to use this class, only to evaluate it: where it is, the class
inherits from its BasePostprocessor, which its Evaluator asks for. A network answers
`net(data, return_feature=True)` with logits and features, as OpenOOD's networks do; a loader yields
dicts with "data" and "label".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vmf.adapters.feature_scores import FeatureScores

try:
    from openood.postprocessors import BasePostprocessor
except ModuleNotFoundError:
    BasePostprocessor = object

__all__ = ["VMFPostprocessor"]

_SWEEP = ("log_density", "class_log_density", "predictive_log_density", "log_odds")


class VMFPostprocessor(BasePostprocessor):  # type: ignore[misc]
    """Confidence under one von Mises-Fisher distribution a class; higher is more in-distribution.

    Parameters
    ----------
    config : OpenOOD configuration, optional
        `config.postprocessor.postprocessor_args.score` and `.APS_mode` are read where they are, the
        latter in `config.postprocessor`. With APS_mode OpenOOD chooses the score on its validation sets.
    score : str
        A name in `vmf.uncertainty.SCORES`, where the configuration names none.
    **classifier
        Arguments of `vmf.models.VMFClassifier`.

    Examples
    --------
    >>> from vmf.adapters.openood import VMFPostprocessor
    >>> postprocessor = VMFPostprocessor(score="predictive_log_density")
    >>> # Evaluator(net, id_name="cifar10", postprocessor=postprocessor).eval_ood()
    """

    def __init__(
        self, config: Any = None, *, score: str = "log_density", **classifier: Any
    ) -> None:
        # Not the base's, which reads entries of a configuration that need not be there.
        self.config = config
        postprocessor = getattr(config, "postprocessor", None)
        arguments = getattr(postprocessor, "postprocessor_args", None)
        self.APS_mode = bool(getattr(postprocessor, "APS_mode", False))
        self.hyperparam_search_done = False
        self.args_dict = {"score": list(_SWEEP)}
        self._classifier_arguments = classifier
        self._scores = FeatureScores(getattr(arguments, "score", score), classifier)

    def setup(self, net: Any, id_loader_dict: Any, ood_loader_dict: Any) -> None:
        """Fit to the features of `id_loader_dict["train"]`; the other sets are not looked at."""
        net.eval()
        device = _device_of(net)
        scores = FeatureScores(self._scores.score_name, self._classifier_arguments)
        with torch.no_grad():
            for batch in id_loader_dict["train"]:
                _, features = net(batch["data"].to(device).float(), return_feature=True)
                scores.add(features, batch["label"])
        scores.solve()
        self._scores = scores

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def postprocess(self, net: Any, data: Tensor) -> tuple[Tensor, Tensor]:
        """Return the network's predicted classes (n,) and the confidences (n,), float64."""
        if self._scores.classifier is None:
            raise RuntimeError("no class distributions yet: call setup() before postprocess()")
        logits, features = net(data, return_feature=True)
        return logits.argmax(dim=1), self._scores.score(features, "certain")

    def inference(
        self, net: Any, data_loader: Any, progress: bool = True
    ) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.float64], npt.NDArray[np.int_]]:
        """Return predicted classes, confidences and labels of all batches.

        On the device of the network, which may be a CPU. `progress`, OpenOOD's wish for a bar, is
        not heeded.
        """
        device = _device_of(net)
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        for batch in data_loader:
            predicted, confidence = self.postprocess(net, batch["data"].to(device).float())
            parts.append((predicted.cpu(), confidence.cpu(), batch["label"].cpu()))
        predictions, confidences, labels = (
            torch.cat(each).numpy() for each in zip(*parts, strict=True)
        )
        return predictions.astype(int), confidences, labels.astype(int)

    def set_hyperparam(self, hyperparam: list[Any]) -> None:
        """Choose the score: the first and only entry."""
        self._scores.choose(hyperparam[0])

    def get_hyperparam(self) -> list[Any]:
        """Return the score's name, in a list."""
        return [self._scores.score_name]


def _device_of(net: Any) -> torch.device:
    parameter = next(iter(net.parameters()), None)
    return torch.device("cpu") if parameter is None else parameter.device
