"""InfoNCE of given similarities: each positive pair against the negatives of its anchor.

l_ij = log( e^{s_ij} + sum_{k in N(i)} e^{s_ik} ) - s_ij    (van den Oord, Li & Vinyals, 2018)
"""

from __future__ import annotations

import torch
from torch import Tensor


def info_nce(similarity: Tensor, negative: Tensor) -> Tensor:
    """Return l of every pair (..., n, m), for s (..., n, m) and negatives (n, m).

    An anchor without negatives has losses of 0.
    """
    # Not -inf, whose logsumexp has NaN for its gradient where nothing is left.
    masked = similarity.masked_fill(~negative, torch.finfo(similarity.dtype).min)
    of_negatives = torch.logsumexp(masked, dim=-1, keepdim=True)
    return torch.nn.functional.softplus(of_negatives - similarity, threshold=40.0)
