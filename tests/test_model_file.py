from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import vmf
from vmf.distribution.model import Model, is_model_file, load_model, save_model
from vmf.errors import EmbeddingError, ModelFileError
from vmf.estimation import fit
from vmf.estimation.statistics import SufficientStatistics

RNG = np.random.default_rng(0)
DIM = 7


def make_model(labels=("cat", "dög", "")) -> Model:
    statistics = []
    for number, _ in enumerate(labels):
        mu = np.eye(DIM)[number]
        rows = vmf.VonMisesFisher(mu, 10.0 + number).sample(40, RNG) * 2
        rows[3] = 0
        statistics.append(SufficientStatistics.from_rows(rows, on_bad_rows="skip"))
    fits = [fit(s) for s in statistics]
    return Model(
        classes=tuple(labels),
        mean_direction=np.array([f.mean_direction for f in fits]),
        concentration=np.array([f.concentration for f in fits]),
        standard_error=np.array([f.concentration_standard_error for f in fits]),
        statistics=tuple(statistics),
        estimator="mle",
        sources=("a.npy", "/secret/folder/b.npy"),
        toolkit_version="1.2.3",
    )


@pytest.fixture
def path(tmp_path):
    save_model(make_model(), tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def rewrite(path, tensors=None, metadata=None, drop=None, **description):
    """Save the model again with changes."""
    from safetensors import safe_open

    stored = load_file(path)
    with safe_open(path, framework="numpy") as file:
        old = dict(file.metadata())
    if description:
        old["model"] = json.dumps(json.loads(old["model"]) | description)
    stored |= tensors or {}
    if drop:
        del stored[drop]
    save_file(stored, path, old | (metadata or {}))


@pytest.mark.parametrize("labels", [("cat", "dög", ""), (None,), ("only",)])
def test_everything_reads_back_bit_for_bit(tmp_path, labels):
    model = make_model(labels)
    save_model(model, tmp_path / "m.safetensors")
    read = load_model(tmp_path / "m.safetensors")
    assert read.classes == labels
    assert (read.estimator, read.toolkit_version) == ("mle", "1.2.3")
    assert read.sources == ("a.npy", "b.npy")
    assert read.dimension == DIM
    for name in ("mean_direction", "concentration", "standard_error", "proportions"):
        np.testing.assert_array_equal(getattr(read, name), getattr(model, name))
    for ours, theirs in zip(read.statistics, model.statistics, strict=True):
        np.testing.assert_array_equal(ours.resultant, theirs.resultant)
        np.testing.assert_array_equal(ours.resultant_lo, theirs.resultant_lo)
        for name in ("count", "weight", "weight2", "normalised", "skipped", "dispersion"):
            assert getattr(ours, name) == getattr(theirs, name)
        assert (ours.normalised, ours.skipped) == (39, 1)


def test_the_same_model_is_the_same_file(tmp_path):
    model = make_model()
    contents = set()
    for number in range(10):
        save_model(model, tmp_path / f"{number}.safetensors")
        contents.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(contents) == 1
    assert load_file(tmp_path / "0.safetensors")["mean_direction"].shape == (3, DIM)


def test_a_model_can_be_fitted_again_from_its_file(path):
    model = load_model(path)
    again = [fit(s).concentration for s in model.statistics]
    np.testing.assert_array_equal(again, model.concentration)


def test_no_folder_name_is_kept(path):
    assert b"secret" not in path.read_bytes()


def test_a_missing_standard_error_is_kept(tmp_path):
    model = replace(make_model(), standard_error=np.array([1.0, np.nan, np.inf]))
    save_model(model, tmp_path / "m.safetensors")
    read = load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(read.standard_error, [1.0, np.nan, np.inf])


def test_saving_is_all_or_nothing(path, monkeypatch):
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_model(make_model(), path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_only_the_usual_ending_is_written(tmp_path):
    with pytest.raises(EmbeddingError, match=r"has '.npy'; the output is one of .safetensors"):
        save_model(make_model(), tmp_path / "m.npy")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ()}, "at least one class"),
        ({"classes": ("a", "a", "b")}, "same label"),
        ({"classes": ("a", None, "b")}, "may lack a label"),
        ({"classes": ("a", "b")}, "3 entries for 2 classes"),
        ({"mean_direction": np.ones((3, DIM))}, "not a unit vector"),
        ({"mean_direction": np.full((3, DIM), np.nan)}, "not a unit vector"),
        ({"mean_direction": np.eye(DIM)[0]}, "mean_direction has shape"),
        ({"mean_direction": np.eye(9)[:3]}, "differ in dimension"),
        ({"concentration": np.array([1.0, np.inf, 1.0])}, "finite number >= 0"),
        ({"concentration": np.array([1.0, -1.0, 1.0])}, "finite number >= 0"),
        ({"standard_error": np.ones(2)}, "standard_error has 2 entries for 3"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(make_model(), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drop": "concentration"}, "lacks the tensor 'concentration'"),
        (
            {"tensors": {"concentration": np.ones(3, np.float32)}},
            r"tensor 'concentration' is F32 \[3\], expected F64 \[3\]",
        ),
        ({"tensors": {"resultant": np.ones((3, 8))}}, r"expected F64 \[3, 7\]"),
        ({"tensors": {"concentration": np.array([1, np.nan, 1])}}, "concentration has values that"),
        ({"tensors": {"mean_direction": np.ones((3, DIM))}}, "not a unit vector"),
        ({"tensors": {"count": -np.ones(3)}}, "is damaged"),
        ({"tensors": {"resultant": np.full((3, DIM), 1e9)}}, "more than the sum of the weights"),
        ({"tensors": {"dispersion": np.full(3, 1e9)}}, "dispersion"),
        ({"metadata": {"format": "other"}}, "not a model written by vmf fit"),
        ({"metadata": {"model": "{"}}, "damaged metadata"),
        ({"metadata": {"model": "[" * 100_000}}, "damaged metadata"),
        ({"metadata": {"model": "{}"}}, "damaged metadata"),
        ({"metadata": {"model": "3"}}, "damaged metadata"),
        ({"format_version": 2}, "has model format 2, this version reads up to 1; upgrade"),
        ({"format_version": "1"}, "damaged metadata"),
        ({"classes": "abc"}, "damaged metadata"),
        ({"classes": [1, 2, 3]}, "damaged metadata"),
        ({"classes": ["a", "b"]}, r"expected F64 \[2, 7\]"),
        ({"classes": ["a", "a", "b"]}, "same label"),
        ({"dimension": "7"}, "damaged metadata"),
        ({"sources": [1]}, "damaged metadata"),
        ({"estimator": None}, "damaged metadata"),
    ],
)
def test_damaged_models_are_refused(path, changes, message):
    rewrite(path, **changes)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(ModelFileError, match="does not exist"):
        load_model(path)
    with pytest.raises(ModelFileError, match="is a folder"):
        load_model(tmp_path)
    for content in (b"", b"1234", b"\x80\x04cposix\nsystem\n", b"1,2,3\n4,5,6\n"):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="is not a model"):
            load_model(path)
        assert not is_model_file(path)
    save_file({"a": np.ones(3)}, path)
    with pytest.raises(ModelFileError, match="a safetensors file but not a model"):
        load_model(path)


def test_false_header_lengths_are_refused(path):
    whole = path.read_bytes()
    path.write_bytes((1 << 33).to_bytes(8, "little") + whole[8:])
    with pytest.raises(ModelFileError, match="header is said to take 8589934592 bytes"):
        load_model(path)
    with open(path, "wb") as stream:
        stream.write((100 << 20).to_bytes(8, "little") + b"{")
        stream.truncate(101 << 20)
    with pytest.raises(ModelFileError, match="header of 104857600 bytes, more than a model"):
        load_model(path)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_corrupted_bytes_give_a_model_or_one_line(path, data):
    save_model(make_model(), path)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(len(whole) - 300, len(whole)))])
    try:
        model = load_model(path)
    except ModelFileError as error:
        assert str(error).isprintable()  # noqa: PT017
    else:
        assert np.isfinite(model.concentration).all()
