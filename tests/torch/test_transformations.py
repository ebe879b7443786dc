"""The distributions under torch.func, copied, saved, sent to workers, of no data, of odd arguments."""

from __future__ import annotations

import copy
import io
import math
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.distributions import (
    Categorical,
    Independent,
    MixtureSameFamily,
    biject_to,
    kl_divergence,
    transform_to,
)

from vmf import special
from vmf.torch import HypersphericalUniform, VonMisesFisher
from vmf.torch.cosine import angle_by_concentration

DOUBLE = torch.float64


def unit(*shape: int) -> Any:
    draws = torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(draws, dim=-1)


LOC = {dim: unit(dim) for dim in (2, 3, 6, 50)}


def posterior(kappa: Any, dim: int = 6) -> VonMisesFisher:
    return VonMisesFisher(LOC[dim], kappa, validate_args=False)


# torch.func


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_gradients_of_draws_by_every_way(dim: int) -> None:
    """Reverse and forward mode: of the cosine, -sin t dt/dkappa at the angle t that was drawn."""

    def cosines(kappa: Any) -> Any:
        torch.manual_seed(1)
        return posterior(kappa, dim).rsample((5,)) @ LOC[dim]

    kappa = torch.tensor(3.0, dtype=DOUBLE)
    value, along = torch.func.jvp(cosines, (kappa,), (torch.ones_like(kappa),))
    angle = torch.acos(value)
    expected = -torch.sin(angle) * angle_by_concentration(dim, kappa.expand(5), angle)
    for gradient in (
        along,
        torch.func.jacrev(cosines)(kappa),
        torch.func.jacfwd(cosines, randomness="same")(kappa),
        torch.stack([torch.func.grad(lambda k, i=i: cosines(k)[i])(kappa) for i in range(5)]),
    ):
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=0)


def test_gradients_of_each_row() -> None:
    """Per-sample gradients, as of an autoencoder: a draw and a gradient of its own for each row."""
    kappa = torch.linspace(1.0, 50.0, 2000, dtype=DOUBLE)
    b = unit(6)

    def one(kappa: Any) -> Any:
        return posterior(kappa).rsample() @ b

    gradients = torch.func.vmap(torch.func.grad(one), randomness="different")(kappa)
    leaf = kappa.clone().requires_grad_()
    (expected,) = torch.autograd.grad(special.mean_resultant_length(6, leaf).sum(), leaf)
    expected = expected * (unit(6) @ b)
    error = (gradients - expected).std() / math.sqrt(2000)
    assert error < 0.1 * expected.mean()
    assert abs((gradients - expected).mean()) < 4 * error


@pytest.mark.parametrize("method", ["sample", "rsample"])
def test_draws_in_batches_of_vmap(method: str) -> None:
    kappa = torch.tensor([1e8, 4.0, 1e8], dtype=DOUBLE)
    draws = torch.func.vmap(lambda k: getattr(posterior(k), method)((40,)), randomness="different")(
        kappa
    )
    assert draws.shape == (3, 40, 6)
    assert torch.unique(draws[:, :, 0]).numel() == 120
    torch.testing.assert_close(draws[::2], unit(6).expand(2, 40, 6), atol=1e-2, rtol=0)
    uniform = HypersphericalUniform(6, dtype=DOUBLE)
    seen = torch.func.vmap(lambda k: k * uniform.sample(), randomness="different")(kappa)
    assert torch.unique(seen[:, 0] / kappa).numel() == 3
    same = torch.func.vmap(lambda k: k * uniform.sample(), randomness="same")(kappa)
    torch.testing.assert_close(same[0] / kappa[0], same[1] / kappa[1], rtol=1e-14, atol=0)
    fixed = torch.func.vmap(lambda k: k * posterior(2.0).sample(), randomness="same")(kappa)
    torch.testing.assert_close(fixed[0] / kappa[0], fixed[1] / kappa[1], rtol=1e-14, atol=0)
    anew = torch.func.vmap(lambda k: k * posterior(2.0).sample(), randomness="different")(kappa)
    assert torch.unique(anew / kappa[:, None]).numel() == 18
    with pytest.raises(RuntimeError, match="randomness"):
        torch.func.vmap(lambda k: posterior(k).sample())(kappa)


def test_tangents_differ_too_in_batches_of_vmap() -> None:
    """The mean direction is not mapped over, its noise must be."""
    kappa = torch.full((4000,), 3.0, dtype=DOUBLE)
    draws = torch.func.vmap(lambda k: posterior(k).sample(), randomness="different")(kappa)
    error = 4 / math.sqrt(6 * 4000)
    a = special.mean_resultant_length(6, 3.0)
    torch.testing.assert_close(draws.mean(0), a * LOC[6], atol=error, rtol=0)
    first = torch.full((2,), 3.0, dtype=DOUBLE)
    same = torch.func.vmap(lambda k: posterior(k).sample(), randomness="same")(first)
    assert torch.equal(*same)


