"""The distributions: densities, moments, divergences, shapes, draws and the gradients of draws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Independent, kl_divergence

import vmf
from vmf import special
from vmf.torch import HypersphericalUniform, VonMisesFisher, unit_vector
from vmf.torch.cosine import angle_by_concentration, sample_angle

DOUBLE = torch.float64


def direction(*shape: int, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(shape, dtype=DOUBLE, generator=generator)
    return draws / draws.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("dim", [2, 3, 512, 32768])
@pytest.mark.parametrize("factor", [0.0, 0.1, 10.0])
def test_same_numbers_as_the_numpy_distribution(dim: int, factor: float) -> None:
    mu, x, kappa = direction(dim), direction(4, dim, seed=1), factor * dim
    ours = VonMisesFisher(mu, torch.tensor(kappa, dtype=DOUBLE))
    other = VonMisesFisher(x[0], torch.tensor(0.7 * kappa + 0.1, dtype=DOUBLE))
    theirs = vmf.VonMisesFisher(mu.numpy(), kappa)
    np.testing.assert_allclose(ours.log_prob(x), theirs.logpdf(x.numpy()), rtol=1e-13)
    assert ours.entropy().item() == pytest.approx(theirs.entropy(), rel=1e-13)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-12, atol=1e-300)
    assert torch.equal(ours.mode, mu)
    expected = theirs.kl_divergence(vmf.VonMisesFisher(x[0].numpy(), 0.7 * kappa + 0.1))
    assert kl_divergence(ours, other).item() == pytest.approx(expected, rel=1e-10)
    uniform = HypersphericalUniform(dim, dtype=DOUBLE)
    expected = theirs.kl_to_uniform()
    assert kl_divergence(ours, uniform).item() == pytest.approx(expected, rel=1e-10)
    assert uniform.log_prob(x).tolist() == [special.log_normalizer(dim, 0.0)] * 4


@pytest.mark.parametrize("kappa", [0.0, 1e-3, 2.0, 400.0])
def test_variance(kappa: float) -> None:
    posterior = VonMisesFisher(direction(5), torch.tensor(kappa, dtype=DOUBLE))
    # E x.x = 1 binds the sum of the variances; draws bind each.
    total = posterior.variance.sum() + (posterior.mean**2).sum()
    assert total.item() == pytest.approx(1.0, rel=1e-14)
    draws = posterior.sample((20_000,), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(draws.var(0), posterior.variance, rtol=0.06, atol=0)


def test_close_distributions_have_an_accurate_divergence() -> None:
    """KL = A'(kappa) d^2/2 for concentrations that differ by d."""
    dim, kappa, d = 32768, 5000.0, 1e-6
    p, q = (
        VonMisesFisher(direction(dim), torch.tensor(k, dtype=DOUBLE)) for k in (kappa, kappa + d)
    )
    expected = 0.5 * d**2 * special.mean_resultant_length_dkappa(dim, kappa)
    assert kl_divergence(p, q).item() == pytest.approx(expected, rel=1e-6)


def test_gradients_of_the_densities() -> None:
    x, mu = direction(3, 6, seed=2), direction(6)
    k1, k2 = (torch.tensor(k, dtype=DOUBLE, requires_grad=True) for k in (3.0, 7.0))
    uniform = HypersphericalUniform(6, dtype=DOUBLE)
    for function in (
        lambda k: VonMisesFisher(mu, k).log_prob(x),
        lambda k: VonMisesFisher(mu, k).entropy(),
        lambda k: VonMisesFisher(mu, k).variance,
        lambda k: kl_divergence(VonMisesFisher(mu, k), uniform),
        lambda k: kl_divergence(uniform, VonMisesFisher(mu, k)),
    ):
        assert torch.autograd.gradcheck(function, (k1,))
        assert torch.autograd.gradgradcheck(function, (k1,))

    def divergence(a: Any, b: Any) -> Any:
        return kl_divergence(VonMisesFisher(mu, a), VonMisesFisher(x[0], b))

    assert torch.autograd.gradcheck(divergence, (k1, k2))
    assert torch.autograd.gradgradcheck(divergence, (k1, k2))


