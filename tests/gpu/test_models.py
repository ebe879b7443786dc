"""Mixtures and classifiers of rows on a device, which must not meet arrays of the host on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from tests.models.data import clusters
from vmf.models import VMFClassifier, VMFDensity, VMFMixture


def strict_type(device_array: type) -> type:
    """A device array that refuses, as CuPy's do, to be mixed with arrays of the host."""

    def plain(value: Any) -> Any:
        if isinstance(value, device_array):
            return value.view(np.ndarray)
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        return value

    class StrictArray(device_array):  # type: ignore[misc]
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
            out = options.pop("out", ())
            given = [plain(value) for value in inputs]
            if out:
                options["out"] = tuple(plain(value) for value in out)
            result = getattr(ufunc, method)(*given, **options)
            return out[0] if out else strict(result)

        def __array_function__(self, function: Any, types: Any, given: Any, options: Any) -> Any:
            out = options.get("out")
            if out is not None:
                options = {**options, "out": plain(out)}
            result = function(*(plain(value) for value in given), **options)
            return out if out is not None else strict(result)

    def strict(value: Any) -> Any:
        return value.view(StrictArray) if isinstance(value, np.ndarray) else value

    StrictArray.__module__ = "cupy"
    return StrictArray


class Module:
    """What `cupy` is to the models."""

    __name__ = "cupy"

    def __init__(self, device: Any) -> None:
        self._device = device
        self._type = strict_type(type(device(np.zeros(1))))

    def asarray(self, values: Any) -> Any:
        return self._device(values).view(self._type)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


@pytest.fixture
def strict(device: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = Module(device)
    monkeypatch.setattr("vmf.arrays.libraries.import_module", lambda name: module)
    return module.asarray


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_on_a_device(strict: Any, dtype: Any) -> None:
    host, labels = clusters(rows=40, dtype=dtype)
    rows = strict(host)
    with pytest.raises(TypeError):
        rows + host
    start = np.eye(16)[:3]
    tolerance = 1e-9 if dtype == np.float64 else 1e-4
    for make in (
        lambda X: VMFMixture(3, init=start).fit(X),
        lambda X: VMFMixture(3, assignment="hard", random_state=0).fit(X),
        lambda X: VMFMixture(3, assignment="stochastic", max_iter=3, random_state=0).fit(X),
        lambda X: VMFDensity().fit(X),
        lambda X: VMFClassifier().fit(X, strict(labels)),
        lambda X: VMFClassifier(concentration=5.0).partial_fit(X, labels),
    ):
        found = make(rows)
        expected = make(host) if not isinstance(found, VMFClassifier) else None
        if expected is None:
            kept = {"concentration": found.concentration}
            expected = VMFClassifier(**kept).fit(host, labels)
        assert found.concentrations_ == pytest.approx(expected.concentrations_, rel=tolerance)
        scores = found.score_samples(rows)
        assert type(scores) is type(rows)
        np.testing.assert_allclose(scores.get(), expected.score_samples(host), rtol=1e-4)
        log_proba = found.predict_log_proba(rows)
        np.testing.assert_allclose(
            log_proba.get(),
            expected.predict_log_proba(host),
            atol=1e-2 if tolerance > 1e-5 else 1e-8,
        )


def test_bad_rows_on_a_device(strict: Any) -> None:
    host, _ = clusters(rows=20)
    host[4] = 0.0
    with pytest.warns(UserWarning, match="row 4"):
        model = VMFMixture(2, random_state=0).fit(strict(host))
    with pytest.warns(UserWarning, match="row 4"):
        scores = model.score_samples(strict(host))
    assert np.flatnonzero(np.isnan(scores.get())).tolist() == [4]
    host[9, 3] = np.nan
    with pytest.raises(ValueError, match="X, row 9, column 3"):
        VMFMixture(2).fit(strict(host))
    with pytest.raises(ValueError, match="2 or more"):
        VMFDensity().fit(strict(host[:, :1]))
