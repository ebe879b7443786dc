"""The same rows as memory maps, half precision, sparse matrices and tensors give the same models."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy import sparse

from tests.models.data import clusters
from vmf.arrays.blocks import DirectionRows
from vmf.models import VMFClassifier, VMFDensity, VMFMixture


def models(rows, labels):
    """A mixture, a density and a classifier of the rows, and what they say of them."""
    start = np.eye(16)[:3]
    mixture = VMFMixture(3, init=start).fit(rows)
    classifier = VMFClassifier().fit(rows, labels)
    predictive = VMFClassifier(predictive=True, concentration="tied").fit(rows, labels)
    density = VMFDensity().fit(rows)
    return [
        density.concentrations_,
        mixture.concentrations_,
        mixture.mean_directions_,
        mixture.score_samples(rows),
        mixture.predict_proba(rows),
        mixture.predict(rows),
        classifier.concentrations_,
        classifier.log_density(rows),
        classifier.predict_log_proba(rows),
        classifier.predict(rows),
        predictive.log_density(rows),
        density.score_samples(rows),
    ]


def agree(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), other, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module")
def dense():
    rows, labels = clusters(rows=70)
    rows = np.where(np.abs(rows) < 0.05, 0.0, rows) * 3.0
    return rows, labels, models(rows, labels)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "coo_matrix", "csr_array"])
def test_sparse(dense, form):
    rows, labels, expected = dense
    agree(models(getattr(sparse, form)(rows), labels), expected, 1e-10)


def test_sparse_zero_row_is_named():
    rows = sparse.csr_matrix(np.array([[1.0, 2.0], [0.0, 0.0], [2.0, 1.0]]))
    with pytest.raises(ValueError, match=r"X, row 1 .*all values are zero"):
        VMFDensity(zero_rows="error").fit(rows)
    with pytest.warns(UserWarning, match="row 1"):
        assert VMFDensity().fit(rows).statistics_[0].weight == 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_read_only_memory_maps_are_read_in_blocks(tmp_path, dtype, dense, monkeypatch):
    rows, labels, expected = dense
    np.save(tmp_path / "x.npy", rows.astype(dtype))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    seen = []
    blocks = DirectionRows.blocks

    def watched(self, dtype=None, rows=None):
        assert np.shares_memory(self.array, mapped)
        for block in blocks(self, dtype, rows=64):
            seen.append(len(block.array))
            yield block

    monkeypatch.setattr(DirectionRows, "blocks", watched)
    found = models(mapped, labels)
    tolerance = {np.float16: 2e-2, np.float32: 1e-4, np.float64: 1e-10}[dtype]
    agree([found[0], found[1], found[6]], [expected[0], expected[1], expected[6]], tolerance)
    assert max(seen) == 64
    assert (found[5] == expected[5]).all()


def test_fortran_order_other_endianness_lists_and_integers(dense):
    rows, labels, expected = dense
    agree(models(np.asfortranarray(rows), labels), expected, 1e-12)
    agree(models(rows.astype(">f8"), labels), expected, 1e-12)
    agree(models(rows.tolist(), labels.tolist()), expected, 1e-12)
    whole = np.rint(rows * 100).astype(np.int32)
    agree(models(whole, labels), models(whole.astype(float), labels), 1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_torch_tensors_give_tensors(dense, dtype):
    torch = pytest.importorskip("torch")
    rows, labels, expected = dense
    tensor = torch.tensor(rows).to(getattr(torch, dtype))
    found = models(tensor, torch.tensor(labels))
    for index in (3, 4, 7, 8, 10, 11):
        assert isinstance(found[index], torch.Tensor)
        assert found[index].dtype == torch.float64
    if dtype == "float64":
        agree(found, expected, 1e-10)
        return
    same = models(tensor.double().numpy(), labels)
    agree(found, same, {"float32": 2e-4, "bfloat16": 2e-4}[dtype])


def test_bad_tensors():
    torch = pytest.importorskip("torch")
    good = torch.tensor(clusters(rows=20)[0])
    fitted = VMFDensity().fit(good)
    with pytest.raises(ValueError, match="expecting 16 features"):
        fitted.score_samples(good[:, :4])
    with pytest.raises(ValueError, match=r"shape \(16,\)"):
        VMFDensity().fit(good[0])
    with pytest.raises(TypeError, match="int64"):
        VMFDensity().fit(good.long())
    good[3, 2] = torch.nan
    with pytest.raises(ValueError, match="X, row 3, column 2"):
        VMFDensity().fit(good)


def test_a_tensor_that_learns_is_not_touched(dense):
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(dense[0], requires_grad=True)
    scores = VMFDensity().fit(tensor).score_samples(tensor)
    assert not scores.requires_grad


def test_stochastic_assignment_of_tensors_and_zero_rows():
    torch = pytest.importorskip("torch")
    rows, _ = clusters(rows=40)
    rows[5] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        of_tensor = VMFMixture(3, assignment="stochastic", random_state=0, max_iter=5).fit(
            torch.tensor(rows)
        )
        of_array = VMFMixture(3, assignment="stochastic", random_state=0, max_iter=5).fit(rows)
        scores = of_tensor.score_samples(torch.tensor(rows))
    assert of_tensor.concentrations_ == pytest.approx(of_array.concentrations_, rel=1e-9)
    assert torch.isnan(scores).nonzero().tolist() == [[5]]
