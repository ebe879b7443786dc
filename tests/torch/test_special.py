"""`vmf.special` on torch tensors: values, derivatives, transformations, compilation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from vmf import special
from vmf.special import _torch
from vmf.special._table import NAMES, TABLE

FIRST = {"v": [0.7, 3.2, 20.5], "dim": [2.4, 3.0, 40.0]}
ENTRIES = [pytest.param(entry, id=entry.name) for entry in TABLE]


def arguments(entry: Any, dtype: Any = torch.float64) -> tuple[Any, Any]:
    second = [0.2, 0.5, 0.8] if "rbar" in entry.second else [0.9, 4.0, 31.0]
    return torch.tensor(FIRST[entry.first], dtype=dtype), torch.tensor(second, dtype=dtype)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_those_of_numpy(entry: Any, dtype: Any) -> None:
    function = getattr(special, entry.name)
    a, x = arguments(entry, dtype)
    for first, second in ((a[:, None], x), (a, x.flip(0)), (a[::2], x[1]), (a[0], x[:0])):
        result = function(first, second)
        expected = function(first.numpy(), second.numpy())
        assert result.dtype == dtype
        assert result.shape == expected.shape
        np.testing.assert_array_equal(result.numpy(), expected)


@pytest.mark.parametrize("entry", ENTRIES)
def test_derivatives(entry: Any) -> None:
    function = getattr(special, entry.name)
    a, x = (value.requires_grad_() for value in arguments(entry))
    assert torch.autograd.gradcheck(
        function,
        (a, x),
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
    )
    assert torch.autograd.gradgradcheck(function, (a, x), check_fwd_over_rev=True)
    # Broadcast arguments: each gradient has its argument's shape.
    assert torch.autograd.gradcheck(function, (a[:, None], x[:2]))


@pytest.mark.parametrize("entry", ENTRIES)
def test_operator_alone(entry: Any) -> None:
    """Schema, fake kernel, autograd registration and AOT dispatch, as torch tests its own."""
    operator = getattr(torch.ops.vmf, entry.name).default
    torch.library.opcheck(operator, tuple(value.requires_grad_() for value in arguments(entry)))


def test_difference_operator_alone() -> None:
    a, x = (value.requires_grad_() for value in arguments(TABLE[0]))
    torch.library.opcheck(torch.ops.vmf.difference.default, (a, x, "log_iv_dv", 1, 0))


@pytest.mark.parametrize("entry", ENTRIES)
def test_torch_func(entry: Any) -> None:
    function = getattr(special, entry.name)
    a, x = arguments(entry)
    per_row = torch.func.vmap(torch.func.grad(function, argnums=(0, 1)))(a, x)
    together = torch.autograd.grad(function(a.requires_grad_(), x.requires_grad_()).sum(), (a, x))
    for one, other in zip(per_row, together, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=0)
    a, x = a.detach(), x.detach()
    table = torch.func.vmap(torch.func.vmap(function, (None, 0)), (0, None))(a, x)
    torch.testing.assert_close(table, function(a[:, None], x), rtol=0, atol=0)
    curvature = torch.func.vmap(torch.func.grad(torch.func.grad(function, 1), 1), (0, None))
    assert torch.isfinite(curvature(a, x[1])).all()


@pytest.mark.parametrize("entry", ENTRIES)
def test_forward_mode(entry: Any) -> None:
    """Of first and second order, alone, batched and mixed with reverse mode."""
    function = getattr(special, entry.name)
    at = arguments(entry)
    both = {"argnums": (0, 1)}
    forward, reverse = torch.func.jacfwd, torch.func.jacrev
    expected = reverse(function, **both)(*at)
    torch.testing.assert_close(forward(function, **both)(*at), expected, rtol=1e-14, atol=0)
    along = torch.func.jvp(function, at, (torch.ones(3).double(), torch.full((3,), 2.0).double()))
    total = sum(factor * part.sum(1) for factor, part in zip((1, 2), expected, strict=True))
    torch.testing.assert_close(along[1], total, rtol=1e-13, atol=1e-15)
    second = reverse(reverse(function, **both), **both)(*at)
    for one, other in ((forward, forward), (forward, reverse), (reverse, forward)):
        found = one(other(function, **both), **both)(*at)
        torch.testing.assert_close(found, second, rtol=1e-9, atol=1e-12)


def test_forward_mode_of_one_argument_does_not_ask_for_the_other_derivative() -> None:
    """At kappa = 0 the derivative of A in the dimension is 0/0; nobody wants it here."""
    zero = torch.zeros((), dtype=torch.float64)
    value, slope = torch.func.jvp(
        lambda kappa: special.mean_resultant_length(5, kappa), (zero,), (zero + 1,)
    )
    assert (value.item(), slope.item()) == (0.0, pytest.approx(0.2, rel=1e-15))


@pytest.mark.parametrize("name", NAMES)
def test_meta_tensors(name: str) -> None:
    function = getattr(special, name)
    result = function(torch.empty(5, 1, device="meta"), torch.empty(3, device="meta"))
    assert result.device.type == "meta"
    assert result.shape == (5, 3)
    assert result.dtype == torch.float32


def test_promotion() -> None:
    single, double = torch.tensor([2.0]), torch.tensor([2.0], dtype=torch.float64)
    integer, scalar = torch.tensor([2]), torch.tensor(2.0, dtype=torch.float64)
    for a, x, dtype in (
        (3, single, torch.float32), (3.5, double, torch.float64), (single, double, torch.float64),
        (integer, single, torch.float32), (integer, 2, torch.get_default_dtype()),
        (scalar, single, torch.float32), (scalar, integer, torch.float64),
        (single.half(), 2, torch.float32), (single.bfloat16(), single.half(), torch.float32),
        (single.half(), double, torch.float64), (np.array([3.0]), single, torch.float64),
    ):  # fmt: skip
        assert special.log_iv(a, x).dtype == dtype
        assert special.log_iv(x, a).dtype == dtype


def test_half_precision_and_autocast() -> None:
    """log C_p of 32768 dimensions is 9e4 and overflows float16; the result is float32."""
    kappa = torch.tensor([1e4], dtype=torch.float16, requires_grad=True)
    expected = special.log_normalizer(32768, 1e4)
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            result = special.log_normalizer(32768, kappa)
        assert result.dtype == torch.float32
        assert result.item() == pytest.approx(expected, rel=1e-6)
    result.sum().backward()
    assert kappa.grad.dtype == torch.float16
    assert kappa.grad.item() == pytest.approx(-special.mean_resultant_length(32768, 1e4), rel=1e-3)


def test_cpu_tensors_are_not_copied() -> None:
    tensor = torch.ones(4, 5, dtype=torch.float64)[:, ::2]
    view = _torch._view(tensor)
    assert view.ctypes.data == tensor.data_ptr()
    assert view.strides == (40, 16)


def test_parameters_are_tensors() -> None:
    kappa = torch.nn.Parameter(torch.tensor(3.0))
    special.entropy(8, kappa).backward()
    assert kappa.grad.item() == pytest.approx(
        -3 * special.mean_resultant_length_dkappa(8, 3.0), rel=1e-6
    )


def test_outside_the_domain_is_nan() -> None:
    with np.errstate(all="raise"):
        assert torch.isnan(special.log_iv(torch.tensor([-1.0]), torch.tensor([1.0]))).all()
        assert torch.isnan(special.concentration(3, torch.tensor([1.5]))).all()


@pytest.mark.parametrize("dim", [2, 3, 512, 32768])
def test_derivatives_at_zero_concentration(dim: int) -> None:
    """d log C_p/dp at kappa = 0 is (digamma(p/2) - log pi)/2, d2/dkappa2 is -1/p."""
    kappa = torch.zeros((), dtype=torch.float64, requires_grad=True)
    p = torch.tensor(float(dim), dtype=torch.float64, requires_grad=True)
    value = special.log_normalizer(p, kappa)
    by_p, by_kappa = torch.autograd.grad(value, (p, kappa), create_graph=True)
    expected = 0.5 * (torch.digamma(p.detach() / 2) - math.log(math.pi))
    assert by_p.item() == pytest.approx(expected.item(), rel=1e-13)
    assert by_kappa.item() == 0
    (curvature,) = torch.autograd.grad(by_kappa, kappa)
    assert curvature.item() == pytest.approx(-1 / dim, rel=1e-14)


@pytest.mark.parametrize("v", [0.3, 0.5, 1.0, 7.0])
def test_derivatives_of_the_ratio_at_zero(v: float) -> None:
    """I_v/I_(v-1) = x/(2 v) - x^3/(8 v^2 (v + 1)) + ..."""
    x = torch.zeros((), dtype=torch.float64, requires_grad=True)
    order = torch.tensor(v, dtype=torch.float64)
    for sign, function in ((1, special.iv_ratio), (-1, special.iv_ratio_c)):
        (slope,) = torch.autograd.grad(function(order, x), x, create_graph=True)
        assert slope.item() == pytest.approx(sign * 0.5 / v, rel=1e-14)
        if v >= 1:
            (curvature,) = torch.autograd.grad(slope, x)
            assert abs(curvature.item()) < 1e-12


@pytest.mark.parametrize("kind", ["log_iv", "log_kv"])
def test_second_derivatives_against_arb(kind: str) -> None:
    flint = pytest.importorskip("flint")
    precision, flint.ctx.prec = flint.ctx.prec, 900
    try:
        for v, x in (
            (0.01, 0.02),
            (0.5, 7.0),
            (3.0, 0.1),
            (30.0, 4.0),
            (200.0, 300.0),
            (4.0, 90.0),
        ):
            _check_second_derivatives(flint.arb, kind, v, x)
    finally:
        flint.ctx.prec = precision


def _check_second_derivatives(arb: Any, kind: str, v: float, x: float) -> None:
    def logarithm(i: int, j: int) -> Any:
        order, argument = arb(v) + i * step_v, arb(x) + j * step_x
        if kind == "log_iv":
            return argument.bessel_i(order).log()
        return argument.bessel_k(order).log()

    step_v, step_x = arb(2) ** -120 * (1 + arb(v)), arb(2) ** -120 * arb(x)
    centre = 2 * logarithm(0, 0)
    mixed = logarithm(1, 1) - logarithm(1, -1) - logarithm(-1, 1) + logarithm(-1, -1)
    true = {
        "vv": (logarithm(1, 0) - centre + logarithm(-1, 0)) / step_v**2,
        "vx": mixed / (4 * step_v * step_x),
        "xx": (logarithm(0, 1) - centre + logarithm(0, -1)) / step_x**2,
    }
    a = torch.tensor(v, dtype=torch.float64, requires_grad=True)
    b = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    first = torch.autograd.grad(getattr(special, kind)(a, b), (a, b), create_graph=True)
    vv, vx = torch.autograd.grad(first[0], (a, b), retain_graph=True)
    xv, xx = torch.autograd.grad(first[1], (a, b))
    for value, key, bound in (
        (vv, "vv", 1e-11),
        (vx, "vx", 1e-11),
        (xv, "vx", 1e-11),
        (xx, "xx", 2e-15),
    ):
        expected = float(true[key].mid())
        assert abs(value.item() - expected) <= bound * max(1.0, abs(expected)), (key, v, x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: special.log_iv(t, t, out=t), TypeError, "takes no option 'out'"),
        (lambda t: special.log_iv(t + 1j, t), TypeError, "real arguments, got torch.complex64"),
        (lambda t: special.log_iv(t, "one"), (TypeError, ValueError), "str|invalid"),
        (lambda t: special.log_iv(t, torch.ones(4)), RuntimeError, "size"),
        (lambda t: special.log_iv(t, t.to("meta")), ValueError, "on cpu and meta; move one"),
        (lambda t: special.log_iv(1, t.to_sparse()), TypeError, "takes dense tensors"),
        (lambda t: special.log_iv(1, t.to_mkldnn()), TypeError, "takes dense tensors"),
    ],
)
def test_refuses(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(torch.ones(3))
