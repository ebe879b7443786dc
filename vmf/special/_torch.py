"""torch tensors: custom operators with derivatives of every order, on the CPU and on CUDA devices.

Each function is an operator `torch.ops.vmf.<name>(a, x)` on two tensors of one shape and one dtype,
float32 or float64. On the CPU it is the compiled extension, on a CUDA device the CuPy kernels on
torch's current stream; both read and write the tensors' own memory. `evaluate` promotes and
broadcasts before it, so that torch's own rules reduce the gradients of broadcast arguments.

- Integers and Python numbers are promoted as by torch's own functions.
- float16 and bfloat16, also under autocast, give float32: log C_p leaves their range.
- Outside the domain the result is NaN, silently, as in torch's own functions.

First derivatives are formulas in the functions themselves (`vmf.special._derivatives`) and, in the
order of a function that is a derivative already, an operator `torch.ops.vmf.difference` (see
`vmf.special._differences`).
Second derivatives of log I and log K measured against Arb for 1e-3 <= v, x <= 3e4: error at most
6e-12 max(1, |value|); twice in x: 2e-15 max(1, |value|). All can be differentiated again, at a loss
of about two digits each time, in reverse and in forward mode (torch.func.jvp, jacfwd, hessian).
torch.compile takes the functions and their backward passes, but no torch.func.grad, jvp or vmap
inside of what it compiles: there it sees the operators, which have no rule for these.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from vmf import _core
from vmf.special import _differences
from vmf.special._derivatives import Derivatives
from vmf.special._derivatives import difference as _difference_of
from vmf.special._table import TABLE

Pair = tuple[Tensor, Tensor]


def evaluate(name: str, a: Any, x: Any, **options: Any) -> Tensor:
    """Evaluate the function `name` on tensors, arrays and numbers of which one is a tensor."""
    if options:
        raise TypeError(f"{name} of torch tensors takes no option {sorted(options)[0]!r}")
    return _OPERATORS[name](*_promoted(name, a, x))


def _promoted(name: str, a: Any, x: Any) -> Pair:
    device = a.device if isinstance(a, Tensor) else x.device
    a, x = _as_tensor_or_number(a, device), _as_tensor_or_number(x, device)
    dtype = _result_type(name, a, x)
    a, x = _of_dtype(a, dtype, device), _of_dtype(x, dtype, device)
    if a.device != x.device:
        if a.dim() and x.dim():
            raise ValueError(f"{name} got tensors on {a.device} and {x.device}; move one of them")
        a, x = (a.to(x.device), x) if x.dim() else (a, x.to(a.device))
    first, second = torch.broadcast_tensors(a, x)
    return first, second


def _result_type(name: str, *values: Any) -> torch.dtype:
    """Promote as `torch.result_type`, which torch.compile can not trace."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    for tensor in tensors:
        if tensor.dtype.is_complex:
            raise TypeError(f"{name} takes real arguments, got {tensor.dtype}")
        if tensor.layout != torch.strided:
            raise TypeError(f"{name} takes dense tensors, got {tensor.layout}; call to_dense()")
        if tensor.device.type not in ("cpu", "cuda", "meta"):
            raise NotImplementedError(
                f"{name} runs on the CPU and on CUDA devices, not on {tensor.device}; call cpu()"
            )
    floating = [tensor for tensor in tensors if tensor.dtype.is_floating_point]
    decisive = [tensor for tensor in floating if tensor.dim()] or floating
    dtypes = {tensor.dtype for tensor in decisive} or {torch.get_default_dtype()}
    if torch.float64 in dtypes:
        return torch.float64
    return torch.float32


def _as_tensor_or_number(value: Any, device: torch.device) -> Any:
    if isinstance(value, (Tensor, int, float)):
        return value
    return torch.as_tensor(value, device=device)


