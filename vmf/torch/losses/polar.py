"""A vector in R^p as a mean direction and a concentration: its direction and its norm."""

from __future__ import annotations

import torch
from torch import Tensor

from vmf.torch.half_precision import widened


def direction_and_concentration(embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Return the directions (..., p) and norms (...) of vectors: x = kappa mu.

    kappa mu is the natural parameter of the von Mises-Fisher distribution. A vector of norm 0 is the
    uniform distribution; its direction, which then means nothing, is the first axis, and no gradient
    flows through it. Half precision gives float32.

    Parameters
    ----------
    embeddings : (..., p) tensor of floats
    """
    vectors = widened(embeddings)
    norm = torch.linalg.vector_norm(vectors, dim=-1)
    usable = norm >= torch.finfo(norm.dtype).tiny  # 1/norm is finite
    axis = torch.zeros_like(vectors[..., :1, :] if vectors.dim() > 1 else vectors)
    axis[..., 0] = 1.0
    direction = vectors / torch.where(usable, norm, 1.0)[..., None]
    return torch.where(usable[..., None], direction, axis), norm
