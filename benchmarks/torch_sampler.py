"""Time draws of `vmf.torch` beside those of a widely used sampler, and print both mean cosines.

The other one is the algorithm of s-vae-pytorch, the code that Davidson, Falorsi, De Cao, Kipf &
Tomczak released with Hyperspherical Variational Auto-Encoders (UAI 2018), with its defaults, restated:

- the cosine by rejection, section 3.3 of the paper. The constant b of Ulrich's envelope is replaced
  with (m - 1)/(4 kappa) for kappa > 11, which is close to it for kappa >> m only and makes the draws
  biased elsewhere;
- each round draws a beta variable for every row, still wanted or not, and keeps the first of the k
  that a row got, k being 1;
- beta variables are drawn in float64, normal and uniform ones in float32; the arithmetic is in the
  dtype of the mean direction. Tangent, concatenation and reflection are operations on whole arrays.

Both draw the same number of rows with the same number of threads, in turns; times are medians.

    python -m benchmarks.torch_sampler [--rows N] [--repeats N]
"""

from __future__ import annotations

import argparse
import math
import statistics

import torch
from torch import Tensor

from vmf import special
from vmf.experiments.timing import alternating, seconds
from vmf.torch import VonMisesFisher


def published_sampler(mu: Tensor, kappa: float, rows: int) -> Tensor:
    """Draw (rows, m) by the algorithm described above."""
    cosine = _published_cosines(mu.numel(), torch.tensor([kappa], dtype=mu.dtype), rows)
    noise = torch.distributions.Normal(0, 1).sample((rows, mu.numel()))[:, 1:]
    tangent = noise / noise.norm(dim=-1, keepdim=True)
    sine = torch.sqrt(torch.clamp(1 - cosine**2, 1e-10))
    upright = torch.cat((cosine, sine * tangent), -1)
    first_axis = torch.zeros(mu.numel())
    first_axis[0] = 1
    mirror = first_axis - mu
    mirror = mirror / (mirror.norm(dim=-1, keepdim=True) + 1e-5)
    turned = upright - 2 * (upright * mirror).sum(-1, keepdim=True) * mirror
    return turned.to(mu.dtype)


def _published_cosines(m: int, kappa: Tensor, rows: int, proposals: int = 1) -> Tensor:
    root = torch.sqrt(4 * kappa**2 + (m - 1) ** 2)
    blend = torch.clamp(kappa - 10, 0, 1)
    b = blend * (m - 1) / (4 * kappa) + (1 - blend) * (root - 2 * kappa) / (m - 1)
    a = (m - 1 + 2 * kappa + root) / 4
    d = 4 * a * b / (1 + b) - (m - 1) * math.log(m - 1)
    a, b, d = (constant.repeat(rows, 1) for constant in (a, b, d))
    half = torch.tensor((m - 1) / 2, dtype=torch.float64)
    cosines = torch.zeros_like(b)
    wanted = torch.ones_like(b, dtype=torch.bool)
    while wanted.any():
        e = torch.distributions.Beta(half, half).sample((rows, proposals)).to(kappa.dtype)
        u = torch.distributions.Uniform(0.0, 1.0).sample((rows, proposals)).to(kappa.dtype)
        proposal = (1 - (1 + b) * e) / (1 - (1 - b) * e)
        t = 2 * a * b / (1 - (1 - b) * e)
        accepted = (m - 1) * torch.log(t) - t + d > torch.log(u)
        first = accepted.float().argmax(dim=1, keepdim=True)
        found = wanted & accepted.any(dim=1, keepdim=True)
        cosines[found] = proposal.gather(1, first)[found]
        wanted[found] = False
    return cosines


def our_sampler(mu: Tensor, kappa: float, rows: int) -> Tensor:
    """Draw (rows, m) by `vmf.torch`."""
    return VonMisesFisher(mu, kappa).sample((rows,))


SAMPLERS = {"vmf.torch": our_sampler, "s-vae-pytorch's": published_sampler}


def medians(dtype: torch.dtype, rows: int, repeats: int) -> dict[str, float]:
    """Return the median of `repeats` times to draw `rows` rows at p = kappa = 512, in turns."""
    mu = torch.nn.functional.normalize(torch.ones(512, dtype=dtype), dim=0)
    sides = {
        name: lambda draw=draw: seconds(lambda: draw(mu, 512.0, rows))  # type: ignore[misc]
        for name, draw in SAMPLERS.items()
    }
    times = alternating(sides, repeats)
    return {name: statistics.median(taken) for name, taken in times.items()}


def print_mean_cosines(dim: int, kappa: float, rows: int) -> None:
    """Print the mean cosine of draws of both samplers beside A_p(kappa)."""
    mean = special.mean_resultant_length(dim, kappa)
    print(f"mean cosine at p = {dim}, kappa = {kappa:g}: {mean:.4f} is right")
    for dtype in (torch.float32, torch.float64):
        mu = torch.nn.functional.normalize(torch.ones(dim, dtype=dtype), dim=0)
        for name, draw in SAMPLERS.items():
            cosines = (draw(mu, kappa, rows) @ mu).double()
            error = cosines.std() / math.sqrt(rows)
            print(f"  {name:16} {str(dtype)[6:]}  {cosines.mean():.4f} +- {error:.4f}")


def main() -> None:
    """Print the times at p = 512 and mean cosines there and at p = 2048, kappa = 500."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for dtype in (torch.float32, torch.float64):
        times = medians(dtype, arguments.rows, arguments.repeats)
        ours, theirs = times.values()
        taken = ", ".join(f"{name} {each:.3f} s" for name, each in times.items())
        print(f"{arguments.rows} x 512 {str(dtype)[6:]}: {taken}, ratio {theirs / ours:.1f}")
    print_mean_cosines(512, 512.0, 10_000)
    print_mean_cosines(2048, 500.0, 2000)


if __name__ == "__main__":
    main()
