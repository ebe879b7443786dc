"""The von Mises-Fisher distribution as a torch distribution."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vmf import special
from vmf.torch.constraints import check_dimension, finite_nonnegative, unit_vector
from vmf.torch.cosine import sample_angle
from vmf.torch.directions import place_randomly
from vmf.torch.half_precision import widened


class VonMisesFisher(Distribution):  # type: ignore[misc]
    """Density C_p(kappa) exp(kappa loc . x) on the unit sphere of R^p, p >= 2.

    Densities are with respect to the surface measure. Mardia & Jupp, Directional Statistics, 2000,
    section 9.3.

    Parameters
    ----------
    loc : (..., p) tensor
        Mean direction, unit vectors (within 1e-5). Gradients are those of the formulas in the
        ambient space: normalise a free parameter before it comes here.
    concentration : (...) tensor or float
        kappa, finite and >= 0; 0 is the uniform distribution.
    validate_args : bool, optional

    Raises
    ------
    ValueError
        For vectors not of unit length, negative concentrations, shapes that do not broadcast.

    Examples
    --------
    >>> import torch
    >>> from vmf.torch import VonMisesFisher
    >>> kappa = torch.tensor(500.0, requires_grad=True)
    >>> posterior = VonMisesFisher(torch.eye(2048)[0], kappa)
    >>> posterior.rsample((3,)).shape
    torch.Size([3, 2048])
    >>> posterior.log_prob(torch.eye(2048)[1]).backward()
    >>> kappa.grad  # -A_p(kappa)
    tensor(-0.2311)
    """

    arg_constraints = {"loc": unit_vector, "concentration": finite_nonnegative}  # noqa: RUF012
    support = unit_vector
    has_rsample = True

    loc: Tensor
    concentration: Tensor

    def __init__(
        self, loc: Tensor, concentration: Tensor | float, validate_args: bool | None = None
    ) -> None:
        if not isinstance(loc, Tensor) or not loc.is_floating_point():
            raise TypeError("loc must be a tensor of floats")
        if loc.dim() < 1 or loc.shape[-1] < 2:
            raise ValueError(f"loc has shape {tuple(loc.shape)}; expected (..., p) with p >= 2")
        # A number takes the type of loc, but is not rounded to half precision.
        number = widened(loc).dtype
        if isinstance(concentration, Tensor):
            kappa = concentration.to(loc.device)
            kappa = kappa if kappa.is_floating_point() else kappa.to(number)
        else:
            kappa = torch.as_tensor(concentration, dtype=number, device=loc.device)
        try:
            batch_shape = torch.broadcast_shapes(loc.shape[:-1], kappa.shape)
        except RuntimeError:
            raise ValueError(
                f"loc of shape {tuple(loc.shape)} and concentration of shape "
                f"{tuple(kappa.shape)} do not broadcast: the latter has no axis for the dimension"
            ) from None
        # Leaves stay leaves where they have the shape already, so that they can be copied.
        shape = batch_shape + loc.shape[-1:]
        self.loc = loc if loc.shape == shape else loc.expand(shape)
        self.concentration = kappa if kappa.shape == batch_shape else kappa.expand(batch_shape)
        super().__init__(batch_shape, loc.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> VonMisesFisher:
        """Return the distribution with its batch expanded to `batch_shape`."""
        new: VonMisesFisher = self._get_checked_instance(VonMisesFisher, _instance)
        shape = torch.Size(batch_shape)
        new.loc = self.loc.expand(shape + self.event_shape)
        new.concentration = self.concentration.expand(shape)
        super(VonMisesFisher, new).__init__(shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def dimension(self) -> int:
        """Dimension p of the space around the sphere."""
        return int(self.event_shape[0])

    @property
    def mean_resultant_length(self) -> Tensor:
        """A_p(kappa), (...), the mean cosine with loc."""
        result: Tensor = special.mean_resultant_length(self.dimension, self.concentration)
        return result

    @property
    def mean(self) -> Tensor:
        """E x = A_p(kappa) loc, (..., p), inside the sphere."""
        return self.mean_resultant_length[..., None] * self.loc

    @property
    def mode(self) -> Tensor:
        """Where the density is largest: loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Variance of each coordinate, (..., p): (1 - loc^2) A_p/kappa + loc^2 A_p'."""
        kappa = self.concentration
        uniform = kappa == 0.0
        across = torch.where(
            uniform,
            1.0 / self.dimension,
            self.mean_resultant_length / kappa.masked_fill(uniform, 1.0),
        )
        along: Tensor = special.mean_resultant_length_dkappa(self.dimension, kappa)
        square = widened(self.loc) ** 2
        return (1.0 - square) * across[..., None] + square * along[..., None]

    def entropy(self) -> Tensor:
        """Differential entropy in nats, (...)."""
        result: Tensor = special.entropy(self.dimension, self.concentration)
        return result

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density at unit vectors (..., p).

        Computed as (log C_p + kappa) - kappa |x - loc|^2/2, so that for large kappa neither term is
        a difference of large numbers.
        """
        if self._validate_args:
            self._validate_sample(value)
        check_dimension(value, self.dimension)
        half_squared_chord = 0.5 * (widened(value) - widened(self.loc)).square().sum(-1)
        at_mode: Tensor = special.log_normalizer_e(self.dimension, self.concentration)
        return at_mode - self.concentration * half_squared_chord

    def sample(self, sample_shape: Any = (), *, generator: torch.Generator | None = None) -> Tensor:
        """Draw without gradient; see `rsample`."""
        with torch.no_grad():
            return self.rsample(sample_shape, generator=generator)

    def rsample(
        self, sample_shape: Any = (), *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw sample_shape + batch_shape unit vectors, differentiable in loc and concentration.

        Exact in any dimension, O(p) a draw. The gradient is that of the implicit
        reparameterisation of the angle, so that gradients of expectations are unbiased; it can be
        taken once.

        Parameters
        ----------
        sample_shape : shape
        generator : torch.Generator, optional
            On the device of `loc`; torch's global one by default.
        """
        shape = self._extended_shape(torch.Size(sample_shape))
        batch = self.batch_shape.numel()
        count = torch.Size(sample_shape).numel()
        kappa = self.concentration.to(torch.float64).reshape(batch).expand(count, batch)
        angle = sample_angle(self.dimension, kappa, generator)
        loc = widened(self.loc).reshape(batch, self.dimension)
        return place_randomly(angle, loc, generator).to(self.loc.dtype).reshape(shape)
