"""The losses and the kernel inside pytorch-metric-learning: its trainer, miners, reducers, tester."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

pytest.importorskip("pytorch_metric_learning")

from pytorch_metric_learning import losses as pml_losses
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.miners import MultiSimilarityMiner, TripletMarginMiner
from pytorch_metric_learning.reducers import DoNothingReducer, MeanReducer, ThresholdReducer
from pytorch_metric_learning.regularizers import LpRegularizer
from pytorch_metric_learning.trainers import MetricLossOnly
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from vmf.torch import VMFEmbedder, VonMisesFisher
from vmf.torch.losses import (
    ELKLoss,
    MCInfoNCELoss,
    NivMFLoss,
    VMFClassificationLoss,
    log_expected_likelihood,
)
from vmf.torch.metric_learning import ExpectedLikelihoodSimilarity, MetricLearningLoss

CLASSES, FEATURES, P = 4, 12, 8
CRITERIA = {
    "classification": lambda: VMFClassificationLoss(CLASSES, P),
    "nivmf": lambda: NivMFLoss(CLASSES, P, n_samples=4),
    "elk": lambda: ELKLoss(),
    "mcinfonce": lambda: MCInfoNCELoss(n_samples=4),
}
PAIRS = ["elk", "mcinfonce"]


def embeddings(rows: int = 24, seed: int = 0) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    vectors = 5 * torch.randn(rows, P, generator=generator)
    return vectors.requires_grad_(), torch.arange(rows) % CLASSES


@pytest.mark.parametrize("name", CRITERIA)
def test_without_a_miner_it_is_the_plain_loss(name: str) -> None:
    torch.manual_seed(0)
    criterion = CRITERIA[name]()
    vectors, labels = embeddings()
    torch.manual_seed(1)
    expected = criterion.from_embeddings(vectors, labels)
    torch.manual_seed(1)
    result = MetricLearningLoss(criterion)(vectors, labels)
    torch.testing.assert_close(result, expected)
    result.backward()
    assert torch.isfinite(vectors.grad).all()


@pytest.mark.parametrize("reducer", [MeanReducer(), ThresholdReducer(low=0.5)])
@pytest.mark.parametrize(
    "miner",
    [
        MultiSimilarityMiner(distance=ExpectedLikelihoodSimilarity(normalised=True), epsilon=1.0),
        TripletMarginMiner(distance=CosineSimilarity(), margin=0.2),
    ],
)
@pytest.mark.parametrize("name", CRITERIA)
def test_miners_and_reducers(name: str, miner: Any, reducer: Any) -> None:
    torch.manual_seed(0)
    loss = MetricLearningLoss(CRITERIA[name](), reducer=reducer)
    vectors, labels = embeddings()
    indices = miner(vectors, labels)
    assert len(indices[0])
    value = loss(vectors, labels, indices)
    value.backward()
    assert value > 0
    assert torch.isfinite(vectors.grad).all()
    if name in PAIRS:  # rows that the miner leaves out get no gradient
        named = torch.zeros(len(labels), dtype=torch.bool)
        for each in indices:
            named[each] = True
        assert (vectors.grad[~named] == 0).all()


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_and_their_negatives_are_those_named(name: str) -> None:
    loss = MetricLearningLoss(CRITERIA[name](), reducer=DoNothingReducer())
    vectors, labels = embeddings(6)
    anchors, partners = torch.tensor([0, 0, 1]), torch.tensor([4, 4, 5])
    negatives = torch.tensor([1, 2, 3])
    result = loss(vectors, labels, (anchors, partners, negatives))["loss"]
    assert result["reduction_type"] == "pos_pair"
    assert [each.tolist() for each in result["indices"]] == [[0, 1], [4, 5]]  # the pair 0, 4 once
    assert len(result["losses"]) == 2
    if name == "elk":
        mu, kappa = torch.nn.functional.normalize(vectors, dim=1), vectors.norm(dim=1)
        kernel = log_expected_likelihood(mu, kappa, mu, kappa)
        expected = torch.logsumexp(kernel[0, [4, 1, 2]], 0) - kernel[0, 4]
        torch.testing.assert_close(result["losses"][0], expected)


@pytest.mark.parametrize("name", PAIRS)
def test_references_of_their_own(name: str) -> None:
    torch.manual_seed(0)
    loss = MetricLearningLoss(CRITERIA[name]())
    vectors, labels = embeddings()
    others, other_labels = embeddings(10, seed=1)
    value = loss(vectors, labels, ref_emb=others, ref_labels=other_labels)
    value.backward()
    assert torch.isfinite(vectors.grad).all()
    assert (others.grad != 0).any()


def test_regularisers() -> None:
    vectors, labels = embeddings()
    torch.manual_seed(0)
    criterion = VMFClassificationLoss(CLASSES, P)
    plain = MetricLearningLoss(criterion)(vectors, labels)
    loss = MetricLearningLoss(
        criterion, embedding_regularizer=LpRegularizer(), weight_regularizer=LpRegularizer()
    )
    assert set(loss.sub_loss_names()) == {"loss", "embedding_reg_loss", "weight_reg_loss"}
    expected = plain + vectors.norm(dim=1).mean() + 1.0  # class vectors start with length 1
    torch.testing.assert_close(loss(vectors, labels), expected)


@pytest.mark.parametrize("normalised", [False, True])
def test_the_kernel_as_a_distance(normalised: bool) -> None:
    distance = ExpectedLikelihoodSimilarity(normalised=normalised)
    vectors, labels = embeddings()
    matrix = distance(vectors)
    torch.testing.assert_close(
        distance.pairwise_distance(vectors[:5], vectors[5:10]), matrix[:5, 5:10].diagonal()
    )
    if normalised:
        torch.testing.assert_close(matrix.diagonal(), torch.zeros(len(labels)), rtol=0, atol=1e-4)
        assert (matrix <= 1e-4).all()
    for loss in (pml_losses.TripletMarginLoss, pml_losses.MultiSimilarityLoss):
        vectors.grad = None
        loss(distance=distance)(vectors, labels).backward()
        assert torch.isfinite(vectors.grad).all()


class _Rows(torch.utils.data.Dataset[Any]):
    def __init__(self, rows: Any, labels: Any) -> None:
        self.rows, self.labels = rows, labels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.rows[index], int(self.labels[index])


@pytest.mark.parametrize("name", CRITERIA)
def test_the_trainer_and_the_accuracy_calculator(name: str) -> None:
    """Six of twelve coordinates are noise: a trained embedding retrieves better than the rows."""
    torch.manual_seed(0)
    loc = torch.eye(FEATURES // 2)[:CLASSES]
    signal = VonMisesFisher(loc, 30.0).sample((80,)).reshape(-1, FEATURES // 2)
    rows = torch.cat([signal, 0.6 * torch.randn_like(signal)], dim=1)
    labels = torch.arange(CLASSES).repeat(80)
    train, test = slice(0, 200), slice(200, 320)

    torch.manual_seed(1)
    embedder = VMFEmbedder(FEATURES, P)
    loss = MetricLearningLoss(CRITERIA[name]())
    optimizers = {"trunk_optimizer": torch.optim.Adam(embedder.parameters(), lr=0.03)}
    if list(loss.parameters()):
        optimizers["metric_loss_optimizer"] = torch.optim.Adam(loss.parameters(), lr=0.03)
    trainer = MetricLossOnly(
        models={"trunk": embedder},
        optimizers=optimizers,
        batch_size=50,
        loss_funcs={"metric_loss": loss},
        dataset=_Rows(rows[train], labels[train]),
        mining_funcs={"tuple_miner": MultiSimilarityMiner(epsilon=0.5)},
        data_device=torch.device("cpu"),
        dtype=torch.float32,
        dataloader_num_workers=0,
    )
    calculator = AccuracyCalculator(
        include=("precision_at_1", "mean_average_precision_at_r"),
        k="max_bin_count",
        knn_func=CustomKNN(ExpectedLikelihoodSimilarity(normalised=True)),
        device=torch.device("cpu"),
    )

    def scores(vectors: Any) -> dict[str, float]:
        found: dict[str, float] = calculator.get_accuracy(vectors, labels[test])
        return found

    before = scores(10 * rows[test])
    trainer.train(num_epochs=8)
    with torch.no_grad():
        after = scores(embedder(rows[test]))
    assert after["precision_at_1"] > before["precision_at_1"]
    assert after["mean_average_precision_at_r"] > before["mean_average_precision_at_r"] + 0.1


def test_bad_arguments() -> None:
    vectors, labels = embeddings()
    with pytest.raises(TypeError, match=r"expected a vmf\.torch\.losses one"):
        MetricLearningLoss(torch.nn.CrossEntropyLoss())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="ELKLoss has its own similarity"):
        MetricLearningLoss(ELKLoss(), distance=CosineSimilarity())
    with pytest.raises(TypeError, match="ELKLoss has no class vectors"):
        MetricLearningLoss(ELKLoss(), weight_regularizer=LpRegularizer())
    with pytest.raises(ValueError, match="labels row 3 is 3; expected 0 to 2"):
        MetricLearningLoss(VMFClassificationLoss(3, P))(vectors, labels)
    bad = vectors.detach().clone()
    bad[4, 1] = float("nan")
    with pytest.raises(ValueError, match="embeddings row 4 is not finite"):
        MetricLearningLoss(ELKLoss())(bad, labels)


def test_without_the_library_one_sentence_says_so() -> None:
    code = (
        "import sys; sys.modules['pytorch_metric_learning'] = None\n"
        "try:\n    import vmf.torch.metric_learning\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("vmf.torch.metric_learning needs pytorch_metric_learning")
    assert "pip install 'vmf-toolkit[metric-learning]'" in result.stdout