class Density(torch.nn.Module):
    """A module that holds a concentration and a free mean direction."""

    def __init__(self) -> None:
        super().__init__()
        self.free = torch.nn.Parameter(2 * unit(6))
        self.log_kappa = torch.nn.Parameter(torch.tensor(1.0, dtype=DOUBLE))

    def distribution(self) -> VonMisesFisher:
        loc = torch.nn.functional.normalize(self.free, dim=-1)
        return VonMisesFisher(loc, self.log_kappa.exp(), validate_args=False)

    def forward(self, x: Any) -> Any:
        return self.distribution().log_prob(x)


def test_modules() -> None:
    module, x = Density(), unit(5, 6)
    expected = module(x)
    parameters = {name: value.detach() for name, value in module.named_parameters()}

    def mean(parameters: Any) -> Any:
        return torch.func.functional_call(module, parameters, (x,)).mean()

    expected.mean().backward()
    for name, gradient in torch.func.grad(mean)(parameters).items():
        torch.testing.assert_close(gradient, module.get_parameter(name).grad)
    curvature = torch.func.hessian(mean)(parameters)["log_kappa"]["log_kappa"]
    assert torch.isfinite(curvature)

    saved = io.BytesIO()
    torch.save(module.state_dict(), saved)
    saved.seek(0)
    other = copy.deepcopy(module)
    torch.nn.init.zeros_(other.log_kappa)
    other.load_state_dict(torch.load(saved, weights_only=True))
    assert torch.equal(other(x), expected)


# Copies


@pytest.mark.parametrize(
    "make",
    [
        lambda: VonMisesFisher(unit(2, 6), torch.tensor([3.0, 4.0], dtype=DOUBLE)),
        lambda: VonMisesFisher(unit(6), 3),
        lambda: VonMisesFisher(unit(6), torch.nn.Parameter(torch.tensor(3.0, dtype=DOUBLE))),
        lambda: HypersphericalUniform(6, (2,), dtype=DOUBLE),
    ],
)
def test_copies(make: Any) -> None:
    one, x = make(), unit(6)
    saved = io.BytesIO()
    torch.save(one, saved)
    saved.seek(0)
    for other in (
        copy.deepcopy(one),
        pickle.loads(pickle.dumps(one)),
        torch.load(saved, weights_only=False),
        one.expand(one.batch_shape),
    ):
        assert torch.equal(other.log_prob(x), one.log_prob(x))
        drawn = [
            each.sample((3,), generator=torch.Generator().manual_seed(2)) for each in (one, other)
        ]
        assert torch.equal(*drawn)


class Draws(torch.utils.data.Dataset):  # type: ignore[misc]
    """Draws that workers make of a distribution sent to them."""

    def __init__(self, distribution: Any) -> None:
        self.distribution = distribution

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return self.distribution.sample((600,))


def test_workers_of_a_data_loader_draw_their_own() -> None:
    draws = Draws(VonMisesFisher(unit(600).float(), 100.0))
    draws[0]  # threads were started here before the fork
    loader = torch.utils.data.DataLoader(
        draws, num_workers=2, generator=torch.Generator().manual_seed(0)
    )
    rows = torch.cat([batch[0] for batch in loader])
    assert torch.unique(rows[:, 0]).numel() > 2390
    lengths = rows.norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-5, rtol=0)


# Without data, without elements


def test_meta_tensors() -> None:
    loc = torch.empty(3, 4, device="meta")
    kappa = torch.empty(3, device="meta", requires_grad=True)
    p, u = VonMisesFisher(loc, kappa, validate_args=False), HypersphericalUniform(4, device="meta")
    for value, shape in (
        (p.log_prob(torch.empty(5, 3, 4, device="meta")), (5, 3)),
        (p.entropy(), (3,)),
        (p.mean, (3, 4)),
        (p.variance, (3, 4)),
        (p.sample((2,)), (2, 3, 4)),
        (p.rsample((2,)), (2, 3, 4)),
        (u.sample((2,)), (2, 4)),
        (kl_divergence(p, u), (3,)),
        (kl_divergence(p, p), (3,)),
    ):
        assert value.is_meta
        assert value.shape == shape
    p.rsample((2,)).sum().backward()
    assert kappa.grad.shape == (3,)


