"""Derivatives: against finite differences, and finite wherever a concentration can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from vmf.torch.losses import (
    ELKLoss,
    MCInfoNCELoss,
    NivMFLoss,
    VMFClassificationLoss,
    direction_and_concentration,
    log_expected_likelihood,
)

LABELS = torch.tensor([0, 1, 2, 0, 1])
LOSSES: dict[str, Callable[[int], Any]] = {
    "classification": lambda p: VMFClassificationLoss(3, p),
    "nivmf": lambda p: NivMFLoss(3, p, n_samples=4),
    "elk": lambda p: ELKLoss(inverse_temperature=0.3),
    "mcinfonce": lambda p: MCInfoNCELoss(n_samples=4),
}


def batch(p: int, kappa: float, dtype: torch.dtype = torch.float64) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(p)
    rows = torch.randn(len(LABELS), p, generator=generator, dtype=torch.float64)
    spread = torch.linspace(1.0, 1.5, len(LABELS), dtype=torch.float64)
    mu = torch.nn.functional.normalize(rows, dim=-1).to(dtype).requires_grad_()
    return mu, (kappa * spread).to(dtype).requires_grad_()


@pytest.mark.parametrize("p", [2, 3, 40])
@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name: str, p: int) -> None:
    """In the embeddings and in the parameters; the draws are the same at every step.

    In three dimensions draws are made by inversion, of which the derivative in the concentration is
    that of the draw. Elsewhere proposals are rejected, and it is that of the distribution: there the
    losses that draw keep their concentrations, whose derivatives are tested below.
    """
    torch.manual_seed(p)
    loss = LOSSES[name](p).double()
    mu, kappa = batch(p, 0.7 * p)
    fixed = p != 3 and name in ("nivmf", "mcinfonce")

    def value(vectors: Any, *parameters: Any) -> Any:
        torch.manual_seed(1)
        direction, norm = direction_and_concentration(vectors)
        given = (direction, kappa.detach() if fixed else norm, LABELS)
        return torch.func.functional_call(loss, dict(zip(names, parameters, strict=True)), given)

    names = [key for key, _ in loss.named_parameters()]
    vectors = (kappa[:, None] * mu).detach().requires_grad_()
    parameters = [each.detach().clone().requires_grad_() for each in loss.parameters()]
    assert torch.autograd.gradcheck(value, (vectors, *parameters), eps=1e-6, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", ["nivmf", "mcinfonce"])
def test_gradient_of_the_concentrations_through_draws(name: str) -> None:
    """Against differences of the loss over so many draws that it is an expectation."""
    torch.manual_seed(0)
    p, step = 8, 2.0
    loss = LOSSES[name](p).double()
    loss.n_samples = 60_000
    mu, kappa = batch(p, 6.0)
    (gradient,) = torch.autograd.grad(loss(mu, kappa, LABELS), kappa)
    with torch.no_grad():
        above, below = (loss(mu, kappa + h * gradient.sign(), LABELS) for h in (step, -step))
    slope = (above - below) / (2 * step)
    assert abs(slope / gradient.abs().sum() - 1) < 0.1


@pytest.mark.parametrize("p", [2, 3, 128, 2048, 32768])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite(name: str, p: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    loss = LOSSES[name](p).to(dtype)
    for kappa in (0.0, 1e-30, 1e-3, 1.0, float(p), 1e6, 1e12, 1e30):
        mu, concentration = batch(p, kappa, dtype)
        value = loss(mu, concentration, LABELS)
        assert value.dtype == dtype
        loss.zero_grad()
        value.backward()
        for tensor in (value, mu.grad, concentration.grad, *(q.grad for q in loss.parameters())):
            assert torch.isfinite(tensor).all(), (kappa, tensor)


@pytest.mark.parametrize("p", [2, 3, 512])
def test_the_kernel_is_smooth_where_the_sum_of_two_embeddings_vanishes(p: int) -> None:
    """|k1 mu1 + k2 mu2| = 0, where a square root would have an infinite derivative."""
    mu = torch.zeros(1, p, dtype=torch.float64)
    mu[0, 0] = 1.0
    for kappa in (0.0, 3.0, 500.0):
        k1 = torch.tensor([kappa], dtype=torch.float64, requires_grad=True)
        k2 = torch.tensor([kappa], dtype=torch.float64)
        (at,) = torch.autograd.grad(log_expected_likelihood(mu, k1, -mu, k2).sum(), k1)
        h = 1e-4 * max(kappa, 1.0)
        above = log_expected_likelihood(mu, k1.detach() + h, -mu, k2)
        at_zero = log_expected_likelihood(mu, k1.detach(), -mu, k2)
        slope = float(above - at_zero) / h
        assert abs(float(at) - slope) <= h  # second derivatives are below 1


def test_the_gradient_of_an_embedding_of_norm_zero_is_finite() -> None:
    for name, make in LOSSES.items():
        torch.manual_seed(0)
        vectors = torch.randn(len(LABELS), 8)
        vectors[2] = 0.0
        vectors.requires_grad_()
        make(8).from_embeddings(vectors, LABELS).backward()
        assert torch.isfinite(vectors.grad).all(), name
