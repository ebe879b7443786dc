"""Draws as `torch.compile` sees them: operators that it neither traces into nor repeats.

A rejection loop runs as often as its data want, which no graph can hold. So the angle of a draw, its
derivative and the noise of its tangent are three operators, tagged as random: their values are
drawn once, from torch's global generator, and kept for the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_RANDOM = (torch.Tag.nondeterministic_seeded, torch.Tag.pt2_compliant_tag)


def define_operator(
    name: str,
    schema: str,
    compute: Callable[..., Tensor],
    fake: Callable[..., Tensor],
    *,
    random: bool = True,
) -> Any:
    """Register `compute` as torch.ops.vmf.<name> for the CPU and CUDA devices; return the operator."""
    tags = _RANDOM if random else (torch.Tag.pt2_compliant_tag,)
    torch.library.define(f"vmf::{name}", schema, tags=tags)
    torch.library.impl(f"vmf::{name}", ("cpu", "cuda"), compute)
    torch.library.register_fake(f"vmf::{name}", fake)
    return getattr(torch.ops.vmf, name)


def traced(generator: torch.Generator | None) -> bool:
    """Whether torch.compile is tracing a draw of its own: operators take no generator."""
    return torch.compiler.is_compiling() and generator is None
