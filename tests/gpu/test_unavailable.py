"""Asking for a GPU that is not there gives one clear sentence."""

from __future__ import annotations

import builtins
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vmf import SufficientStatistics, VonMisesFisher, special
from vmf.arrays import gpu
from vmf.arrays.gpu import kernel_sources, require_cupy
from vmf.arrays.libraries import is_cupy
from vmf.errors import GPUUnavailableError
from vmf.estimation import statistics_by_class


class CUDARuntimeError(RuntimeError):
    pass


def _cupy(count: Any) -> Any:
    runtime = SimpleNamespace(getDeviceCount=count, CUDARuntimeError=CUDARuntimeError)
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))


def _one_sentence(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    return text


def test_cupy_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(GPUUnavailableError) as raised:
        require_cupy()
    text = _one_sentence(raised.value)
    assert text.startswith("CuPy ")
    assert "pip install 'vmf-toolkit[gpu]'" in text
    assert "gpu-cuda13" in text


def test_cupy_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def broken(name: str, *rest: Any, **options: Any) -> Any:
        if name == "cupy":
            raise ImportError("libcuda.so.1: cannot open shared object file\nmore lines")
        return real_import(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(GPUUnavailableError, match=r"libcuda\.so\.1") as raised:
        require_cupy()
    _one_sentence(raised.value)


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> int:
        raise CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")

    monkeypatch.setitem(sys.modules, "cupy", _cupy(count))
    with pytest.raises(GPUUnavailableError, match="no usable NVIDIA GPU") as raised:
        require_cupy()
    assert "CUDA driver version is insufficient" in _one_sentence(raised.value)


def test_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", _cupy(lambda: 0))
    with pytest.raises(GPUUnavailableError, match="CUDA_VISIBLE_DEVICES") as raised:
        require_cupy()
    _one_sentence(raised.value)


def test_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _cupy(lambda: 1)
    monkeypatch.setitem(sys.modules, "cupy", module)
    assert require_cupy() is module


def test_this_machine() -> None:
    try:
        cupy = require_cupy()
    except GPUUnavailableError as error:
        _one_sentence(error)
    else:
        assert cupy.cuda.runtime.getDeviceCount() > 0


def test_arrays_of_numpy_are_not_cupy() -> None:
    assert not is_cupy(np.ones(2))
    assert not is_cupy(1.0)
    assert not is_cupy(None)


class _Array(np.ndarray):
    """What passes for an array of a CuPy that is not there any more."""


_Array.__module__ = "cupy"
_ROWS = np.full((4, 4), 0.5).view(_Array)


@pytest.mark.parametrize(
    "call",
    [
        lambda: special.log_iv(1.0, _ROWS),
        lambda: special.concentration(3, _ROWS),
        lambda: SufficientStatistics.from_rows(_ROWS),
        lambda: SufficientStatistics.from_rows(np.asarray(_ROWS)).update(_ROWS),
        lambda: statistics_by_class(_ROWS, [0, 1, 1, 0]),
        lambda: VonMisesFisher.fit(_ROWS),
        lambda: VonMisesFisher(np.eye(4)[0], 2.0).logpdf(_ROWS),
        lambda: VonMisesFisher(np.eye(4)[0], 2.0).pdf(_ROWS),
    ],
)
def test_every_way_in_says_the_same(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(GPUUnavailableError, match=r"^CuPy ") as raised:
        call()
    _one_sentence(raised.value)


def test_the_sources_are_found() -> None:
    folder = kernel_sources()
    assert (folder / "cuda" / "rows.cu").is_file()
    assert (folder / "include" / "vmf" / "single.hpp").is_file()


def test_missing_sources_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    import vmf._core

    monkeypatch.setattr(gpu, "__file__", str(tmp_path / "vmf" / "gpu.py"))
    monkeypatch.setattr(vmf._core, "__file__", str(tmp_path / "core.so"))
    kernel_sources.cache_clear()
    try:
        with pytest.raises(FileNotFoundError, match="install the package again"):
            kernel_sources()
    finally:
        kernel_sources.cache_clear()


def test_options_name_the_sources() -> None:
    options = gpu.compile_options(function="log_iv", float="double")
    assert "--fmad=false" in options
    assert options[-2:] == ("-DVMF_FLOAT=double", "-DVMF_FUNCTION=log_iv")
