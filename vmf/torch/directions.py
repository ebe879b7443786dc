"""Unit vectors at given angles from the mean direction, in a uniformly random tangent direction.

    x = mu cos t + (H y) sin t,   H = I - w w'/(1 + |mu_1|),   w = mu + sign(mu_1) e_1,

y a normalised Gaussian in the space orthogonal to e_1. H, a reflection, takes e_1 to -+mu and that
space to the one orthogonal to mu, at the cost of one scalar product: O(p) a draw.

On the CPU the Gaussians are those of the extension `vmf._random`, keyed by one number of torch's
generator, and rows of which no gradient is needed are made by it, in one pass; `place` is the same
in torch's operations.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vmf import _random
from vmf.torch.operators import inside_torch_func, needs_operators


def place(angle: Tensor, loc: Tensor, noise: Tensor) -> Tensor:
    """Return the vectors, differentiable in angle and loc.

    Parameters
    ----------
    angle : (n, b) float64 tensor
    loc : (b, p) tensor, unit rows
    noise : (n, b, p) tensor of standard normal numbers; overwritten
    """
    noise[..., 0] = 0.0
    norm = torch.linalg.vector_norm(noise, dim=-1)
    # Any tangent will do for what happens once in 2^24 draws of dimension 2.
    noise[..., 1] += norm == 0.0
    norm = torch.where(norm == 0.0, 1.0, norm)
    first = loc[..., 0]
    sign = torch.where(first < 0.0, -1.0, 1.0).to(loc)
    sine = torch.sin(angle).to(loc.dtype) / norm
    device = "cpu" if noise.is_meta else noise.device.type
    with torch.autocast(device, enabled=False):  # what is orthogonal must stay so
        along = noise @ loc[0] if loc.shape[0] == 1 else torch.einsum("nbp,bp->nb", noise, loc)
    shift = sine * along / (1.0 + first * sign)
    cosine = torch.cos(angle).to(loc.dtype)
    x = noise * sine[..., None]
    # vmap has a rule for the one, the other saves a copy.
    add = x.addcmul if inside_torch_func() else x.addcmul_
    x = add((cosine - shift)[..., None], loc)
    x[..., 0] -= shift * sign
    return x


def place_randomly(angle: Tensor, loc: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw the noise and return the vectors (n, b, p).

    On the CPU on torch's number of threads, on which the result does not depend.
    """
    (n, b), p = angle.shape, loc.shape[-1]
    differentiated = torch.is_grad_enabled() and (angle.requires_grad or loc.requires_grad)
    if differentiated or angle.device.type != "cpu" or needs_operators(generator, angle):
        return place(angle, loc, standard_normal((n, b, p), loc, generator))
    result = torch.empty((n, b, p), dtype=loc.dtype, device="cpu")
    _random.fill_directions(
        result.view(-1, p).numpy(),
        angle.detach().reshape(-1).numpy(),
        loc.detach().contiguous().numpy(),
        _key(generator),
        torch.get_num_threads(),
    )
    return result


def standard_normal(
    shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Draw standard normal numbers of the dtype (float32 or float64) and on the device of `like`."""
    if like.device.type != "cpu" or needs_operators(generator, like):
        return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)
    result = torch.empty(shape, dtype=like.dtype, device="cpu")
    rows = result.view(-1, shape[-1]).numpy()
    _random.fill_normals(rows, _key(generator), torch.get_num_threads())
    return result


def _key(generator: torch.Generator | None) -> int:
    return int(torch.randint(2**63 - 1, (), generator=generator, device="cpu"))
