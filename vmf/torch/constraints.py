"""The constraint that a vector is of unit length."""

from __future__ import annotations

from torch import Tensor, bfloat16, finfo, float16, linalg
from torch.distributions import constraints

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


unit_vector = _UnitVector()
