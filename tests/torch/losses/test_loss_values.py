"""The values, against quadrature, the distribution and their limits."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

import vmf
from vmf.torch import VonMisesFisher
from vmf.torch.losses import (
    ELKLoss,
    MCInfoNCELoss,
    NivMFLoss,
    VMFClassificationLoss,
    direction_and_concentration,
    log_expected_likelihood,
)
from vmf.torch.losses.contrast import info_nce

DOUBLE = torch.float64


def unit(*shape: int, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(
        torch.randn(shape, generator=generator, dtype=DOUBLE), dim=-1
    )


def sphere(nodes: int = 60) -> tuple[Any, Any]:
    """Return points and weights of a product rule on the sphere in three dimensions."""
    z, w = np.polynomial.legendre.leggauss(nodes)
    phi = 2 * math.pi * np.arange(2 * nodes) / (2 * nodes)
    height, angle = np.meshgrid(z, phi, indexing="ij")
    across = np.sqrt(1 - height**2)
    points = np.stack([across * np.cos(angle), across * np.sin(angle), height], axis=-1)
    weights = np.repeat(w * math.pi / nodes, 2 * nodes)
    return torch.from_numpy(points.reshape(-1, 3)), torch.from_numpy(weights)


def test_the_kernel_is_the_integral_of_the_product() -> None:
    points, weights = sphere()
    mu1, mu2 = unit(4, 3), unit(5, 3, seed=1)
    k1 = torch.tensor([0.0, 0.3, 5.0, 40.0], dtype=DOUBLE)
    k2 = torch.tensor([0.0, 1e-3, 2.0, 7.0, 30.0], dtype=DOUBLE)
    first = VonMisesFisher(mu1, k1).log_prob(points[:, None]).exp()
    second = VonMisesFisher(mu2, k2).log_prob(points[:, None]).exp()
    expected = torch.einsum("s,si,sj->ij", weights, first, second).log()
    result = log_expected_likelihood(mu1, k1, mu2, k2)
    torch.testing.assert_close(result, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("p", [2, 128, 2048, 32768])
def test_the_kernel_with_a_point_is_its_density(p: int) -> None:
    """A concentration of 1e9 p is a point at this accuracy; f(mu2) is what remains."""
    mu1, mu2 = unit(2, p), unit(3, p, seed=1)
    k1, k2 = torch.tensor([0.5 * p, 3.0 * p], dtype=DOUBLE), torch.full((3,), 1e9 * p, dtype=DOUBLE)
    result = log_expected_likelihood(mu1, k1, mu2, k2)
    density = VonMisesFisher(mu1[:, None], k1[:, None]).log_prob(mu2)
    torch.testing.assert_close(result, density, rtol=1e-6, atol=1e-5 * p)


def test_classification_of_points_is_that_of_the_distribution() -> None:
    torch.manual_seed(0)
    loss = VMFClassificationLoss(3, 50, reduction="none").double()
    with torch.no_grad():
        loss.log_concentration.copy_(torch.tensor([2.0, 4.0, 5.0]))
    points, labels = unit(7, 50), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    log_density = np.stack(
        [
            vmf.VonMisesFisher(mu, kappa).logpdf(points.numpy())
            for mu, kappa in zip(
                loss.class_mean_direction.detach().numpy(),
                loss.class_concentration.detach().numpy(),
                strict=True,
            )
        ],
        axis=1,
    )
    posterior = log_density - np.logaddexp.reduce(log_density, axis=1, keepdims=True)
    expected = -posterior[np.arange(7), labels]
    np.testing.assert_allclose(
        loss(points, None, labels).detach(), expected, rtol=1e-10, atol=1e-13
    )
    far = torch.full((7,), 1e12, dtype=DOUBLE)
    np.testing.assert_allclose(loss(points, far, labels).detach(), expected, rtol=1e-3, atol=1e-3)


def test_classification_of_uncertain_embeddings_takes_the_expected_densities() -> None:
    torch.manual_seed(0)
    loss = VMFClassificationLoss(3, 3, reduction="none").double()
    with torch.no_grad():
        loss.log_concentration.copy_(torch.tensor([1.0, 2.0, 1.5]))
    points, weights = sphere()
    mu, labels = unit(6, 3), torch.arange(6) % 3
    densities = loss.logits(points, None).exp()
    for kappa in (0.0, 0.5, 4.0, 30.0):
        k = torch.full((6,), kappa, dtype=DOUBLE)
        embedding = VonMisesFisher(mu, k).log_prob(points[:, None]).exp() * weights[:, None]
        expected = torch.einsum("si,sk->ik", embedding, densities)
        torch.testing.assert_close(loss.logits(mu, k), expected.log(), rtol=1e-9, atol=1e-9)
        posterior = (expected / expected.sum(1, keepdim=True))[torch.arange(6), labels]
        torch.testing.assert_close(loss(mu, k, labels), -posterior.log(), rtol=1e-9, atol=1e-9)
    nothing = loss(mu, torch.zeros(6, dtype=DOUBLE), labels)
    torch.testing.assert_close(nothing, torch.full((6,), math.log(3), dtype=DOUBLE))


def _nivmf(seed: int = 0) -> NivMFLoss:
    torch.manual_seed(seed)
    loss = NivMFLoss(3, 3, reduction="none", n_samples=20_000).double()
    with torch.no_grad():
        loss.log_concentration.copy_(torch.tensor([0.5, 1.0, 1.5]))
        loss.log_shape.copy_(0.3 * torch.randn(3, 3))
    return loss


def test_nivmf_densities_integrate_to_one() -> None:
    points, weights = sphere(200)
    loss = _nivmf()
    integral = (weights[:, None] * loss.log_density(points).exp()).sum(0)
    torch.testing.assert_close(integral, torch.ones(3, dtype=DOUBLE), rtol=1e-8, atol=0)


@pytest.mark.parametrize("p", [2, 64, 2048])
def test_nivmf_of_equal_concentrations_is_the_vmf(p: int) -> None:
    torch.manual_seed(0)
    loss = NivMFLoss(4, p).double()
    points = unit(5, p)
    expected = VonMisesFisher(loss.class_mean_direction, loss.class_concentration)
    torch.testing.assert_close(
        loss.log_density(points), expected.log_prob(points[:, None]), rtol=1e-12, atol=1e-9
    )


def test_nivmf_similarity_is_the_expected_likelihood() -> None:
    points, weights = sphere(100)
    loss = _nivmf()
    mu, kappa = unit(4, 3), torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=DOUBLE)
    torch.manual_seed(0)
    result = loss.logits(mu, kappa)
    density = VonMisesFisher(mu, kappa).log_prob(points[:, None]).exp() * weights[:, None]
    expected = torch.einsum("si,sk->ik", density, loss.log_density(points).exp()).log()
    # 20 000 draws: a standard error of about 2 % where they spread most
    torch.testing.assert_close(result, expected, rtol=0, atol=0.1)


def brute_force_info_nce(similarity: Any, labels: Any) -> list[float]:
    n, result = len(labels), []
    for i, j in itertools.permutations(range(n), 2):
        if labels[i] == labels[j]:
            negatives = [similarity[i, k] for k in range(n) if labels[k] != labels[i]]
            total = math.exp(similarity[i, j]) + sum(math.exp(s) for s in negatives)
            result.append(math.log(total) - float(similarity[i, j]))
    return result


def test_elk_loss_is_info_nce_of_the_kernel() -> None:
    mu, kappa = unit(6, 4), torch.tensor([0.0, 1.0, 2.0, 5.0, 9.0, 20.0], dtype=DOUBLE)
    labels = torch.tensor([0, 1, 0, 1, 2, 0])
    kernel = 0.7 * log_expected_likelihood(mu, kappa, mu, kappa)
    expected = torch.tensor(brute_force_info_nce(kernel, labels), dtype=DOUBLE)
    losses = ELKLoss(inverse_temperature=0.7, reduction="none").double()(mu, kappa, labels)
    torch.testing.assert_close(losses, expected, rtol=1e-10, atol=1e-10)
    for reduction, value in (("mean", expected.mean()), ("sum", expected.sum())):
        loss = ELKLoss(inverse_temperature=0.7, reduction=reduction).double()  # type: ignore[arg-type]
        torch.testing.assert_close(loss(mu, kappa, labels), value)


def test_mc_infonce_averages_the_probabilities_over_draws() -> None:
    mu, kappa = unit(5, 6), torch.tensor([0.0, 3.0, 10.0, 40.0, 100.0], dtype=DOUBLE)
    labels = torch.tensor([0, 1, 0, 1, 0])
    loss = MCInfoNCELoss(n_samples=3, inverse_temperature=5.0, reduction="none").double()
    torch.manual_seed(4)
    result = loss(mu, kappa, labels)
    torch.manual_seed(4)
    draws = VonMisesFisher(mu, kappa).rsample((3,))
    each = [brute_force_info_nce(5.0 * z @ z.T, labels) for z in draws]
    expected = -torch.tensor(each, dtype=DOUBLE).neg().exp().mean(0).log()
    torch.testing.assert_close(result, expected, rtol=1e-10, atol=1e-10)


def test_without_uncertainty_mc_infonce_is_info_nce() -> None:
    mu, labels = unit(5, 6), torch.tensor([0, 1, 0, 1, 0])
    loss = MCInfoNCELoss(n_samples=2, inverse_temperature=5.0).double()
    expected = np.mean(brute_force_info_nce(5.0 * mu @ mu.T, labels))
    np.testing.assert_allclose(loss(mu, None, labels), expected, rtol=1e-12)
    near = loss(mu, torch.full((5,), 1e14, dtype=DOUBLE), labels)
    np.testing.assert_allclose(near, expected, rtol=1e-5)


@pytest.mark.parametrize("loss", [ELKLoss(), MCInfoNCELoss()], ids=["elk", "mcinfonce"])
def test_no_pair_no_loss(loss: Any) -> None:
    vectors = (10 * unit(3, 5)).requires_grad_()
    value = loss.double().from_embeddings(vectors, torch.arange(3))
    value.backward()
    assert value == 0
    assert (vectors.grad == 0).all()
    one_class = loss.from_embeddings(vectors, torch.zeros(3, dtype=torch.long))
    assert one_class == 0  # nothing to hold the pairs against


def test_no_negative_gives_no_gradient() -> None:
    similarity = torch.randn(2, 3, requires_grad=True)
    info_nce(similarity, torch.zeros(2, 3, dtype=torch.bool)).sum().backward()
    assert (similarity.grad == 0).all()


def test_direction_and_concentration_invert_their_product() -> None:
    mu, kappa = unit(6, 7), torch.tensor([1e-30, 1e-3, 1.0, 20.0, 1e4, 1e30], dtype=DOUBLE)
    direction, norm = direction_and_concentration(kappa[:, None] * mu)
    torch.testing.assert_close(direction, mu, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(norm, kappa, rtol=1e-14, atol=0)
    direction, norm = direction_and_concentration(torch.zeros(3, 4))
    assert torch.equal(direction, torch.eye(4)[:1].expand(3, 4))
    assert (norm == 0).all()


@pytest.mark.parametrize("name", ["classification", "elk", "mcinfonce", "nivmf"])
def test_from_embeddings_is_forward(name: str) -> None:
    torch.manual_seed(0)
    loss = {
        "classification": VMFClassificationLoss(3, 9),
        "elk": ELKLoss(),
        "mcinfonce": MCInfoNCELoss(n_samples=2),
        "nivmf": NivMFLoss(3, 9, n_samples=2),
    }[name].double()
    mu, kappa = unit(6, 9), torch.linspace(1, 30, 6, dtype=DOUBLE)
    labels = torch.arange(6) % 3
    torch.manual_seed(1)
    expected = loss(mu, kappa, labels)
    torch.manual_seed(1)
    torch.testing.assert_close(loss.from_embeddings(kappa[:, None] * mu, labels), expected)


@pytest.mark.parametrize("p", [2, 64, 8192])
def test_the_kernel_is_that_of_the_uncertainty_scores(p: int) -> None:
    uncertainty = pytest.importorskip("vmf.uncertainty")
    mu1, mu2 = unit(4, p), unit(5, p, seed=1)
    k1 = torch.tensor([0.0, 0.1, 1.0, 10.0], dtype=DOUBLE) * p
    k2 = torch.tensor([0.0, 1e-3, 0.5, 3.0, 100.0], dtype=DOUBLE) * p
    away = (1.0 - mu1 @ mu2.T).numpy()
    expected = uncertainty.log_elk(p, k1[:, None].numpy(), k2.numpy(), away)
    result = log_expected_likelihood(mu1, k1, mu2, k2)
    np.testing.assert_allclose(result, expected, rtol=1e-11, atol=1e-9)
