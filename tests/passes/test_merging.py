"""Adding rows and models gives the bits of one fit."""

from __future__ import annotations

import numpy as np
import pytest

from vmf.distribution.model import Model, load_model, save_model
from vmf.errors import EmbeddingError
from vmf.jobs.fit import fit_files, fit_to_file, merge_to_file


def numbers(model: Model) -> list[bytes]:
    return [
        model.concentration.tobytes(),
        model.standard_error.tobytes(),
        model.mean_direction.tobytes(),
        *(s.resultant.tobytes() + s.resultant_lo.tobytes() for s in model.statistics),
        repr([(s.count, s.dispersion, s.normalised) for s in model.statistics]).encode(),
    ]


@pytest.fixture
def rows() -> np.ndarray:
    rng = np.random.default_rng(5)
    return (rng.standard_normal((601, 33)) + 0.4).astype(np.float32)


@pytest.fixture
def parts(tmp_path, rows):
    """Three files of rows and of labels, and a function that fits some of them."""
    labels = np.array(["cat", "dog", "10"])[np.arange(601) % 3]
    for name, part in {"a": slice(0, 100), "b": slice(100, 101), "c": slice(101, 601)}.items():
        np.save(tmp_path / f"{name}.npy", rows[part])
        np.save(tmp_path / f"{name}.labels.npy", labels[part])

    def fitted(names: str, labelled: bool = False, **how) -> Model:
        output = tmp_path / f"{names}.safetensors"
        label_files = [tmp_path / f"{n}.labels.npy" for n in names] if labelled else ()
        fit_to_file([tmp_path / f"{n}.npy" for n in names], output, labels=label_files, **how)
        return load_model(output)

    return fitted


@pytest.mark.parametrize("estimator", ["mle", "unbiased", "marginal", "map"])
@pytest.mark.parametrize("labelled", [False, True])
def test_updates_and_merges_are_one_fit(tmp_path, parts, estimator, labelled):
    whole = parts("abc", labelled, estimator=estimator)
    model = tmp_path / "a.safetensors"
    parts("a", labelled, estimator=estimator)
    labels = [tmp_path / "b.labels.npy"] if labelled else ()
    grown = fit_to_file([tmp_path / "b.npy"], model, labels=labels, update=model)  # a single row
    labels = [tmp_path / "c.labels.npy"] if labelled else ()
    grown = fit_to_file([tmp_path / "c.npy"], model, labels=labels, update=model)
    assert numbers(grown) == numbers(whole)
    assert numbers(load_model(model)) == numbers(whole)
    assert grown.sources == ("a.npy", "b.npy", "c.npy")
    assert grown.estimator == estimator
    parts("ab", labelled, estimator=estimator)
    parts("c", labelled, estimator=estimator)
    for order in (["ab", "c"], ["c", "ab"]):
        merged = merge_to_file(
            [tmp_path / f"{n}.safetensors" for n in order], tmp_path / "m.safetensors"
        )
        assert numbers(merged) == numbers(whole)
        assert merged.classes == whole.classes


def test_the_function_of_the_library_gives_the_same(tmp_path, parts):
    whole = parts("abc", True)
    files, labels = ([tmp_path / f"{n}{e}.npy" for n in "abc"] for e in ("", ".labels"))
    assert numbers(fit_files(files, labels=labels)) == numbers(whole)


def test_another_estimator_may_be_chosen(tmp_path, parts):
    whole = parts("ac", estimator="unbiased")
    parts("a")
    parts("c", estimator="marginal")
    models = [tmp_path / "a.safetensors", tmp_path / "c.safetensors"]
    merged = merge_to_file(models, tmp_path / "m.safetensors", estimator="unbiased")
    assert numbers(merged) == numbers(whole)
    with pytest.raises(
        EmbeddingError, match=r"c\.safetensors.*'marginal', .*'unbiased'; .*with estimator"
    ):
        merge_to_file(models, tmp_path / "m.safetensors")


def test_what_does_not_fit_is_refused(tmp_path, parts):
    parts("a")
    parts("c", True)
    a, c, out = (tmp_path / f"{n}.safetensors" for n in ("a", "c", "out"))
    with pytest.raises(EmbeddingError, match=r"a\.safetensors: has no classes, but .*c\.saf"):
        merge_to_file([a, c], out)
    with pytest.raises(EmbeddingError, match=r"a\.safetensors: has no classes, but .*c\.saf"):
        merge_to_file([c, a], out)
    with pytest.raises(EmbeddingError, match="is given twice"):
        merge_to_file([a, a], out)
    with pytest.raises(EmbeddingError, match="has classes; give the classes of the new rows"):
        fit_to_file([tmp_path / "a.npy"], out, update=c)
    with pytest.raises(EmbeddingError, match="has no classes; leave out labels"):
        fit_to_file([tmp_path / "a.npy"], out, labels=[tmp_path / "a.labels.npy"], update=a)
    np.save(tmp_path / "narrow.npy", np.random.default_rng(0).standard_normal((50, 5)))
    fit_to_file([tmp_path / "narrow.npy"], tmp_path / "n.safetensors")
    with pytest.raises(EmbeddingError, match=r"n\.safetensors: has dimension 5, but .* has 33"):
        merge_to_file([a, tmp_path / "n.safetensors"], out)
    with pytest.raises(EmbeddingError, match=r"narrow\.npy: has dimension 5, the model .* 33"):
        fit_to_file([tmp_path / "narrow.npy"], out, update=a)
    assert not out.exists()


def test_classes_of_one_model_only_need_a_word(tmp_path, parts, rows):
    parts("c", True)
    c, out = tmp_path / "c.safetensors", tmp_path / "out.safetensors"
    np.save(tmp_path / "birds.npy", rows[:50])
    (tmp_path / "birds.txt").write_text("bird\n" * 50)
    new = {"labels": [tmp_path / "birds.txt"]}
    fit_to_file([tmp_path / "birds.npy"], tmp_path / "b.safetensors", **new)
    for merge in (
        lambda **how: merge_to_file([c, tmp_path / "b.safetensors"], out, **how),
        lambda **how: fit_to_file([tmp_path / "birds.npy"], out, update=c, **new, **how),
    ):
        with pytest.raises(EmbeddingError, match=r"same classes.*bird.*new_classes=True"):
            merge()
        merged = merge(new_classes=True)
        assert merged.classes == ("10", "bird", "cat", "dog")
        assert merged.statistics[1].count == 50


def test_mixtures_and_weighted_models_are_refused(tmp_path, parts, rows):
    pytest.importorskip("sklearn")
    from vmf.models import VMFMixture
    from vmf.models.files import as_model

    parts("a")
    mixture = VMFMixture(2, random_state=0, tol=0.1).fit(rows)
    save_model(as_model(mixture), tmp_path / "mixture.safetensors")
    with pytest.raises(EmbeddingError, match=r"mixture\.safetensors: is a mixture"):
        merge_to_file(
            [tmp_path / "a.safetensors", tmp_path / "mixture.safetensors"],
            tmp_path / "o.safetensors",
        )
    with pytest.raises(EmbeddingError, match="is a mixture"):
        fit_to_file(
            [tmp_path / "a.npy"],
            tmp_path / "o.safetensors",
            update=tmp_path / "mixture.safetensors",
        )
