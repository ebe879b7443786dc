"""`torch.compile` of the functions and the distribution: no graph break, the same numbers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.distributions import kl_divergence

from vmf import special
from vmf.special._table import TABLE
from vmf.torch import HypersphericalUniform, VonMisesFisher

DOUBLE = torch.float64
EAGER = {"fullgraph": True, "backend": "aot_eager"}
INDUCTOR = pytest.param(
    {"fullgraph": True, "backend": "inductor"},
    marks=pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler"),
)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def arguments(entry: Any) -> tuple[Any, Any]:
    first = [0.7, 3.2, 20.5] if entry.first == "v" else [2.4, 3.0, 40.0]
    second = [0.2, 0.5, 0.8] if "rbar" in entry.second else [0.9, 4.0, 31.0]
    return tuple(torch.tensor(v, dtype=DOUBLE, requires_grad=True) for v in (first, second))  # type: ignore[return-value]


def test_every_function_one_after_the_other() -> None:
    """Without forgetting in between: each has a code object, and so eight versions, of its own."""
    for entry in TABLE:
        function = getattr(special, entry.name)
        compiled = torch.compile(function, **EAGER)
        a, x = arguments(entry)
        expected, result = function(a, x), compiled(a, x)
        assert torch.equal(result, expected)
        gradients = torch.autograd.grad(result.sum(), (a, x))
        for one, other in zip(gradients, torch.autograd.grad(expected.sum(), (a, x)), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-14, atol=0)


def test_more_functions_than_one_may_have_versions() -> None:
    assert len(TABLE) > torch._dynamo.config.cache_size_limit
    assert len({getattr(special, entry.name).__code__ for entry in TABLE}) == len(TABLE)


@pytest.mark.parametrize("options", [EAGER, INDUCTOR])
def test_a_function_inside_a_loss(options: Any) -> None:
    def loss(v: Any, x: Any) -> Any:
        return (special.log_iv(v, x) - special.log_kv(v, x) * 0.3).sin().mean()

    v, x = (torch.tensor(value, dtype=DOUBLE, requires_grad=True) for value in (5.0, [10.0, 300.0]))
    compiled, expected = torch.compile(loss, dynamic=True, **options)(v, x), loss(v, x)
    torch.testing.assert_close(compiled, expected, rtol=1e-14, atol=0)
    for one, other in zip(
        torch.autograd.grad(compiled, (v, x)), torch.autograd.grad(expected, (v, x)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=0)


def _unit(*shape: int) -> Any:
    draws = torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(draws, dim=-1)


@pytest.mark.parametrize("options", [EAGER, INDUCTOR])
def test_densities_and_divergences(options: Any) -> None:
    def bound(loc: Any, kappa: Any, x: Any) -> Any:
        posterior = VonMisesFisher(loc, kappa)
        divergence = kl_divergence(posterior, HypersphericalUniform(16, dtype=DOUBLE))
        return posterior.log_prob(x) - divergence + posterior.entropy()

    loc, kappa = _unit(16).requires_grad_(), torch.tensor([2.0, 70.0], dtype=DOUBLE)
    x = _unit(5, 2, 16)
    kappa.requires_grad_()
    compiled, expected = torch.compile(bound, **options)(loc, kappa, x), bound(loc, kappa, x)
    torch.testing.assert_close(compiled, expected, rtol=1e-13, atol=0)
    for one, other in zip(
        torch.autograd.grad(compiled.sum(), (loc, kappa)),
        torch.autograd.grad(expected.sum(), (loc, kappa)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("options", [EAGER, INDUCTOR])
def test_a_training_step(options: Any) -> None:
    mu = _unit(64)
    rows = VonMisesFisher(mu, 50.0).sample((40,), generator=torch.Generator().manual_seed(1))
    log_kappa = torch.zeros((), dtype=DOUBLE, requires_grad=True)
    optimizer = torch.optim.Rprop([log_kappa], lr=1.0, step_sizes=(1e-16, 1.0))

    @torch.compile(**options)
    def loss(log_kappa: Any) -> Any:
        return -VonMisesFisher(mu, log_kappa.exp()).log_prob(rows).mean()

    for _ in range(130):
        optimizer.zero_grad()
        loss(log_kappa).backward()
        optimizer.step()
    mle = special.concentration_c(64, (rows - mu).square().sum(-1).mean() / 2)
    assert log_kappa.exp().item() == pytest.approx(mle.item(), rel=1e-12)


@pytest.mark.parametrize("options", [EAGER, INDUCTOR])
def test_draws(options: Any) -> None:
    """Unbiased, with unbiased gradients, and anew each time the graph runs."""
    loc, b = _unit(6), _unit(2, 6)[1]

    @torch.compile(**options)
    def project(kappa: Any) -> Any:
        z = VonMisesFisher(loc, kappa).rsample()
        return z @ b, z.norm(dim=-1), HypersphericalUniform(6, dtype=DOUBLE).sample((3,))

    kappa = torch.full((4000,), 4.0, dtype=DOUBLE, requires_grad=True)
    value, lengths, uniform = project(kappa)
    (gradients,) = torch.autograd.grad(value.sum(), kappa)
    for found, exact in (
        (value, special.mean_resultant_length(6, 4.0)),
        (gradients, special.mean_resultant_length_dkappa(6, 4.0)),
    ):
        exact = exact * (loc @ b)
        assert abs(found.mean() - exact) < 4 * found.std() / 4000**0.5
    torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=1e-14, atol=0)
    again = project(kappa)
    assert not (again[0] == value).any()
    assert not (again[2] == uniform).any()


def test_operators_of_draws() -> None:
    kappa = torch.tensor([3.0, 80.0], dtype=DOUBLE, requires_grad=True)
    angle = torch.tensor([0.5, 0.1], dtype=DOUBLE)
    for name, given in (
        ("sample_angle", (kappa, torch.tensor(7), 16)),
        ("draw_angle", (kappa.detach(), torch.tensor(7), 16)),
        ("angle_by_concentration", (kappa.detach(), angle, 16)),
    ):
        torch.library.opcheck(getattr(torch.ops.vmf, name).default, given)


def _per_row(kappa: Any) -> Any:
    return torch.func.vmap(lambda each: special.entropy(8, each))(kappa)


def _gradient(kappa: Any) -> Any:
    return torch.func.vmap(torch.func.grad(lambda each: special.entropy(8, each)))(kappa)


def _of_a_batch(kappa: Any) -> Any:
    return torch.func.grad(lambda kappa: _per_row(kappa).sum())(kappa)


def _forward(kappa: Any) -> Any:
    return torch.func.jvp(lambda kappa: special.entropy(8, kappa), (kappa,), (kappa,))[1]


def test_vmap_inside_of_what_is_compiled() -> None:
    kappa = torch.tensor([1.0, 40.0], dtype=DOUBLE)
    assert torch.equal(torch.compile(_per_row, **EAGER)(kappa), _per_row(kappa))


@pytest.mark.parametrize("function", [_gradient, _of_a_batch, _forward])
def test_derivatives_inside_of_what_is_compiled_are_taken_outside(function: Any) -> None:
    """As torch has no rule for operators there: never a zero in its place."""
    kappa = torch.tensor([1.0, 40.0], dtype=DOUBLE)
    with pytest.raises(RuntimeError, match="take the derivative outside of what is compiled"):
        torch.compile(function, **EAGER)(kappa)
    torch._dynamo.reset()
    found = torch.compile(function, backend="aot_eager")(kappa)
    torch.testing.assert_close(found, function(kappa), rtol=1e-14, atol=0)


def test_export() -> None:
    class Density(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.log_kappa = torch.nn.Parameter(torch.tensor(3.0, dtype=DOUBLE))

        def forward(self, x: Any) -> Any:
            return VonMisesFisher(_unit(16), self.log_kappa.exp(), validate_args=False).log_prob(x)

    x = _unit(5, 16)
    exported = torch.export.export(Density(), (x,))
    names = {str(node.target) for node in exported.graph.nodes}
    assert "vmf.log_normalizer_e.default" in names
    torch.testing.assert_close(exported.module()(x), Density()(x), rtol=1e-14, atol=0)
