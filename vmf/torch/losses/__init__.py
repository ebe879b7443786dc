"""Losses for embeddings that are von Mises-Fisher distributions, with the exact log C_p.

Each takes the mean directions (n, p), concentrations (n,) and integer labels (n,) of a batch, or by
`from_embeddings` vectors (n, p) whose norm is the concentration. `VMFHead` makes the former from
features. The same losses for pytorch-metric-learning are in `vmf.torch.metric_learning`.

| loss | what it learns |
|---|---|
| `VMFClassificationLoss` | a von Mises-Fisher distribution a class; classes known |
| `NivMFLoss` | the same with a concentration a coordinate: elongated classes |
| `ELKLoss` | pairs, by the expected likelihood kernel: no class parameters, no sampling |
| `MCInfoNCELoss` | pairs, by draws of both embeddings: concentrations as posteriors |
"""

from __future__ import annotations

from vmf.torch.losses.classification import VMFClassificationLoss
from vmf.torch.losses.expected_likelihood import ELKLoss, log_expected_likelihood
from vmf.torch.losses.mc_infonce import MCInfoNCELoss
from vmf.torch.losses.nivmf import NivMFLoss
from vmf.torch.losses.polar import direction_and_concentration

__all__ = [
    "ELKLoss",
    "MCInfoNCELoss",
    "NivMFLoss",
    "VMFClassificationLoss",
    "direction_and_concentration",
    "log_expected_likelihood",
]
