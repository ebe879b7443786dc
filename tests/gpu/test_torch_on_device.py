"""What `vmf.special` does with CUDA tensors, with stand-ins: the streams, the views, the results."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vmf import special
from vmf.arrays import gpu

torch = pytest.importorskip("torch")

if not hasattr(torch, "Tensor"):
    pytest.skip("torch is not installed", allow_module_level=True)


class Stream:
    """An external stream, as CuPy's; remembers the ones entered."""

    entered: list[tuple[int, Any]] = []  # noqa: RUF012

    def __init__(self, pointer: int, device: Any) -> None:
        self.at = (pointer, device)

    def __enter__(self) -> Stream:
        Stream.entered.append(self.at)
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def on_cuda(device: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`vmf.special._torch`, whose CUDA kernels take CPU tensors here."""
    import vmf.special._cupy as backend
    from vmf.special import _torch

    module = backend.require_cupy()

    def from_dlpack(tensor: Any) -> Any:
        view = np.from_dlpack(tensor).view(type(device(0)))
        assert view.__array_interface__["data"][0] == tensor.data_ptr()
        return view

    module.from_dlpack = from_dlpack
    module.cuda.ExternalStream = Stream
    for name in ("hypot", "maximum", "minimum", "log1p"):
        setattr(module, name, getattr(np, name))
    monkeypatch.setattr(gpu, "require_cupy", lambda: module)
    stream = SimpleNamespace(cuda_stream=1234)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: stream)
    Stream.entered.clear()
    return _torch


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values(on_cuda: Any, dtype: str) -> None:
    v = torch.linspace(0, 30, 7, dtype=getattr(torch, dtype))
    x = torch.linspace(1, 90, 60, dtype=getattr(torch, dtype)).reshape(10, 6)[:, ::2]
    for first, second in ((v[0], x), (v[:3], x), (v[:, None], x[0]), (v[:0], x[0, 0])):
        a, b = torch.broadcast_tensors(first, second.clone().requires_grad_())
        result = on_cuda._on_cuda("log_iv", a, b)
        expected = special.log_iv(a, b.detach())
        assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
        torch.testing.assert_close(
            result, expected, rtol=1e-6 if dtype == "float32" else 1e-15, atol=0
        )
    assert set(Stream.entered) == {(1234, None)}


def test_derivatives_that_are_interpolated(on_cuda: Any) -> None:
    a, x = torch.tensor([0.5, 3.0, 40.0]).double(), torch.tensor([2.0, 5.0, 9.0]).double()
    result = on_cuda._difference_on_cuda(a, x, "log_iv_dv", 1, 0)
    expected = on_cuda._difference_on_cpu(a, x, "log_iv_dv", 1, 0)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=0)


def test_without_cupy_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from vmf.special import _torch

    monkeypatch.setitem(sys.modules, "cupy", None)
    ones = torch.ones(3)
    with pytest.raises(gpu.GPUUnavailableError, match=r"CuPy is not installed|cannot be imported"):
        _torch._on_cuda("log_iv", ones, ones)
