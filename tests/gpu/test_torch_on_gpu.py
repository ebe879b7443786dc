"""torch tensors on a GPU: the functions, their derivatives, the distributions. Skipped without one."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vmf import special
from vmf.arrays.gpu import require_cupy
from vmf.errors import GPUUnavailableError
from vmf.special._table import TABLE

torch: Any = pytest.importorskip("torch")
if not hasattr(torch, "cuda") or not torch.cuda.is_available():
    pytest.skip("this torch finds no GPU", allow_module_level=True)
try:
    require_cupy()
except GPUUnavailableError as error:
    pytest.skip(str(error), allow_module_level=True)


def _arguments(entry: Any, dtype: Any, n: int = 3001) -> Any:
    generator = torch.Generator().manual_seed(4)
    a = 2 + 300 * torch.rand(n, dtype=torch.float64, generator=generator)
    x = torch.rand(n, dtype=torch.float64, generator=generator)
    return a.to(dtype), (x if "rbar" in entry.second else 400 * x + 0.01).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_values(entry: Any, dtype: Any) -> None:
    function = getattr(special, entry.name)
    a, x = _arguments(entry, dtype)
    tolerance = 4 * 2.0**-23 if dtype == torch.float32 else 32 * 2.0**-52
    for first, second in (
        (a, x),
        (a[0], x),
        (a[:50, None], x[:50]),
        (a[::3], x[::3]),
        (a, x[:0, None]),
    ):
        found = function(first.cuda(), second.cuda())
        assert (found.device.type, found.dtype) == ("cuda", dtype)
        exact = function(first.double(), second.double())
        error = (found.cpu().double() - exact).abs() / exact.abs().clamp(min=1.0)
        assert found.shape == exact.shape
        assert not (error > tolerance).any()


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_derivatives(entry: Any) -> None:
    function = getattr(special, entry.name)
    a, x = (value[:4].cuda().requires_grad_() for value in _arguments(entry, torch.float64))
    assert torch.autograd.gradcheck(function, (a, x), check_forward_ad=True)
    on_device = torch.func.hessian(lambda a, x: function(a, x).sum(), argnums=(0, 1))(a, x)
    on_host = torch.func.hessian(lambda a, x: function(a, x).sum(), argnums=(0, 1))(
        a.cpu(), x.cpu()
    )
    for row, expected_row in zip(on_device, on_host, strict=True):
        for one, other in zip(row, expected_row, strict=True):
            torch.testing.assert_close(one.cpu(), other, rtol=1e-9, atol=1e-12)


def test_current_stream_and_compiled_code() -> None:
    def loss(kappa: Any) -> Any:
        return special.log_normalizer_e(512, kappa).sin()

    kappa = torch.linspace(1, 1000, 1_000_000, dtype=torch.float64, device="cuda")
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        found = loss(kappa * 2)
        compiled = torch.compile(loss, fullgraph=True)(kappa * 2)
    torch.cuda.synchronize()
    torch.testing.assert_close(found.cpu(), loss(2 * kappa.cpu()), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(compiled, found, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["sample", "rsample"])
@pytest.mark.parametrize("dim", [3, 64, 2048])
def test_draws(dim: int, method: str) -> None:
    from torch.distributions import kl_divergence

    from vmf.torch import HypersphericalUniform, VonMisesFisher

    mu = torch.nn.functional.normalize(torch.ones(dim, device="cuda"), dim=0)
    kappa = torch.full((4000,), 2.0 * dim, dtype=torch.float64, device="cuda", requires_grad=True)
    generator = torch.Generator("cuda").manual_seed(dim)
    posterior = VonMisesFisher(mu, kappa)
    cosines = getattr(posterior, method)(generator=generator).double() @ mu.double()
    error = math.sqrt(special.mean_resultant_length_dkappa(dim, 2.0 * dim) / 4000)
    assert abs(cosines.mean().item() - special.mean_resultant_length(dim, 2.0 * dim)) < 4 * error
    if method == "rsample":
        (gradients,) = torch.autograd.grad(cosines.sum(), kappa)
        exact = special.mean_resultant_length_dkappa(dim, 2.0 * dim)
        assert abs(gradients.mean() - exact) < 4 * gradients.std() / math.sqrt(4000)
    uniform = HypersphericalUniform(dim, dtype=torch.float64, device="cuda")
    divergence = kl_divergence(posterior, uniform)
    expected = -posterior.entropy() + uniform.entropy()
    torch.testing.assert_close(divergence, expected, rtol=1e-8, atol=1e-10)