def test_shapes() -> None:
    posterior = VonMisesFisher(direction(4, 1, 7), torch.ones(3, dtype=DOUBLE))
    assert posterior.batch_shape == (4, 3)
    assert posterior.event_shape == (7,)
    assert posterior.loc.shape == posterior.mean.shape == posterior.variance.shape == (4, 3, 7)
    assert posterior.entropy().shape == (4, 3)
    assert posterior.sample().shape == (4, 3, 7)
    assert posterior.sample((2, 5)).shape == (2, 5, 4, 3, 7)
    assert posterior.sample((0,)).shape == (0, 4, 3, 7)
    assert posterior.log_prob(direction(5, 1, 1, 7)).shape == (5, 4, 3)
    wider = posterior.expand((2, 4, 3))
    assert wider.batch_shape == (2, 4, 3)
    assert wider.rsample((5,)).shape == (5, 2, 4, 3, 7)
    assert Independent(posterior, 1).log_prob(posterior.sample()).shape == (4,)
    uniform = HypersphericalUniform(7, (4, 1), dtype=DOUBLE)
    assert kl_divergence(posterior, uniform).shape == (4, 3)
    assert uniform.expand((4, 3)).sample((2,)).shape == (2, 4, 3, 7)
    assert uniform.mean.shape == uniform.variance.shape == (4, 1, 7)
    assert uniform.entropy().shape == (4, 1)
    assert kl_divergence(uniform, uniform).tolist() == [[0.0]] * 4


def test_constraints() -> None:
    assert unit_vector.check(direction(3, 5)).tolist() == [True] * 3
    assert not unit_vector.check(1.001 * direction(5))
    assert unit_vector.check(direction(512).bfloat16())
    for loc, kappa in ((2 * direction(5), 1.0), (direction(5), -1.0), (direction(5), math.nan)):
        with pytest.raises(ValueError, match="to satisfy the constraint"):
            VonMisesFisher(loc, kappa, validate_args=True)
        VonMisesFisher(loc, kappa, validate_args=False)
    # Said aloud, since torch.compile turns the default off.
    posterior = VonMisesFisher(direction(5), 1.0, validate_args=True)
    for value, message in ((torch.ones(5), "support"), (direction(4), "size|shape|broadcast")):
        with pytest.raises((ValueError, RuntimeError), match=message):
            posterior.log_prob(value.to(DOUBLE))
    with pytest.raises(ValueError, match=r"expected \(\.\.\., p\) with p >= 2"):
        VonMisesFisher(torch.ones(1), 1.0)
    with pytest.raises(ValueError, match="do not broadcast"):
        VonMisesFisher(direction(4, 5), torch.ones(5))
    with pytest.raises(TypeError, match="tensor of floats"):
        VonMisesFisher([1.0, 0.0], 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dimension 2 or more"):
        HypersphericalUniform(1)
    with pytest.raises(ValueError, match="dimensions differ: 5 and 6"):
        kl_divergence(posterior, HypersphericalUniform(6))


@pytest.mark.parametrize("dim", [3, 64, 2048, 32768])
@pytest.mark.parametrize("factor", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("method", ["sample", "rsample"])
def test_mean_cosine(dim: int, factor: float, method: str) -> None:
    """Of 4000 draws, within four standard errors of A_p(kappa)."""
    mu = direction(dim).float()
    kappa = torch.tensor(factor * dim, dtype=DOUBLE, requires_grad=True)
    generator = torch.Generator().manual_seed(dim)
    draw = getattr(VonMisesFisher(mu, kappa), method)
    cosines = []
    for _ in range(8):
        rows = draw((500,), generator=generator)
        assert rows.requires_grad == (method == "rsample")
        rows = rows.detach()
        lengths = torch.linalg.vector_norm(rows, dim=-1, dtype=DOUBLE)
        torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-5, rtol=0)
        cosines.append((rows @ mu).double())
    error = math.sqrt(special.mean_resultant_length_dkappa(dim, factor * dim) / 4000)
    expected = special.mean_resultant_length(dim, factor * dim)
    assert abs(torch.cat(cosines).mean().item() - expected) < 4 * error


@pytest.mark.parametrize("dim", [2, 3, 4, 64, 2048])
@pytest.mark.parametrize("factor", [0.0, 0.05, 1.0, 20.0, 1e5])
def test_distribution_of_the_angle(dim: int, factor: float) -> None:
    kappa = factor * dim
    generator = torch.Generator().manual_seed(dim)
    angles = sample_angle(dim, torch.full((4000,), kappa, dtype=DOUBLE), generator).numpy()
    low, high = angles.min(), angles.max()
    margin = 0.5 * (high - low)
    grid = np.linspace(max(low - margin, 1e-300), min(high + margin, math.pi), 200_001)
    with np.errstate(divide="ignore"):
        log_density = -2 * kappa * np.sin(grid / 2) ** 2 + (dim - 2) * np.log(np.sin(grid))
    below = np.cumsum(np.exp(log_density - log_density.max()))
    assert stats.kstest(angles, lambda t: np.interp(t, grid, below / below[-1])).pvalue > 1e-3


@pytest.mark.parametrize("dim", [2, 3, 4, 50])
@pytest.mark.parametrize("kappa", [0.0, 1e-20, 2.0, 1e6])
def test_moments_of_the_angle(dim: int, kappa: float) -> None:
    draws = 20_000
    generator = torch.Generator().manual_seed(dim)
    t = sample_angle(dim, torch.full((draws,), kappa, dtype=DOUBLE), generator)
    q = 2 * torch.sin(t / 2) ** 2
    variance = special.mean_resultant_length_dkappa(dim, kappa)
    error = math.sqrt(variance / draws)
    assert abs(q.mean().item() - special.mean_resultant_length_c(dim, kappa)) < 4 * error
    assert q.var().item() == pytest.approx(variance, rel=0.1)


def test_tangents_are_uniform() -> None:
    for seed in (0, 1):
        mu = direction(4, seed=seed) * (-1) ** seed
        generator = torch.Generator().manual_seed(seed)
        rows = VonMisesFisher(mu, 3.0).sample((40_000,), generator=generator)
        a = special.mean_resultant_length(4, 3.0)
        torch.testing.assert_close(rows.mean(0), a * mu, atol=0.02, rtol=0)
        second = rows.T @ rows / 40_000
        expected = a / 3 * torch.eye(4, dtype=DOUBLE) + (1 - 4 * a / 3) * torch.outer(mu, mu)
        torch.testing.assert_close(second, expected, atol=0.02, rtol=0)


def test_blocks_and_batches_have_their_own_directions() -> None:
    mu = direction(3000, 100)
    rows = VonMisesFisher(mu, 1e10).sample((2,))
    torch.testing.assert_close(rows, mu.expand(2, -1, -1), atol=1e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(2,), (5, 3), (3, 512)])
