"""The constraints of the distributions on the sphere: unit vectors, finite concentrations."""

from __future__ import annotations

import math

from torch import Tensor, bfloat16, finfo, float16, linalg
from torch.distributions import biject_to, constraints, transform_to
from torch.distributions.transforms import ExpTransform

from vmf.torch.half_precision import widened

# Off by this much a norm is not rounding any more.
_TOLERANCE = 1e-5


class _UnitVector(constraints.Constraint):  # type: ignore[misc]
    """Vectors of norm 1, within 1e-5 (8 eps in half precision)."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        tolerance = _TOLERANCE
        if value.dtype in (float16, bfloat16):
            tolerance = 8 * finfo(value.dtype).eps
        return (linalg.vector_norm(widened(value), dim=-1) - 1.0).abs() <= tolerance


class _FiniteNonnegative(constraints.Constraint):  # type: ignore[misc]
    """Numbers >= 0, neither infinite nor NaN."""

    def check(self, value: Tensor) -> Tensor:
        return (value >= 0.0) & (value < math.inf)


unit_vector = _UnitVector()
finite_nonnegative = _FiniteNonnegative()


@biject_to.register(finite_nonnegative)  # type: ignore[untyped-decorator]
@transform_to.register(finite_nonnegative)  # type: ignore[untyped-decorator]
def _exponential(_: constraints.Constraint) -> ExpTransform:
    return ExpTransform()


def check_dimension(value: Tensor, dim: int) -> None:
    """Raise ValueError unless `value` is (..., dim): an axis of length 1 would be repeated."""
    if value.dim() < 1 or value.shape[-1] != dim:
        raise ValueError(f"value has shape {tuple(value.shape)}; expected (..., {dim})")
