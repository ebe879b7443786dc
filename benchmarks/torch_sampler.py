"""Time draws of `vmf.torch` beside those of a widely used sampler, and print both mean cosines.

The other one is the algorithm of Davidson, Falorsi, De Cao, Kipf & Tomczak, Hyperspherical
Variational Auto-Encoders (UAI 2018), section 3.3, with what the authors' released code adds to it:

- the constant b of Ulrich's envelope is replaced with (m - 1)/(4 kappa) for kappa > 11, which is
  close to it for kappa >> m only, and makes the draws biased elsewhere;
- each round draws twenty beta variables for every row still wanted or not, and keeps the first
  that is accepted;
- tangents, reflection and concatenation are whole arrays, in float64.

    python -m benchmarks.torch_sampler [--rows N] [--repeats N]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from vmf import special
from vmf.torch import VonMisesFisher

_PROPOSALS = 20


def published_sampler(mu: Tensor, kappa: float, rows: int) -> Tensor:
    """Draw (rows, m) by the algorithm described above."""
    m = mu.numel()
    cosine = _published_cosines(m, kappa, rows)[:, None]
    tangent = torch.randn(rows, m)[:, 1:].double()
    tangent = tangent / tangent.norm(dim=-1, keepdim=True)
    upright = torch.cat((cosine, torch.sqrt(torch.clamp(1 - cosine**2, min=1e-10)) * tangent), -1)
    mirror = -mu.double()
    mirror[0] += 1
    mirror = mirror / (mirror.norm() + 1e-5)
    turned = upright - 2 * (upright * mirror).sum(-1, keepdim=True) * mirror
    return turned.to(mu.dtype)


def _published_cosines(m: int, kappa: float, rows: int) -> Tensor:
    root = math.hypot(2 * kappa, m - 1)
    blend = min(max(0.0, kappa - 10), 1.0)
    b = blend * (m - 1) / (4 * kappa) + (1 - blend) * (m - 1) / (2 * kappa + root)
    a = (m - 1 + 2 * kappa + root) / 4
    d = 4 * a * b / (1 + b) - (m - 1) * math.log(m - 1)
    half = torch.tensor((m - 1) / 2, dtype=torch.float64)
    beta = torch.distributions.Beta(half, half)
    cosines = torch.zeros(rows, dtype=torch.float64)
    wanted = torch.ones(rows, dtype=torch.bool)
    while wanted.any():
        e = beta.sample((rows, _PROPOSALS))
        u = torch.rand(rows, _PROPOSALS, dtype=torch.float64)
        proposal = (1 - (1 + b) * e) / (1 - (1 - b) * e)
        t = 2 * a * b / (1 - (1 - b) * e)
        accepted = (m - 1) * torch.log(t) - t + d > torch.log(u)
        first = accepted.to(torch.int8).argmax(dim=1, keepdim=True)
        found = wanted & accepted.any(dim=1)
        cosines[found] = proposal.gather(1, first)[:, 0][found]
        wanted &= ~found
    return cosines


def our_sampler(mu: Tensor, kappa: float, rows: int) -> Tensor:
    """Draw (rows, m) by `vmf.torch`."""
    return VonMisesFisher(mu, kappa).sample((rows,))


def seconds(draw: Callable[[Tensor, float, int], Tensor], rows: int, repeats: int) -> float:
    """Return the shortest of `repeats` times to draw `rows` rows at p = kappa = 512."""
    mu = torch.nn.functional.normalize(torch.ones(512), dim=0)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        draw(mu, 512.0, rows)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the times at p = 512 and the mean cosines at p = 2048, kappa = 500."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    samplers = {"vmf.torch": our_sampler, "Davidson et al.": published_sampler}
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    times = {}
    for name, draw in samplers.items():
        times[name] = seconds(draw, arguments.rows, arguments.repeats)
        print(f"{name:16} {arguments.rows} x 512: {times[name]:.3f} s")
    print(f"ratio {times['Davidson et al.'] / times['vmf.torch']:.1f}")
    mu = torch.nn.functional.normalize(torch.ones(2048), dim=0)
    print(f"mean cosine at p = 2048, kappa = 500: {special.mean_resultant_length(2048, 500.0):.4f}")
    for name, draw in samplers.items():
        cosines = draw(mu, 500.0, 2000) @ mu
        error = cosines.std() / math.sqrt(cosines.numel())
        print(f"{name:16} {cosines.mean():.4f} +- {error:.4f}")


if __name__ == "__main__":
    main()