def test_draws_with_and_without_gradient_are_the_same(dtype: Any, shape: tuple[int, ...]) -> None:
    kappa = torch.full(shape[:-1], 7.0, dtype=dtype, requires_grad=True)
    posterior = VonMisesFisher(direction(*shape).to(dtype), kappa)
    one, other = (
        getattr(posterior, method)((50,), generator=torch.Generator().manual_seed(5))
        for method in ("sample", "rsample")
    )
    assert one.requires_grad != other.requires_grad
    torch.testing.assert_close(one, other.detach(), rtol=0, atol=16 * torch.finfo(dtype).eps)


def test_draws_do_not_depend_on_threads() -> None:
    kappa = torch.tensor(300.0, requires_grad=True)
    loc = direction(512).float().requires_grad_()
    threads, draws = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            generator = torch.Generator().manual_seed(1)
            draws.append(VonMisesFisher(loc, kappa).sample((20_000,), generator=generator))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*draws)
    assert not draws[0].requires_grad
    assert torch.unique(draws[0][:, 0]).numel() > 19_000
    mean = draws[0] @ loc.detach()
    assert abs(mean.mean().item() - special.mean_resultant_length(512, 300.0)) < 1e-3


def test_generators_and_dtypes() -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        posterior = VonMisesFisher(direction(16).to(dtype), 5.0)
        one, two = (
            posterior.sample((3,), generator=torch.Generator().manual_seed(1)) for _ in "ab"
        )
        assert torch.equal(one, two)
        assert one.dtype == dtype
    torch.manual_seed(3)
    one = posterior.sample()
    torch.manual_seed(3)
    assert torch.equal(one, posterior.sample())


