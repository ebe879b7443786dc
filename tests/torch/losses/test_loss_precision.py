"""Half precision, autocast, torch.compile: the same loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from vmf.torch import VMFHead
from vmf.torch.losses import ELKLoss, MCInfoNCELoss, NivMFLoss, VMFClassificationLoss

LABELS = torch.arange(12) % 3
HALVES = [torch.float16, torch.bfloat16]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def losses(p: int) -> dict[str, Any]:
    torch.manual_seed(0)
    return {
        "classification": VMFClassificationLoss(3, p),
        "nivmf": NivMFLoss(3, p, n_samples=3),
        "elk": ELKLoss(learn_inverse_temperature=True),
        "mcinfonce": MCInfoNCELoss(n_samples=3, learn_inverse_temperature=True),
    }


NAMES = list(losses(2))


def batch(p: int) -> tuple[Any, Any]:
    torch.manual_seed(1)
    mu = torch.nn.functional.normalize(torch.randn(len(LABELS), p), dim=-1)
    return mu, torch.linspace(0.3, 2.0, len(LABELS)) * p


@pytest.mark.parametrize("cast", HALVES)
@pytest.mark.parametrize("p", [128, 2048])
@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name: str, p: int, cast: torch.dtype) -> None:
    mu, kappa = batch(p)
    values = []
    for enabled in (False, True):
        loss = losses(p)[name]
        given = mu.clone().requires_grad_(), kappa.clone().requires_grad_()
        torch.manual_seed(2)
        with torch.autocast("cpu", dtype=cast, enabled=enabled):
            value = loss(*given, LABELS)
        value.backward()
        values.append([value.detach(), *(each.grad for each in given)])
    assert values[0][0].dtype == torch.float32
    for one, other in zip(*values, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    loss = losses(64)[name]
    mu, kappa = batch(64)
    given = mu.to(dtype).requires_grad_(), kappa.to(dtype).requires_grad_()
    torch.manual_seed(2)
    value = loss(*given, LABELS)
    torch.manual_seed(2)
    loss.validate_args = False  # rounded, the rows are 1e-3 off the sphere
    expected = loss(*(each.detach().float() for each in given), LABELS)
    assert value.dtype == torch.float32
    # Only draws are rounded to the type of the mean direction.
    tolerance = 0.05 if name in ("nivmf", "mcinfonce") else 1e-6
    torch.testing.assert_close(value, expected, rtol=tolerance, atol=tolerance)
    value.backward()
    assert all(torch.isfinite(each.grad).all() for each in given)


@pytest.mark.parametrize("dtype", HALVES)
def test_the_head_under_autocast(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    head, loss = VMFHead(32, 128), VMFClassificationLoss(3, 128)
    with torch.autocast("cpu", dtype=dtype):
        mean_direction, concentration = head(torch.randn(12, 32))
        value = loss(mean_direction, concentration, LABELS)
    assert mean_direction.dtype == concentration.dtype == value.dtype == torch.float32
    value.backward()
    assert all(torch.isfinite(each.grad).all() for each in head.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_compiled(name: str) -> None:
    """Head and loss in one graph; what is drawn is not the same, so that losses agree in the mean."""
    torch.manual_seed(0)
    head = VMFHead(10, 16)
    loss = losses(16)[name]
    features = torch.randn(len(LABELS), 10)

    def step(x: Any) -> Any:
        return loss(*head(x), LABELS)

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    draws = 200 if name in ("nivmf", "mcinfonce") else 1
    with torch.no_grad():
        values = torch.tensor([[f(features) for _ in range(draws)] for f in (step, compiled)])
    tolerance = 5 * float(values.std(1).max()) * (2 / draws) ** 0.5 if draws > 1 else 1e-5
    assert abs(float(values[0].mean() - values[1].mean())) < tolerance
    compiled(features).backward()
    assert all(torch.isfinite(each.grad).all() for each in head.parameters())
