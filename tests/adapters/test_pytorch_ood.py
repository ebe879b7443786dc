"""The detector inside pytorch-ood: its interface, its metrics, its benchmark, its grid search."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset

from tests.adapters.labelled_features import CLASSES, P, features

pytest.importorskip("pytorch_ood")

from pytorch_ood.api import FeaturesDetector, ModelNotSetException, RequiresFittingException
from pytorch_ood.benchmark import Benchmark
from pytorch_ood.detector import KNN
from pytorch_ood.metrics import OODMetrics

from vmf.adapters.pytorch_ood import VMFDetector
from vmf.errors import BadRowError
from vmf.models import VMFClassifier
from vmf.uncertainty import SCORES

TRAIN, TRAIN_LABELS = features(60, 0)
TEST, TEST_LABELS = features(40, 1)
OUTLIERS, OUTLIER_LABELS = features(60, 2, outliers=True)


def metrics(detector: Any) -> dict[str, float]:
    found = OODMetrics()
    for x, y in ((TEST, TEST_LABELS), (OUTLIERS, OUTLIER_LABELS)):
        found.update(detector.predict_features(x), y)
    result: dict[str, float] = found.compute()
    return result


@pytest.mark.parametrize("score", SCORES)
def test_every_score_separates_a_class_that_was_not_seen(score: str) -> None:
    detector = VMFDetector(score=score)
    assert isinstance(detector, FeaturesDetector)
    assert detector.fit_features(TRAIN, TRAIN_LABELS) is detector
    result = detector.predict_features(TEST)
    assert result.shape == (len(TEST),)
    assert result.dtype == torch.float64
    lengths_only = score in ("norm", "kl_to_uniform")  # here they say nothing
    assert lengths_only or metrics(detector)["AUROC"] > 0.9


def test_scores_are_those_of_the_classifier_with_the_sign_turned() -> None:
    detector = VMFDetector(concentration="tied").fit_features(TRAIN, TRAIN_LABELS)
    model = VMFClassifier(concentration="tied").fit(TRAIN.numpy(), TRAIN_LABELS.numpy())
    expected = -torch.from_numpy(model.score_samples(TEST.numpy()))
    torch.testing.assert_close(detector.predict_features(TEST), expected, rtol=1e-9, atol=1e-9)


def test_rows_marked_as_outliers_are_left_out_of_the_fit() -> None:
    detector = VMFDetector().fit_features(TRAIN, TRAIN_LABELS)
    both = torch.cat([TRAIN, OUTLIERS]), torch.cat([TRAIN_LABELS, OUTLIER_LABELS])
    other = VMFDetector().fit_features(*both)
    assert torch.equal(detector.predict_features(TEST), other.predict_features(TEST))
    with pytest.raises(ValueError, match="every label is negative"):
        VMFDetector().fit_features(OUTLIERS, OUTLIER_LABELS)


def test_inputs_pass_through_the_encoder() -> None:
    torch.manual_seed(0)
    encoder = torch.nn.Linear(P, P)
    detector = VMFDetector(encoder)
    detector.fit(DataLoader(TensorDataset(TRAIN, TRAIN_LABELS), batch_size=50))
    with torch.no_grad():
        expected = VMFDetector().fit_features(encoder(TRAIN), TRAIN_LABELS)
        scores = expected.predict_features(encoder(TEST))
    torch.testing.assert_close(detector.predict(TEST), scores)
    torch.testing.assert_close(detector(TEST), scores)
    assert not detector.predict(TEST).requires_grad


class _TwoSets(Benchmark):
    """Features in the place of images: what pytorch-ood's benchmarks do, without a download."""

    ood_names = ("another class", "noise")

    def train_set(self) -> Any:
        return TensorDataset(TRAIN, TRAIN_LABELS)

    def test_sets(self, known: bool = True, unknown: bool = True) -> list[Any]:
        torch.manual_seed(3)
        inside = TensorDataset(TEST, TEST_LABELS)
        noise = TensorDataset(torch.randn(50, P), torch.full((50,), -1))
        outside = [TensorDataset(OUTLIERS, OUTLIER_LABELS), noise]
        if not unknown:
            return [inside]
        return [ConcatDataset([inside, each]) if known else each for each in outside]