def _of_dtype(value: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    if isinstance(value, Tensor):
        return value.to(dtype)
    return torch.full((), value, dtype=dtype, device=device)


# The values


def _on_cpu(name: str, a: Tensor, x: Tensor) -> Tensor:
    result = torch.empty(a.shape, dtype=a.dtype)
    with np.errstate(invalid="ignore"):
        getattr(_core, name)(_view(a), _view(x), out=result.numpy())
    return result


def _difference_on_cpu(a: Tensor, x: Tensor, name: str, first: int, second: int) -> Tensor:
    def core(which: str, left: Any, right: Any) -> Any:
        return getattr(_core, which)(left, right)

    with np.errstate(all="ignore"):
        result = _differences.derivative(
            name, first, second, _view(a.double()), _view(x.double()), core, np
        )
    return torch.from_numpy(result).to(a.dtype)


def _view(tensor: Tensor) -> Any:
    return tensor.detach().resolve_neg().numpy()


class _OnDevice:
    """CuPy on the device and the current stream of a tensor."""

    def __init__(self, tensor: Tensor) -> None:
        self.cupy: Any = import_module("vmf.arrays.gpu").require_cupy()
        self.evaluate = import_module("vmf.special._cupy").evaluate
        stream = torch.cuda.current_stream(tensor.device)
        self._contexts = (
            self.cupy.cuda.Device(tensor.device.index),
            self.cupy.cuda.ExternalStream(stream.cuda_stream, tensor.device.index),
        )

    def __enter__(self) -> _OnDevice:
        for context in self._contexts:
            context.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for context in reversed(self._contexts):
            context.__exit__(*error)

    def view(self, tensor: Tensor) -> Any:
        return self.cupy.from_dlpack(tensor.detach().resolve_neg())


def _on_cuda(name: str, a: Tensor, x: Tensor) -> Tensor:
    result = torch.empty(a.shape, dtype=a.dtype, device=a.device)
    if result.numel():
        with _OnDevice(a) as device:
            device.evaluate(name, device.view(a), device.view(x), out=device.view(result))
    return result


def _difference_on_cuda(a: Tensor, x: Tensor, name: str, first: int, second: int) -> Tensor:
    with _OnDevice(a) as device:
        arrays = device.view(a.double()), device.view(x.double())
        result = _differences.derivative(name, first, second, *arrays, device.evaluate, device.cupy)
        return torch.from_dlpack(result).to(a.dtype)


# The derivatives


class _Functions:
    """What the formulas of `_derivatives` are made of, for tensors of one shape and dtype."""

    where = staticmethod(torch.where)
    maximum = staticmethod(torch.maximum)
    log = staticmethod(torch.log)

    def __call__(self, name: str, a: Tensor, x: Tensor, /) -> Tensor:
        return _OPERATORS[name](a, x)

    def difference(self, name: str, first: int, second: int, a: Tensor, x: Tensor, /) -> Tensor:
        return _DIFFERENCE(a, x, name, first, second)


_FUNCTIONS = _Functions()


# The operators


def _empty(a: Tensor, *_: Any) -> Tensor:
    return torch.empty(a.shape, dtype=a.dtype, device=a.device)


def _batched(operator: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, int]]:
    def rule(info: Any, in_dims: Any, a: Tensor, x: Tensor, *rest: Any) -> tuple[Tensor, int]:
        tensors = (
            value.movedim(dim, 0)
            if dim is not None
            else value.expand(info.batch_size, *value.shape)
            for value, dim in zip((a, x), in_dims[:2], strict=True)
        )
        return operator(*tensors, *rest), 0

    return rule


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _differentiated_by_torch_func() -> bool:
    """Whether torch.compile is tracing inside torch.func.grad or jvp, which pass operators by.

    The former fails there, the latter gives zeros for a custom operator, without a word.
    """
    levels = torch._C._functorch.get_interpreter_stack() or ()
    return any(level.key() != torch._C._functorch.TransformType.Vmap for level in levels)


def _define(
    name: str,
    schema: str,
    on_cpu: Callable[..., Tensor],
    on_cuda: Callable[..., Tensor],
    derivatives: Callable[..., Derivatives],
) -> Callable[..., Tensor]:
    """Register the operator; return it as a function that torch.func can transform as well.

    torch.func differentiates no operator of torch.library, only an autograd.Function with a
    `setup_context`. The operator itself has the same derivative, for those who call it.
    """
    operator = torch.library.custom_op(
        f"vmf::{name}", on_cpu, mutates_args=(), device_types="cpu", schema=schema
    )
    operator.register_kernel("cuda", on_cuda)
    operator.register_fake(_empty)

    def save(ctx: Any, inputs: Any, output: Tensor) -> None:
        a, x, *ctx.which = inputs
        ctx.save_for_backward(a, x, output)

    def save_for_both(ctx: Any, inputs: Any, output: Tensor) -> None:
        save(ctx, inputs, output)
        ctx.save_for_forward(*inputs[:2], output)
        ctx.set_materialize_grads(False)

    def scaled(at: Any, which: Any, factors: Any) -> list[Tensor | None]:
        """Return the two derivatives times `factors`; where that is None, None."""
        return [
            None if factor is None else factor * derivative(_FUNCTIONS, *at)
            for derivative, factor in zip(derivatives(*which), factors, strict=True)
        ]

    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
        factors = [grad if needed else None for needed in ctx.needs_input_grad[:2]]
        return *scaled(ctx.saved_tensors, ctx.which, factors), *(None for _ in ctx.which)

    def forward_mode(ctx: Any, *tangents: Any) -> Any:
        # Off here by default, which would make a jvp of a jvp 0; and not of these tangents again.
        with forward_ad._set_fwd_grad_enabled(True):
            at = [forward_ad.unpack_dual(tensor).primal for tensor in ctx.saved_tensors]
            first, second = scaled(at, ctx.which, tangents[:2])
            return second if first is None else first if second is None else first + second

    operator.register_autograd(backward, setup_context=save)

    def call(*arguments: Any) -> Tensor:
        # torch.compile sees the operator, which AOTAutograd differentiates.
        if torch.compiler.is_compiling():
            if _differentiated_by_torch_func():
                torch._dynamo.graph_break(
                    msg=f"torch.func.grad, vjp or jvp of {name} inside torch.compile: "
                    "take the derivative outside of what is compiled"
                )
            return operator(*arguments)
        result: Tensor = differentiable.apply(*arguments)
        return result

    rule = _batched(call)
    operator.register_vmap(rule)
    methods = {
        "forward": operator,
        "setup_context": save_for_both,
        "backward": backward,
        "jvp": forward_mode,
        "vmap": rule,
    }
    differentiable: Any = type(
        name,
        (torch.autograd.Function,),
        {key: staticmethod(method) for key, method in methods.items()},
    )
    return call


def _define_function(name: str, derivatives: Derivatives) -> Callable[..., Tensor]:
    return _define(
        name,
        "(Tensor a, Tensor x) -> Tensor",
        lambda a, x: _on_cpu(name, a, x),
        lambda a, x: _on_cuda(name, a, x),
        lambda: derivatives,
    )


def _derivatives_of_difference(name: str, first: int, second: int) -> Derivatives:
    return _difference_of(name, first + 1, second), _difference_of(name, first, second + 1)


_OPERATORS = {entry.name: _define_function(entry.name, entry.derivatives) for entry in TABLE}
_DIFFERENCE = _define(
    "difference",
    "(Tensor a, Tensor x, str name, int first, int second) -> Tensor",
    _difference_on_cpu,
    _difference_on_cuda,
    _derivatives_of_difference,
)
