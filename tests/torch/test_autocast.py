"""Under autocast, and of half-precision input: float32 is computed and returned, float64 stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.distributions import kl_divergence

from vmf import special
from vmf.special._table import TABLE
from vmf.torch import HypersphericalUniform, VonMisesFisher

CASTS = [torch.bfloat16, torch.float16]
HALVES = [torch.bfloat16, torch.float16]


@pytest.mark.parametrize("cast", CASTS)
@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_functions(entry: Any, cast: torch.dtype) -> None:
    function = getattr(special, entry.name)
    second = [0.2, 0.5, 0.8] if "rbar" in entry.second else [0.9, 4.0, 31.0]
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        computed = dtype if dtype == torch.float64 else torch.float32
        a, x = (
            torch.tensor(value, dtype=dtype, requires_grad=True) for value in ([2.5, 3, 40], second)
        )
        expected = function(a.detach().to(computed), x.detach().to(computed))
        with torch.autocast("cpu", dtype=cast):
            result = function(a, x)
        assert result.dtype == computed
        assert torch.equal(result, expected)
        result.sum().backward()
        wide = [value.detach().to(computed).requires_grad_() for value in (a, x)]
        function(*wide).sum().backward()
        for narrow, exact in zip((a, x), wide, strict=True):
            assert narrow.grad.dtype == dtype
            assert torch.equal(narrow.grad, exact.grad.to(dtype))


def _unit(*shape: int) -> Any:
    draws = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(draws, dim=-1)


def _distributions(dtype: torch.dtype, kappa: list[float]) -> tuple[Any, Any, Any]:
    concentration = torch.tensor(kappa, dtype=dtype, requires_grad=True)
    one = VonMisesFisher(_unit(3, 512).to(dtype), concentration, validate_args=False)
    other = VonMisesFisher(_unit(4, 512)[1:].to(dtype), concentration, validate_args=False)
    return one, other, HypersphericalUniform(512, dtype=dtype, validate_args=False)


METHODS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "log_prob": lambda p, q, u, x: p.log_prob(x),
    "log_prob of the uniform": lambda p, q, u, x: u.log_prob(x),
    "entropy": lambda p, q, u, x: p.entropy(),
    "variance": lambda p, q, u, x: p.variance,
    "mean": lambda p, q, u, x: p.mean,
    "kl": lambda p, q, u, x: kl_divergence(p, q),
    "kl to the uniform": lambda p, q, u, x: kl_divergence(p, u),
    "kl of the uniform": lambda p, q, u, x: kl_divergence(u, p),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [*HALVES, torch.float32, torch.float64])
def test_distributions(method: str, dtype: torch.dtype) -> None:
    """What is computed of half-precision vectors is as exact as of the same numbers in float32."""
    kappa = [5.0, 300.0, 1e4]
    x = _unit(7, 1, 512).to(dtype)
    given = _distributions(dtype, kappa)
    expected = METHODS[method](*given, x)
    for cast in CASTS:
        with torch.autocast("cpu", dtype=cast):
            assert torch.equal(METHODS[method](*given, x), expected)
    exact = METHODS[method](
        *(
            VonMisesFisher(p.loc.double(), p.concentration.double(), validate_args=False)
            for p in given[:2]
        ),
        HypersphericalUniform(512, dtype=torch.float64, validate_args=False),
        x.double(),
    )
    assert expected.dtype in (
        (torch.float64,) if dtype == torch.float64 else (torch.float32, dtype)
    )
    if expected.dtype not in HALVES:
        eps = torch.finfo(expected.dtype).eps
        torch.testing.assert_close(expected.double(), exact, rtol=16 * eps, atol=16 * eps / 512)


@pytest.mark.parametrize("cast", CASTS)
@pytest.mark.parametrize("dtype", [*HALVES, torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["sample", "rsample"])
def test_draws(method: str, dtype: torch.dtype, cast: torch.dtype) -> None:
    """A product rounded to half precision would leave tangents that are not orthogonal."""
    p, _, uniform = _distributions(dtype, [5.0, 300.0, 1e4])
    drawn = []
    for enabled in (False, True):
        torch.manual_seed(3)
        with torch.autocast("cpu", dtype=cast, enabled=enabled):
            drawn.append((getattr(p, method)((4,)), uniform.sample((4,))))
    for one, other in zip(*drawn, strict=True):
        assert one.dtype == dtype
        assert torch.equal(one, other)
        lengths = one.double().norm(dim=-1)
        # The vectors, and here the mean directions too, are rounded to the type.
        torch.testing.assert_close(
            lengths, torch.ones_like(lengths), atol=2 * torch.finfo(dtype).eps, rtol=0
        )