def test_inside_its_benchmark_beside_one_of_its_detectors() -> None:
    encoder = torch.nn.Identity()
    detector = VMFDetector(encoder).fit_features(TRAIN, TRAIN_LABELS)
    beside = KNN(encoder, k=5).fit_features(TRAIN, TRAIN_LABELS)
    results = _TwoSets().evaluate(
        [detector, beside], loader_kwargs={"batch_size": 64}, device="cpu"
    )
    ours = [row for row in results if row["Detector"] == "VMFDetector"]
    assert [row["Dataset"] for row in ours] == list(_TwoSets.ood_names)
    assert all(row["AUROC"] > 0.95 for row in ours)


def test_the_score_can_be_searched_for_and_changed_after_fitting() -> None:
    detector = VMFDetector().fit_features(TRAIN, TRAIN_LABELS)
    plain = detector.predict_features(TEST)
    assert detector.get_hyperparameters() == {"score": "log_density"}
    for name in detector.hyperparameter_space["score"]:
        detector.set_hyperparameters(score=name)
        assert detector.score == name
        assert torch.equal(detector.predict_features(TEST), plain) == (name == "log_density")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types(dtype: torch.dtype) -> None:
    detector = VMFDetector().fit_features(TRAIN.to(dtype), TRAIN_LABELS.int())
    scores = detector.predict_features(TEST.to(dtype))
    expected = VMFDetector().fit_features(TRAIN, TRAIN_LABELS).predict_features(TEST)
    assert (scores - expected).abs().max() < 0.1 * expected.std()


def test_bad_input() -> None:
    detector = VMFDetector()
    with pytest.raises(RequiresFittingException):
        detector.predict_features(TEST)
    with pytest.raises(ModelNotSetException):
        detector.fit(DataLoader(TensorDataset(TRAIN, TRAIN_LABELS)))
    with pytest.raises(ModelNotSetException):
        detector.predict(TEST)
    with pytest.raises(ValueError, match="there is no score 'energy'; choose among log_density"):
        VMFDetector(score="energy")
    with pytest.raises(TypeError, match="kappa"):
        VMFDetector(kappa=3.0)
    with pytest.raises(ValueError, match=r"features have shape \(24,\); expected \(n, p\)"):
        detector.fit_features(TRAIN[0], TRAIN_LABELS[:24])
    with pytest.raises(ValueError, match=r"expected integers \(180,\), one a row"):
        detector.fit_features(TRAIN, TRAIN_LABELS[:-1])
    with pytest.raises(ValueError, match="expected integers"):
        detector.fit_features(TRAIN, TRAIN_LABELS.float())
    bad = TRAIN.clone()
    bad[5, 2] = float("nan")
    with pytest.raises(BadRowError, match="row 5"):
        detector.fit_features(bad, TRAIN_LABELS)
    fitted = detector.fit_features(TRAIN, TRAIN_LABELS)
    with pytest.raises(BadRowError, match="row 5"):
        fitted.predict_features(bad)
    with pytest.raises(ValueError, match="dimension"):
        fitted.predict_features(TRAIN[:, :7])
    assert fitted.classifier is not None
    assert len(fitted.classifier.concentrations_) == CLASSES


def test_without_the_library_one_sentence_says_so() -> None:
    code = (
        "import sys; sys.modules['pytorch_ood'] = None\n"
        "try:\n    import vmf.adapters.pytorch_ood\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("vmf.adapters.pytorch_ood needs pytorch_ood")
    assert "pip install 'vmf-toolkit[metric-learning]'" in result.stdout
