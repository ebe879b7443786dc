"""Unit vectors at given angles from the mean direction, in a uniformly random tangent direction.

    x = mu cos t + (H y) sin t,   H = I - w w'/(1 + |mu_1|),   w = mu + sign(mu_1) e_1,

y a normalised Gaussian in the space orthogonal to e_1. H, a reflection, takes e_1 to -+mu and that
space to the one orthogonal to mu, at the cost of one scalar product: O(p) a draw.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

# Elements of a block of rows: it stays in cache, and torch does not split work as small as that.
_BLOCK = 2**15 - 1
# Elements with a generator of their own, so that draws do not depend on the number of threads.
_STREAM = 2**22


def place(angle: Tensor, loc: Tensor, noise: Tensor) -> Tensor:
    """Return the vectors, differentiable in angle and loc.

    Parameters
    ----------
    angle : (n, b) float64 tensor
    loc : (b, p) tensor, unit rows
    noise : (n, b, p) tensor of standard normal numbers; overwritten, by the result where no
        gradient is needed
    """
    noise[..., 0] = 0.0
    first = loc[..., 0]
    sign = torch.where(first < 0.0, -1.0, 1.0).to(loc)
    sine = torch.sin(angle).to(loc.dtype) / torch.linalg.vector_norm(noise, dim=-1)
    along = noise @ loc[0] if loc.shape[0] == 1 else torch.einsum("nbp,bp->nb", noise, loc)
    shift = sine * along / (1.0 + first * sign)
    cosine = torch.cos(angle).to(loc.dtype)
    scale = sine[..., None]
    # The noise is needed again only for a gradient.
    x = noise * scale if _differentiates(angle, loc) else noise.mul_(scale)
    x.addcmul_((cosine - shift)[..., None], loc)
    x[..., 0] -= shift * sign
    return x


def _differentiates(angle: Tensor, loc: Tensor) -> bool:
    return torch.is_grad_enabled() and bool(angle.requires_grad or loc.requires_grad)


def place_randomly(angle: Tensor, loc: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw the noise and return the vectors (n, b, p).

    On the CPU, where no gradient is needed, in blocks and on torch's number of threads.
    """
    (n, b), p = angle.shape, loc.shape[-1]
    result = torch.empty((n, b, p), dtype=loc.dtype, device=loc.device)
    if _differentiates(angle, loc) or result.device.type != "cpu":
        return place(angle, loc, result.normal_(generator=generator))
    rows = max(1, _STREAM // max(1, b * p))
    starts = range(0, n, rows)
    seeds = torch.randint(2**63 - 1, (len(starts),), generator=generator).tolist()

    def fill(start: int, seed: int) -> None:
        part = slice(start, start + rows)
        _fill(result[part], angle[part], loc, torch.Generator().manual_seed(seed))

    threads = min(torch.get_num_threads(), len(starts))
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, starts, seeds))
    else:
        for start, seed in zip(starts, seeds, strict=True):
            fill(start, seed)
    return result


def _fill(result: Tensor, angle: Tensor, loc: Tensor, generator: torch.Generator) -> None:
    n, b, p = result.shape
    columns = max(1, min(b, _BLOCK // p))
    rows = max(1, _BLOCK // max(1, columns * p))
    with torch.no_grad():  # a setting of the thread
        for i in range(0, n, rows):
            for j in range(0, b, columns):
                block = (slice(i, i + rows), slice(j, j + columns))
                place(angle[block], loc[block[1]], result[block].normal_(generator=generator))