def test_nothing_drawn() -> None:
    kappa = torch.tensor(2.0, requires_grad=True)
    posterior(kappa).rsample((0,)).sum().backward()
    assert kappa.grad.item() == 0
    empty = VonMisesFisher(torch.empty(0, 4), torch.empty(0))
    assert empty.sample((3,)).shape == (3, 0, 4)
    assert empty.log_prob(torch.ones(1, 4) / 2).shape == (0,)
    assert kl_divergence(empty, HypersphericalUniform(4)).shape == (0,)
    assert HypersphericalUniform(4).sample((0,)).shape == (0, 4)


@pytest.fixture
def meta_by_default() -> Iterator[None]:
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


def test_the_default_device_does_not_matter(meta_by_default: None) -> None:
    loc = torch.ones(4, dtype=DOUBLE, device="cpu") / 2
    kappa = torch.tensor(2.0, dtype=DOUBLE, device="cpu", requires_grad=True)
    p = VonMisesFisher(loc, kappa)
    other = VonMisesFisher(loc, 3)
    for value in (
        p.sample(), p.rsample((3,)).sum(), p.log_prob(loc), p.variance, kl_divergence(p, other),
        special.log_iv([1.0, 2.0], kappa),
    ):  # fmt: skip
        assert value.device.type == "cpu"
    p.rsample((3,)).sum().backward()


# Odd arguments


@pytest.mark.parametrize("dim", [2, 3, 50])
def test_concentrations_out_of_range_without_validation(dim: int) -> None:
    """An infinite one gives the mean direction; NaN and negative ones NaN, and all at once."""
    kappa = torch.tensor([math.inf, math.nan, -1.0, 1e300, 0.0, 2.0], dtype=DOUBLE)
    p = posterior(kappa, dim)
    for rows in (p.sample((9,)), p.rsample((9,))):
        torch.testing.assert_close(rows[:, 0], unit(dim).expand(9, dim), rtol=1e-14, atol=1e-16)
        torch.testing.assert_close(rows[:, 3], unit(dim).expand(9, dim), rtol=1e-14, atol=1e-14)
        assert torch.isnan(rows[:, 1:3]).all()
        assert torch.isfinite(rows[:, 3:]).all()
    assert torch.equal(torch.isnan(p.entropy()), torch.isnan(kappa) | (kappa < 0))


@pytest.mark.parametrize("kappa", [math.inf, math.nan, -1.0, -math.inf])
def test_concentrations_out_of_range_are_refused(kappa: float) -> None:
    with pytest.raises(ValueError, match=r"concentration.*to satisfy the constraint"):
        VonMisesFisher(unit(5), kappa, validate_args=True)


def test_numbers_take_the_type_of_the_mean_direction() -> None:
    for dtype, expected in (
        (DOUBLE, DOUBLE), (torch.float32, torch.float32), (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
    ):  # fmt: skip
        for kappa in (3.3, 3, torch.tensor(3)):
            p = VonMisesFisher(unit(5).to(dtype), kappa)
            assert p.concentration.dtype == expected
    assert VonMisesFisher(unit(5), 3.3).concentration.item() == 3.3
    assert VonMisesFisher(unit(5).half(), 70000).concentration.item() == 70000
    assert VonMisesFisher(unit(5), torch.tensor(3.3)).concentration.dtype == torch.float32


def test_values_of_another_dimension() -> None:
    for p in (posterior(2.0), HypersphericalUniform(6, validate_args=False)):
        for value in (torch.ones(1), torch.tensor(1.0), torch.ones(6, 5)):
            with pytest.raises(ValueError, match=r"expected \(\.\.\., 6\)"):
                p.log_prob(value)
    with pytest.raises(TypeError, match="integer"):
        HypersphericalUniform(3.5)  # type: ignore[arg-type]
    assert repr(HypersphericalUniform(6, (2,))).startswith("HypersphericalUniform(dim: 6")


def test_unconstrained_concentrations() -> None:
    constraint = VonMisesFisher.arg_constraints["concentration"]
    for registry in (biject_to, transform_to):
        assert registry(constraint)(torch.tensor(-3.0)).item() == pytest.approx(math.exp(-3))


def test_inside_other_distributions() -> None:
    components = VonMisesFisher(unit(3, 6), torch.tensor([1.0, 2.0, 3.0], dtype=DOUBLE))
    x = unit(6)
    mixture = MixtureSameFamily(Categorical(torch.tensor([0.2, 0.3, 0.5])), components)
    density = (torch.tensor([0.2, 0.3, 0.5]) * components.log_prob(x).exp()).sum()
    assert mixture.log_prob(x).exp().item() == pytest.approx(density.item(), rel=1e-6)
    assert mixture.sample((4,)).shape == (4, 6)
    joint = Independent(components, 1)
    assert joint.log_prob(unit(3, 6)).item() == pytest.approx(
        components.log_prob(unit(3, 6)).sum().item(), rel=1e-12
    )
