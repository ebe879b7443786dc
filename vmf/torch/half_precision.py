"""Half precision is for storing vectors; what is computed of them is computed in float32."""

from __future__ import annotations

import torch
from torch import Tensor


def widened(tensor: Tensor) -> Tensor:
    """Return float16 and bfloat16 as float32, other types as they are."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
