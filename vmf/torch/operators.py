"""Draws under `torch.compile` and `torch.func`, which can hold no rejection loop.

Such a loop runs as often as its data want, and neither a graph nor a batch of `torch.func.vmap` has a place
for that. There the angle of a draw and its derivative are operators, functions of a seed that a
random operation of torch has drawn: so torch decides what is drawn anew, and when.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def needs_operators(generator: torch.Generator | None, like: Tensor) -> bool:
    """Whether a draw is being traced, transformed or made of no data (meta tensors).

    With a `generator`, which operators do not take, only the last: the rest is left to torch.
    """
    if like.device.type == "meta":
        return True
    return generator is None and (torch.compiler.is_compiling() or inside_torch_func())


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def inside_torch_func() -> bool:
    """Whether a transformation of torch.func (grad, jvp, vmap) is at work."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def define_operator(
    name: str,
    schema: str,
    compute: Callable[..., Tensor],
    fake: Callable[..., Tensor],
    in_batches: Callable[..., tuple[Tensor, int | None]],
) -> Any:
    """Register `compute` as torch.ops.vmf.<name> for the CPU and CUDA devices; return the operator."""
    torch.library.define(f"vmf::{name}", schema, tags=torch.Tag.pt2_compliant_tag)
    torch.library.impl(f"vmf::{name}", ("cpu", "cuda"), compute)
    torch.library.register_fake(f"vmf::{name}", fake)
    torch.library.register_vmap(f"vmf::{name}", in_batches)
    return getattr(torch.ops.vmf, name)
