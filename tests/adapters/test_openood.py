"""The postprocessor by OpenOOD's protocol: its loaders and networks, restated, and itself where installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from tests.adapters.labelled_features import CLASSES, P, features
from vmf.adapters.openood import VMFPostprocessor
from vmf.models import VMFClassifier


class Network(torch.nn.Module):
    """Answers as OpenOOD's networks do: logits, and features where asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(P, CLASSES, bias=False)
        with torch.no_grad():
            self.fc.weight.copy_(torch.eye(P)[:CLASSES])

    def forward(self, x: Any, return_feature: bool = False) -> Any:
        feature = x.flatten(1)
        return (self.fc(feature), feature) if return_feature else self.fc(feature)


class Loader:
    """Batches as OpenOOD's loaders yield them: dicts with "data" and "label"."""

    def __init__(self, rows: Any, labels: Any) -> None:
        self.rows, self.labels = rows, labels

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for part in torch.arange(len(self.rows)).split(32):
            yield {"data": self.rows[part], "label": self.labels[part], "index": part}


NET = Network()
TRAIN, TEST, OUTLIERS = (
    Loader(*features(60, 0)),
    Loader(*features(40, 1)),
    Loader(*features(60, 2, outliers=True)),
)
ID, OOD = {"train": TRAIN, "val": TEST, "test": TEST}, {"val": OUTLIERS, "near": {"x": OUTLIERS}}


def test_setup_and_inference() -> None:
    postprocessor = VMFPostprocessor()
    postprocessor.setup(NET, ID, OOD)
    predicted, confidence, labels = postprocessor.inference(NET, TEST, progress=False)
    assert predicted.dtype == labels.dtype == int
    assert (predicted == labels).mean() > 0.95
    model = VMFClassifier().fit(TRAIN.rows.numpy(), TRAIN.labels.numpy())
    np.testing.assert_allclose(confidence, model.score_samples(TEST.rows.numpy()), rtol=1e-9)
    # higher is more in-distribution
    _, outside, ood_labels = postprocessor.inference(NET, OUTLIERS)
    assert (ood_labels == -1).all()
    known = np.repeat([1, 0], [len(confidence), len(outside)])
    assert roc_auc_score(known, np.concatenate([confidence, outside])) > 0.95


def test_postprocess_gives_tensors() -> None:
    postprocessor = VMFPostprocessor(score="log_odds", concentration="tied")
    postprocessor.setup(NET, ID, OOD)
    predicted, confidence = postprocessor.postprocess(NET, TEST.rows)
    assert torch.equal(predicted, NET(TEST.rows).argmax(1))
    assert confidence.shape == (len(TEST.rows),)
    assert not confidence.requires_grad


def test_configuration_and_the_search_for_a_score() -> None:
    config = SimpleNamespace(
        postprocessor=SimpleNamespace(
            APS_mode=True, postprocessor_args=SimpleNamespace(score="entropy")
        )
    )
    postprocessor = VMFPostprocessor(config)
    assert postprocessor.APS_mode
    assert not postprocessor.hyperparam_search_done
    assert postprocessor.get_hyperparam() == ["entropy"]
    postprocessor.setup(NET, ID, OOD)
    confidences = {}
    for name in postprocessor.args_dict["score"]:
        postprocessor.set_hyperparam([name])
        assert postprocessor.get_hyperparam() == [name]
        confidences[name] = postprocessor.inference(NET, TEST)[1]
    assert len({tuple(each) for each in confidences.values()}) == len(confidences)


def test_bad_input() -> None:
    with pytest.raises(RuntimeError, match=r"call setup\(\) before postprocess"):
        VMFPostprocessor().postprocess(NET, TEST.rows)
    with pytest.raises(ValueError, match="there is no score 'energy'"):
        VMFPostprocessor(score="energy")


@pytest.mark.skipif(find_spec("openood") is None, reason="OpenOOD is not installed")
def test_it_is_a_postprocessor_of_openood() -> None:
    from openood.postprocessors import BasePostprocessor

    assert issubclass(VMFPostprocessor, BasePostprocessor)