@pytest.mark.parametrize("dim", [2, 3, 4, 64, 2048, 32768])
@pytest.mark.parametrize("factor", [1e-3, 1.0, 100.0])
def test_derivative_of_the_angle(dim: int, factor: float) -> None:
    """The integral against the trapezoidal rule on a fine grid from the other formula's side."""
    kappa = factor * dim
    flat = torch.full((50,), kappa, dtype=DOUBLE)
    t = sample_angle(dim, flat, torch.Generator().manual_seed(dim))
    value = angle_by_concentration(dim, flat, t)
    mean_c = special.mean_resultant_length_c(dim, kappa)
    for angle, derivative in zip(t.tolist(), value.tolist(), strict=True):
        # Over all of [0, pi] the integral is 0: take the side without cancellation.
        below = 1 - math.cos(angle) < mean_c
        width = 14 / math.sqrt(dim + kappa)
        end = max(0.0, angle - width) if below else min(math.pi, angle + width)
        s = np.linspace(end, angle, 20_001)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_g = (dim - 2) * np.log(np.sin(s) / math.sin(angle)) if dim > 2 else 0.0
        log_g += 2 * kappa * np.sin((angle + s) / 2) * np.sin((angle - s) / 2)
        integrand = (mean_c - 2 * np.sin(s / 2) ** 2) * np.exp(log_g)
        integrand[[0, -1]] *= 0.5
        total = np.nansum(integrand) * (angle - end) / 20_000
        # From above, int_0^t = -int_t^pi, and the grid runs backwards: the signs cancel.
        assert derivative == pytest.approx(-total, rel=3e-4)


@pytest.mark.parametrize("dim", [3, 64, 2048])
@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_gradient_of_an_expectation_in_the_concentration(dim: int, factor: float) -> None:
    """E cos = A and E cos^2 = 1 - (p - 1) A/kappa have known derivatives."""
    draws, mu = 4000, direction(dim)
    each = torch.full((draws,), factor * dim, dtype=DOUBLE, requires_grad=True)
    generator = torch.Generator().manual_seed(dim)
    cosine = VonMisesFisher(mu, each).rsample(generator=generator) @ mu
    kappa = torch.tensor(factor * dim, dtype=DOUBLE, requires_grad=True)
    a = special.mean_resultant_length(dim, kappa)
    for sampled, exact in ((cosine, a), (cosine**2, 1 - (dim - 1) * a / kappa)):
        (gradients,) = torch.autograd.grad(sampled.sum(), each, retain_graph=True)
        (expected,) = torch.autograd.grad(exact, kappa, retain_graph=True)
        error = gradients.std() / math.sqrt(draws)
        assert error < 0.1 * expected
        assert abs(gradients.mean() - expected) < 4 * error


def test_gradient_of_an_expectation_in_the_mean_direction() -> None:
    """E f(x) for f(x) = b.x + (b.x)^2, by its closed form, in a free vector that is normalised."""
    dim, kappa, draws = 5, 4.0, 40_000
    free, b = 1.7 * direction(dim), direction(dim, seed=7)
    free.requires_grad_()
    mu = free / free.norm()
    x = VonMisesFisher(mu, kappa).rsample((draws,), generator=torch.Generator().manual_seed(0))
    (sampled,) = torch.autograd.grad((x @ b + (x @ b) ** 2).mean(), free, retain_graph=True)
    a = special.mean_resultant_length(dim, kappa)
    exact = a * (mu @ b) + (1 - dim * a / kappa) * (mu @ b) ** 2
    (expected,) = torch.autograd.grad(exact, free)
    torch.testing.assert_close(sampled, expected, atol=0.02, rtol=0)


def test_second_derivative_of_a_draw_is_refused() -> None:
    kappa = torch.tensor(3.0, requires_grad=True)
    x = VonMisesFisher(torch.eye(4)[0], kappa).rsample()
    (first,) = torch.autograd.grad((x**3).sum(), kappa, create_graph=True)
    with pytest.raises(NotImplementedError, match="can be differentiated once, not twice"):
        first.backward()

    def drawn(kappa: Any) -> Any:
        return VonMisesFisher(torch.eye(4)[0], kappa, validate_args=False).rsample().sum()

    kappa = kappa.detach()
    with pytest.raises(NotImplementedError, match="can be differentiated once, not twice"):
        torch.func.grad(torch.func.grad(drawn))(kappa)
    with pytest.raises(NotImplementedError, match="can be differentiated once, not twice"):
        torch.func.jvp(torch.func.grad(drawn), (kappa,), (kappa,))
