"""Unit vectors at given angles from the mean direction, in a uniformly random tangent direction.

    x = mu cos t + (H y) sin t,   H = I - w w'/(1 + |mu_1|),   w = mu + sign(mu_1) e_1,

y a normalised Gaussian in the space orthogonal to e_1. H, a reflection, takes e_1 to -+mu and that
space to the one orthogonal to mu, at the cost of one scalar product: O(p) a draw.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Elements of a block of rows that stays in cache.
_BLOCK = 2**17


def place(angle: Tensor, loc: Tensor, noise: Tensor) -> Tensor:
    """Return the vectors, differentiable in angle and loc.

    Parameters
    ----------
    angle : (n, b) float64 tensor
    loc : (b, p) tensor, unit rows
    noise : (n, b, p) tensor of standard normal numbers; the first column is overwritten
    """
    noise[..., 0] = 0.0
    first = loc[..., 0]
    sign = torch.where(first < 0.0, -1.0, 1.0).to(loc)
    sine = torch.sin(angle).to(loc.dtype) / torch.linalg.vector_norm(noise, dim=-1)
    along = noise @ loc[0] if loc.shape[0] == 1 else torch.einsum("nbp,bp->nb", noise, loc)
    shift = sine * along / (1.0 + first * sign)
    cosine = torch.cos(angle).to(loc.dtype)
    x = torch.addcmul(noise * sine[..., None], (cosine - shift)[..., None], loc)
    x[..., 0] -= shift * sign
    return x


def standard_normal(
    shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Return normal numbers of the dtype and on the device of `like`."""
    return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)


def place_randomly(angle: Tensor, loc: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw the noise and return the vectors (n, b, p); in blocks where no gradient is needed."""
    (n, b), p = angle.shape, loc.shape[-1]
    if torch.is_grad_enabled() and (angle.requires_grad or loc.requires_grad):
        return place(angle, loc, standard_normal((n, b, p), loc, generator))
    result = torch.empty((n, b, p), dtype=loc.dtype, device=loc.device)
    if result.device.type != "cpu":
        return place(angle, loc, result.normal_(generator=generator))
    columns = min(b, max(1, _BLOCK // p))
    rows = max(1, _BLOCK // (columns * p))
    for i in range(0, n, rows):
        for j in range(0, b, columns):
            block = (slice(i, i + rows), slice(j, j + columns))
            size = result[block].shape
            noise = standard_normal(tuple(size), loc, generator)
            result[block] = place(angle[block], loc[block[1]], noise)
    return result
