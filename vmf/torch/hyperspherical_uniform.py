"""The uniform distribution on the unit sphere as a torch distribution."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vmf import special
from vmf.torch.constraints import check_dimension, unit_vector
from vmf.torch.directions import standard_normal
from vmf.torch.half_precision import widened


class HypersphericalUniform(Distribution):  # type: ignore[misc]
    """The uniform distribution on the unit sphere of R^p, the von Mises-Fisher one of kappa = 0.

    Parameters
    ----------
    dim : int
        Dimension p of the space around the sphere, 2 or more.
    batch_shape : shape, optional
    dtype, device : optional
        Of the draws and densities; torch's defaults.
    validate_args : bool, optional
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012
    support = unit_vector
    has_rsample = True

    def __init__(
        self,
        dim: int,
        batch_shape: Any = (),
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        validate_args: bool | None = None,
    ) -> None:
        dim = operator.index(dim)
        if dim < 2:
            raise ValueError(f"dim is {dim}; a direction needs dimension 2 or more")
        self._like = torch.empty((), dtype=dtype, device=device)
        super().__init__(torch.Size(batch_shape), torch.Size([dim]), validate_args=validate_args)

    def __repr__(self) -> str:
        return f"HypersphericalUniform(dim: {self.dimension}, batch_shape: {self.batch_shape})"

    def expand(self, batch_shape: Any, _instance: Any = None) -> HypersphericalUniform:
        """Return the distribution with its batch expanded to `batch_shape`."""
        new: HypersphericalUniform = self._get_checked_instance(HypersphericalUniform, _instance)
        new._like = self._like
        super(HypersphericalUniform, new).__init__(
            torch.Size(batch_shape), self.event_shape, validate_args=False
        )
        new._validate_args = self._validate_args
        return new

    @property
    def dimension(self) -> int:
        """Dimension p of the space around the sphere."""
        return int(self.event_shape[0])

    @property
    def mean(self) -> Tensor:
        """0, (..., p)."""
        return self._like.new_zeros(self._extended_shape())

    @property
    def variance(self) -> Tensor:
        """Variance of each coordinate, 1/p, (..., p)."""
        return self._like.new_full(self._extended_shape(), 1.0 / self.dimension)

    def entropy(self) -> Tensor:
        """Log of the sphere's area, (...)."""
        return -self._log_density(self.batch_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density at unit vectors (..., p)."""
        if self._validate_args:
            self._validate_sample(value)
        check_dimension(value, self.dimension)
        return self._log_density(torch.broadcast_shapes(value.shape[:-1], self.batch_shape))

    def _log_density(self, shape: Any) -> Tensor:
        value: Tensor = special.log_normalizer(self.dimension, torch.zeros_like(self._like))
        return value.expand(shape)

    def rsample(
        self, sample_shape: Any = (), *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw sample_shape + batch_shape unit vectors; there is nothing to differentiate."""
        shape = self._extended_shape(torch.Size(sample_shape))
        draws = standard_normal(shape, widened(self._like), generator)
        draws /= torch.linalg.vector_norm(draws, dim=-1, keepdim=True)
        return draws.to(self._like.dtype)

    def sample(self, sample_shape: Any = (), *, generator: torch.Generator | None = None) -> Tensor:
        """Draw sample_shape + batch_shape unit vectors."""
        return self.rsample(sample_shape, generator=generator)
