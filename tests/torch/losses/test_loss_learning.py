"""What training finds: the loss falls, concentrations come out where they are known."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from vmf import special
from vmf.torch import VMFEmbedder, VMFHead, VonMisesFisher
from vmf.torch.losses import ELKLoss, MCInfoNCELoss, NivMFLoss, VMFClassificationLoss

CLASSES, P = 4, 16


def classes(concentration: list[float], rows: int, seed: int = 0) -> tuple[Any, Any]:
    """Return `rows` draws a class about orthogonal directions, and labels."""
    torch.manual_seed(seed)
    loc, _ = torch.linalg.qr(torch.randn(P, P))
    draws = VonMisesFisher(loc[:CLASSES], torch.tensor(concentration)).sample((rows,))
    return draws.reshape(-1, P), torch.arange(CLASSES).repeat(rows)


LOSSES = {
    "classification": lambda: VMFClassificationLoss(CLASSES, 8),
    "nivmf": lambda: NivMFLoss(CLASSES, 8, n_samples=8),
    "elk": lambda: ELKLoss(learn_inverse_temperature=True),
    "mcinfonce": lambda: MCInfoNCELoss(n_samples=8, learn_inverse_temperature=True),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_head_learns(name: str) -> None:
    points, labels = classes([40.0] * CLASSES, 50)
    torch.manual_seed(1)
    head, loss = VMFHead(P, 8), LOSSES[name]()
    optimizer = torch.optim.Adam([*head.parameters(), *loss.parameters()], lr=0.02)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(*head(points), labels)
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert sum(values[-5:]) < 0.5 * sum(values[:5])


@pytest.mark.parametrize("name", LOSSES)
def test_rows_of_uncertain_labels_get_low_concentrations(name: str) -> None:
    """Directions given; half of the rows have the label of their direction, half any label."""
    torch.manual_seed(0)
    loss = LOSSES[name]()
    axis = torch.arange(CLASSES).repeat(20)
    mean_direction = torch.eye(8)[axis].repeat(2, 1)
    labels = torch.cat([axis, torch.arange(CLASSES).repeat_interleave(20)])
    for key, parameter in loss.named_parameters():
        parameter.requires_grad_(False)
        if key == "class_vectors":
            parameter.copy_(torch.eye(8)[:CLASSES])
    log_kappa = torch.full((2,), 2.0, requires_grad=True)
    optimizer = torch.optim.Adam([log_kappa], lr=0.1)
    for _ in range(30):
        optimizer.zero_grad()
        kappa = log_kappa.exp().repeat_interleave(len(axis))
        loss(mean_direction, kappa, labels).backward()
        optimizer.step()
    certain, uncertain = log_kappa.exp().detach()
    assert certain > 10
    assert uncertain < 5


def test_class_concentrations_are_the_fits() -> None:
    concentration = [5.0, 10.0, 30.0, 100.0]
    points, labels = classes(concentration, 2000)
    loss = VMFClassificationLoss(CLASSES, P)
    loss.initialise(points, labels)
    torch.testing.assert_close(
        loss.class_concentration.detach(), torch.tensor(concentration), rtol=0.05, atol=0
    )
    before = loss(points, None, labels)
    assert before < VMFClassificationLoss(CLASSES, P)(points, None, labels)


def test_training_class_concentrations_recovers_them() -> None:
    """Cross-entropy is least at the densities the rows come from: 3 and 30 from a start of 10."""
    torch.manual_seed(0)
    truth = torch.tensor([3.0, 30.0])
    loc = torch.eye(3)[:2]
    points = VonMisesFisher(loc, truth).sample((20_000,)).reshape(-1, 3)
    labels = torch.arange(2).repeat(20_000)
    loss = VMFClassificationLoss(2, 3, initial_concentration=10.0)
    with torch.no_grad():
        loss.class_vectors.copy_(loc)
    optimizer = torch.optim.LBFGS(loss.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        value = loss(points, None, labels)
        value.backward()
        return value

    optimizer.step(closure)
    # kappa_k mu_k up to a common vector is what a softmax determines: the difference.
    natural = (loss.class_concentration[:, None] * loss.class_mean_direction).detach()
    expected = truth[:, None] * loc
    torch.testing.assert_close(natural[1] - natural[0], expected[1] - expected[0], rtol=0, atol=1.0)


@pytest.mark.parametrize("parameterisation", ["softplus", "exp"])
@pytest.mark.parametrize("dimension", [2, 128, 32768])
def test_the_head_starts_with_the_cosine_asked_for(parameterisation: Any, dimension: int) -> None:
    torch.manual_seed(0)
    head = VMFHead(12, dimension, parameterisation=parameterisation, initial_cosine=0.7)
    mean_direction, concentration = head(torch.randn(5, 12))
    assert torch.allclose(mean_direction.norm(dim=-1), torch.ones(5))
    cosine = special.mean_resultant_length(dimension, concentration.detach())
    torch.testing.assert_close(cosine, torch.full((5,), 0.7))
    given = VMFHead(12, dimension, parameterisation=parameterisation, initial_concentration=33.0)
    torch.testing.assert_close(given(torch.randn(5, 12))[1].detach(), torch.full((5,), 33.0))


def test_the_embedder_multiplies() -> None:
    torch.manual_seed(0)
    head, embedder = VMFHead(12, 8), VMFEmbedder(12, 8)
    embedder.load_state_dict(head.state_dict())
    features = torch.randn(3, 5, 12)
    mean_direction, concentration = head(features)
    torch.testing.assert_close(embedder(features), concentration[..., None] * mean_direction)


@pytest.mark.parametrize("dimension", [2, 8])
def test_a_head_initialised_from_class_means_tells_the_classes_apart(dimension: int) -> None:
    points, labels = classes([60.0] * CLASSES, 50)
    torch.manual_seed(1)
    head = VMFHead(P, dimension)
    head.initialise_direction(points, labels)
    mean_direction, _ = head(points)
    loss = VMFClassificationLoss(CLASSES, dimension)
    loss.initialise(mean_direction.detach(), labels)
    right = (loss.logits(mean_direction, None).argmax(1) == labels).float().mean()
    assert right > (0.6 if dimension == 2 else 0.95)


@pytest.mark.parametrize("activation", [-1e4, 1e4])
@pytest.mark.parametrize("parameterisation", ["softplus", "exp"])
def test_the_head_stays_finite(parameterisation: Any, activation: float) -> None:
    head = VMFHead(4, 128, parameterisation=parameterisation)
    torch.nn.init.constant_(head.activation.bias, activation)
    mean_direction, concentration = head(torch.ones(3, 4))
    loss = VMFClassificationLoss(2, 128)(mean_direction, concentration, torch.tensor([0, 1, 0]))
    loss.backward()
    assert all(torch.isfinite(each.grad).all() for each in head.parameters())
