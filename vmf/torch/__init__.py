"""Distributions on the sphere for torch: `VonMisesFisher`, `HypersphericalUniform`; `VMFHead`.

They follow torch.distributions (batch and event shapes, log_prob, rsample, kl_divergence) and work
in any dimension. The functions beneath, `vmf.special`, take tensors and are differentiable too.
`VMFHead` and `VMFEmbedder` make such distributions of features; `vmf.torch.losses` trains them.
"""

from __future__ import annotations

from vmf.torch import kl as _kl  # registers the divergences
from vmf.torch.constraints import unit_vector
from vmf.torch.head import VMFEmbedder, VMFHead
from vmf.torch.hyperspherical_uniform import HypersphericalUniform
from vmf.torch.von_mises_fisher import VonMisesFisher

__all__ = ["HypersphericalUniform", "VMFEmbedder", "VMFHead", "VonMisesFisher", "unit_vector"]

del _kl
