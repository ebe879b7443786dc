"""The losses as losses of pytorch-metric-learning, and their kernel as one of its distances.

Embeddings are vectors (n, p) whose norm is the concentration, such as `vmf.torch.VMFEmbedder` makes:

    MetricLearningLoss(ELKLoss())                   a loss: with miners, reducers, regularisers, trainers
    ExpectedLikelihoodSimilarity()                  a distance: for the losses, miners and the nearest
                                                    neighbours of pytorch-metric-learning

Needs pytorch-metric-learning (K. Musgrave, S. Belongie & S.-N. Lim, 2020; the extra
`metric-learning`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vmf.torch.losses.arguments import check_embeddings, check_labels
from vmf.torch.losses.base import ClassLoss, PairLoss, UncertainEmbeddingLoss
from vmf.torch.losses.expected_likelihood import log_expected_likelihood, log_kernel_of_cosine
from vmf.torch.losses.polar import direction_and_concentration

try:
    from pytorch_metric_learning.distances import BaseDistance
    from pytorch_metric_learning.losses import BaseMetricLossFunction
    from pytorch_metric_learning.losses.mixins import WeightRegularizerMixin
    from pytorch_metric_learning.utils import common_functions
    from pytorch_metric_learning.utils import loss_and_miner_utils as pairs
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"vmf.torch.metric_learning needs {error.name}: pip install 'vmf-toolkit[metric-learning]'",
        name=error.name,
    ) from None

__all__ = ["ExpectedLikelihoodSimilarity", "MetricLearningLoss"]


class ExpectedLikelihoodSimilarity(BaseDistance):  # type: ignore[misc]
    """Similarity of embeddings whose norm is the concentration: log of their expected likelihood.

    The formula is in `vmf.torch.losses.expected_likelihood`. It is larger for what is more alike
    (`is_inverted`). An embedding is not what is most like itself: a more concentrated one near by has
    a larger value. `normalised` divides ELK(i, j) by sqrt(ELK(i, i) ELK(j, j)): the log of the
    cosine of the two densities, 0 for equal embeddings and negative for others. That one is for
    nearest neighbours.

    Parameters
    ----------
    normalised : bool
    **options
        Of `BaseDistance`: power, collect_stats.
    """

    def __init__(self, normalised: bool = False, **options: Any) -> None:
        super().__init__(normalize_embeddings=False, is_inverted=True, **options)
        self.normalised = normalised

    def compute_mat(self, query_emb: Tensor, ref_emb: Tensor) -> Tensor:
        """Return the similarities (n, m) of all pairs."""
        query, ref = (direction_and_concentration(each) for each in (query_emb, ref_emb))
        similarity = log_expected_likelihood(*query, *ref)
        if self.normalised:
            own, other = _self_similarity(*query), _self_similarity(*ref)
            similarity = similarity - 0.5 * (own[:, None] + other[None, :])
        return similarity

    def pairwise_distance(self, query_emb: Tensor, ref_emb: Tensor) -> Tensor:
        """Return the similarities (n,) of each row with its own."""
        query, ref = (direction_and_concentration(each) for each in (query_emb, ref_emb))
        cosine = (query[0] * ref[0]).sum(-1)
        kernel = log_kernel_of_cosine(query_emb.shape[1], cosine, query[1], ref[1])
        similarity = kernel.to(cosine.dtype)
        if self.normalised:
            similarity = similarity - 0.5 * (_self_similarity(*query) + _self_similarity(*ref))
        return similarity


def _self_similarity(mean_direction: Tensor, concentration: Tensor) -> Tensor:
    one = torch.ones_like(concentration)
    dimension = mean_direction.shape[1]
    kernel = log_kernel_of_cosine(dimension, one, concentration, concentration)
    return kernel.to(mean_direction.dtype)


class MetricLearningLoss(WeightRegularizerMixin, BaseMetricLossFunction):  # type: ignore[misc]
    """A loss of `vmf.torch.losses` as a loss function of pytorch-metric-learning.

    Losses with classes give one value a row ("element"), weighted as those with proxies there by how often
    a miner names the row. Losses of pairs give one value a positive pair ("pos_pair"), held against
    the negatives that the miner, or the labels, name for its anchor.

    Parameters
    ----------
    criterion : VMFClassificationLoss, NivMFLoss, ELKLoss or MCInfoNCELoss
        Its own `reduction` is not used. Its parameters are this module's: give them to an optimizer.
    **options
        Of `BaseMetricLossFunction`: reducer, embedding_regularizer, embedding_reg_weight, collect_stats;
        with classes also weight_regularizer, weight_reg_weight, of the class vectors. Not
        distance: the criterion has its own.

    Examples
    --------
    >>> import torch
    >>> from pytorch_metric_learning.miners import MultiSimilarityMiner
    >>> from vmf.torch import VMFEmbedder
    >>> from vmf.torch.losses import ELKLoss
    >>> from vmf.torch.metric_learning import ExpectedLikelihoodSimilarity, MetricLearningLoss
    >>> miner = MultiSimilarityMiner(distance=ExpectedLikelihoodSimilarity(normalised=True))
    >>> embeddings, labels = VMFEmbedder(10, 8)(torch.randn(32, 10)), torch.arange(32) % 4
    >>> MetricLearningLoss(ELKLoss())(embeddings, labels, miner(embeddings, labels)).shape
    torch.Size([])
    """

    def __init__(self, criterion: UncertainEmbeddingLoss, **options: Any) -> None:
        if not isinstance(criterion, (ClassLoss, PairLoss)):
            raise TypeError(
                f"criterion is {type(criterion).__name__}; expected a vmf.torch.losses one"
            )
        if "distance" in options:
            raise TypeError(
                f"{type(criterion).__name__} has its own similarity; distance cannot be given"
            )
        if isinstance(criterion, PairLoss) and options.get("weight_regularizer") is not None:
            raise TypeError(f"{type(criterion).__name__} has no class vectors to regularise")
        super().__init__(**options)
        self.criterion = criterion

    def compute_loss(
        self,
        embeddings: Tensor,
        labels: Tensor | None,
        indices_tuple: Any,
        ref_emb: Tensor,
        ref_labels: Tensor | None,
    ) -> dict[str, Any]:
        """Return the losses with what a reducer needs; called by `forward`."""
        criterion = self.criterion
        criterion.to(embeddings.device)
        check_embeddings(embeddings, criterion.dimension, criterion.validate_args)
        if labels is not None:
            check_labels(labels, len(embeddings), criterion.num_classes, criterion.validate_args)
        if isinstance(criterion, ClassLoss):
            common_functions.labels_required(labels)
            common_functions.ref_not_supported(embeddings, labels, ref_emb, ref_labels)
            result = self._of_rows(criterion, embeddings, labels, indices_tuple)
            self.add_weight_regularization_to_loss_dict(result, criterion.class_vectors)
            return result
        common_functions.labels_or_indices_tuple_required(labels, indices_tuple)
        indices = pairs.convert_to_pairs(indices_tuple, labels, ref_labels)
        return self._of_pairs(criterion, embeddings, ref_emb, indices)

    def _of_rows(
        self, criterion: ClassLoss, embeddings: Tensor, labels: Any, indices_tuple: Any
    ) -> dict[str, Any]:
        losses = criterion.row_losses(*direction_and_concentration(embeddings), labels)
        weights = pairs.convert_to_weights(indices_tuple, labels, dtype=losses.dtype)
        rows = common_functions.torch_arange_from_size(embeddings)
        return _one_loss(losses * weights, rows, "element")

    def _of_pairs(
        self, criterion: PairLoss, embeddings: Tensor, ref_emb: Tensor, indices: Any
    ) -> dict[str, Any]:
        anchor, partner, negative_anchor, other = indices
        if len(anchor) == 0:
            zero: dict[str, Any] = self.zero_losses()
            return zero
        none = torch.zeros(
            (len(embeddings), len(ref_emb)), dtype=torch.bool, device=embeddings.device
        )
        positive = none.index_put((anchor, partner), none.new_ones(()))
        negative = none.index_put((negative_anchor, other), none.new_ones(()))
        second = None if ref_emb is embeddings else direction_and_concentration(ref_emb)
        rows = direction_and_concentration(embeddings)
        losses = criterion.pair_losses(*rows, positive, negative, second)
        # Triplets name a pair once for each of its negatives: it counts once.
        found = torch.nonzero(positive, as_tuple=True)
        return _one_loss(losses[found], found, "pos_pair")


def _one_loss(losses: Tensor, indices: Any, reduction_type: str) -> dict[str, Any]:
    return {"loss": {"losses": losses, "indices": indices, "reduction_type": reduction_type}}
