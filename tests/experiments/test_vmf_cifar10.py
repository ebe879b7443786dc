"""A run of `vmf-cifar10` on small features, and its parts on known answers."""

from __future__ import annotations

import math
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import vmf
from vmf.errors import ExperimentError
from vmf.experiments import peer_fits, vmf_cifar10
from vmf.experiments.configuration import load, shipped_folder
from vmf.experiments.cosine_model import CosineLaw, comparison, nats_lost
from vmf.experiments.feature_sets import feature_sets
from vmf.experiments.peer_fits import Question, Reply, ask, newton_steps
from vmf.experiments.reproduce import reproduce


def silent(line: str) -> None:
    pass


def sets_of(*overrides: str):
    return feature_sets(load("vmf-cifar10", overrides=overrides), silent)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two classes of 300 rows in 80 dimensions, lengths that are not 1, in float32."""
    folder = tmp_path_factory.mktemp("features")
    parts = [vmf.VonMisesFisher(np.eye(80)[k], 60.0).sample(300, k) for k in (0, 1)]
    order = np.random.default_rng(5).permutation(600)
    rows = np.concatenate(parts)[order] * np.linspace(1, 9, 600)[:, None]
    np.save(folder / "x.npy", rows.astype(np.float32))
    np.save(folder / "y.npy", np.repeat(["cat", "dog"], 300)[order])
    return folder


@pytest.fixture(scope="module")
def folder(files, tmp_path_factory):
    (found,) = reproduce(
        ["vmf-cifar10"], tmp_path_factory.mktemp("results"),
        overrides=[f"files=[{{name: small, train: {files}/x.npy, train_labels: {files}/y.npy}}]",
                   "peers.rows=100", "peers.seconds=20", "peers.lengths=2"],
    )  # fmt: skip
    return found


def test_writes_tables_and_figures(folder):
    expected = {f"{name}.csv" for name in vmf_cifar10.TABLES}
    expected |= {"cifar10.md", "config.yaml", "environment.yaml", "cosine_80.png", "classes_80.png"}
    assert {path.name for path in folder.iterdir()} == expected
    assert (folder / "cosine_80.png").read_bytes().startswith(b"\x89PNG")


def test_kappa_is_exact_and_the_three_paths_agree(folder):
    errors = pd.read_csv(folder / "arb.csv").set_index("estimate")
    assert errors.loc["kappa", "kappa, eps"] <= 4
    assert errors.loc["kappa", "A_p(kappa), eps"] <= 4
    assert errors.loc["kappa_0", "kappa, eps"] > errors.loc["kappa_1", "kappa, eps"] > 4
    paths = pd.read_csv(folder / "agreement.csv")
    assert {"NumPy, float64", "vmf fit"} <= set(paths["path"])
    assert (paths["R, relative difference"] <= 1e-12).all()
    assert (paths["kappa, relative difference"] <= 1e-12).all()


def test_every_library_gets_a_verdict(folder):
    table = pd.read_csv(folder / "libraries.csv").set_index(["quantity", "library"])
    assert set(table.loc["kappa"].index) == set(peer_fits.FITS)
    assert set(table.loc["log-likelihood"].index) == set(peer_fits.DENSITIES)
    for what in ("kappa", "log-likelihood"):
        assert table.loc[(what, "this toolkit"), "verdict"] == "right"
        assert (
            table.loc[(what, "mpmath" if what != "kappa" else "mpmath, Newton"), "verdict"]
            == "right"
        )
    # SciPy's search for kappa begins at 1e-8, where its ratio of Bessel functions is 0/0 from p = 67 on.
    assert table.loc[("kappa", "SciPy, its fit"), "verdict"] == "wrong, no exception (1e-08)"


def test_classes_and_images_held_out(folder):
    classes = pd.read_csv(folder / "classes.csv")
    assert list(classes["class"]) == ["cat", "dog"]
    assert classes["rows"].sum() + classes["held out"].sum() == 600
    assert classes["held out"].sum() == 120
    assert (abs(classes["kappa, unbiased"] / 60 - 1) < 0.1).all()
    assert (classes["log-likelihood, own fit"] > classes["log-likelihood, fit of all"]).all()
    (row,) = pd.read_csv(folder / "likelihood.csv").to_dict("records")
    assert row["held out, one a class"] > row["held out, kappa"] > row["uniform"]
    assert row["class named right, %"] > 95


def test_the_cosine_of_each_class_is_as_its_model_says_and_that_of_their_mixture_is_not(folder):
    table = pd.read_csv(folder / "cosine.csv").set_index("fit")
    assert table.loc[["cat", "dog"], "times as wide"].between(0.75, 1.3).all()


def test_a_law_recognises_its_own_samples_and_others():
    law = CosineLaw(512, 300.0)
    t = vmf.VonMisesFisher(np.eye(512)[0], 300.0).sample(4000, 3)[:, 0]
    found = comparison(law, t)
    assert found["times as wide"] == pytest.approx(1, abs=0.05)
    assert found["Kolmogorov distance"] < 1.95 / math.sqrt(4000)  # 0.1 % level
    assert found["outside the central 99.9 %"] < 0.005
    assert abs(found["nats lost an image"]) < 0.02
    wide = law.mean + 4 * (t - law.mean)
    assert comparison(law, wide)["times as wide"] == pytest.approx(4, abs=0.2)
    assert nats_lost(law, wide) == pytest.approx((16 - 1 - math.log(16)) / 2, rel=0.1)
    assert math.isnan(nats_lost(law, t[:49]))


@pytest.mark.parametrize(("dimension", "kappa"), [(2, 3.0), (3, 0.1), (80, 60.0), (32768, 19000.0)])
def test_the_law_s_density_integrates_to_one(dimension, kappa):
    law = CosineLaw(dimension, kappa)
    if dimension == 2:  # its density is infinite at both ends, so integrate over the angle
        t = np.cos(np.linspace(1e-9, np.pi - 1e-9, 20001))
        weight = np.pi / 20000 * np.sqrt(1 - t * t)
        total = float((np.exp(law.log_density(t)) * weight).sum())
    else:
        reach = 12 * law.deviation
        t = np.linspace(max(law.mean - reach, -1), min(law.mean + reach, 1), 40001)
        total = float(np.exp(law.log_density(t[1:-1])).sum() * (t[1] - t[0]))
    assert total == pytest.approx(1, abs=1e-3)


def test_newton_steps_are_sra_s():
    p, r = 64, 0.4
    found = newton_steps(lambda p, k: float(vmf.special.mean_resultant_length(p, k)), p, r)
    assert found == pytest.approx(float(vmf.estimation.sra(p, r)), rel=1e-13)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(10.0), "right"),
        (Reply(10.0 + 1e-6), "inexact by 1e-07"),
        (Reply(11.0), "wrong, no exception (11)"),
        (Reply(math.nan), "nan, no exception"),
        (Reply(math.inf), "inf, no exception"),
        (Reply(problem="raises NoConvergence"), "raises NoConvergence"),
    ],
)
def test_verdicts(reply, verdict):
    assert reply.verdict(10.0) == verdict


def test_a_library_that_hangs_is_stopped_and_says_so():
    question = Question(
        10**7, 0.5, 0.5, 1.3e7
    )  # orders that take mpmath minutes, if it ends at all
    begin = time.perf_counter()
    reply = ask("fit", "mpmath, Newton", question, limit=0.2)
    assert time.perf_counter() - begin < 30
    assert reply.problem in ("no answer in 0.2 s", "raises NoConvergence")


def test_the_reach_of_a_library_is_told_run_by_run():
    found = peer_fits.reach("SciPy, Newton", 8192, [0.2, 0.4, 0.95, 0.97], limit=20)
    assert found == "nan, no exception: 0.2..0.4; right: 0.95..0.97"
    found = peer_fits.reach("SciPy, its fit", 32, [0.3, 0.6], limit=20)
    assert found == "right: 0.3..0.6"


def test_questions_after_one_without_an_answer_are_not_asked():
    hard = Question(10**9, 0.5, 0.5, 1.3e9)
    replies = peer_fits.ask_in_turn(
        "density", "mpmath", [Question(3, 0.5, 0.5, 1.8), hard, hard], limit=1e-3
    )
    assert replies[-1].problem == "not asked"


def test_what_a_library_raises_is_its_answer():
    question = Question(3, 0.5, 0.5, 1.8, rows=Path("absent.npy"))
    reply = ask("fit", "SciPy, its fit", question, limit=20)
    assert reply.problem == "raises FileNotFoundError"


def test_features_that_are_not_there(tmp_path, files):
    with pytest.raises(ExperimentError, match=r"absent\.npy: does not exist; .*overrides='files"):
        sets_of(f"files=[{{name: a, train: {tmp_path}/absent.npy}}]")
    with pytest.raises(ExperimentError, match="no-images: does not exist"):
        sets_of("extract.images=no-images", f"extract.folder={tmp_path}")


def test_what_is_missing_is_said_before_any_other_experiment_has_run(tmp_path):
    config = tmp_path / "absent.yaml"
    shipped = (shipped_folder() / "vmf-cifar10.yaml").read_text()
    config.write_text(shipped.replace("images: cifar10 ", "images: no-cifar10 "))
    with pytest.raises(ExperimentError, match="no-cifar10: does not exist"):
        reproduce(["bessel-accuracy", str(config)], tmp_path / "results", say=pytest.fail)
    assert not (tmp_path / "results").exists()


def test_files_that_do_not_fit_together(tmp_path, files):
    np.save(tmp_path / "other.npy", np.ones((5, 3)))
    np.save(tmp_path / "short.npy", np.arange(4))
    with pytest.raises(ExperimentError, match="another dimension"):
        sets_of(f"files=[{{name: a, train: {files}/x.npy, test: {tmp_path}/other.npy}}]")
    with pytest.raises(ExperimentError, match="4 labels for 600 rows"):
        sets_of(f"files=[{{name: a, train: {files}/x.npy, train_labels: {tmp_path}/short.npy}}]")
    np.save(tmp_path / "three.npy", np.arange(600) % 3)
    both = f"train_labels: {files}/y.npy, test: {files}/x.npy, test_labels: {tmp_path}/three.npy"
    with pytest.raises(ExperimentError, match="other classes"):
        sets_of(f"files=[{{name: a, train: {files}/x.npy, {both}}}]")
    np.save(tmp_path / "two.npy", np.eye(2))
    with pytest.raises(ExperimentError, match="too few"):
        sets_of(f"files=[{{name: a, train: {tmp_path}/two.npy}}]")


def test_features_are_extracted_at_every_size_and_resumed(tmp_path, monkeypatch):
    from vmf import features

    asked = []

    def pretend(images, output, *, weights, size, split, limit, dtype, resume, progress):
        asked.append((str(images), Path(weights).name, output.name, size, split, limit, dtype))
        assert resume
        rows = np.random.default_rng(size).standard_normal((12, size)) + 1
        np.save(output, rows.astype(dtype))
        labels = output.with_suffix(".labels.npy")
        np.save(labels, np.arange(12) % 2)
        progress(12, 12)
        return SimpleNamespace(features=output, labels=labels, rows=12, dimension=size,
                               images_per_second=1.0)  # fmt: skip

    monkeypatch.setattr(features, "extract", pretend)
    (tmp_path / "mine.safetensors").touch()
    first, second = sets_of(
        f"extract.weights={tmp_path}/mine.safetensors", f"extract.folder={tmp_path}/features",
        "extract.sizes=[32, 64]", "extract.limit=12",
    )  # fmt: skip
    assert asked == [
        (
            "cifar10",
            "mine.safetensors",
            f"cifar10_{split}_{size}_12.npy",
            size,
            split,
            12,
            "float16",
        )
        for size in (32, 64)
        for split in ("train", "test")
    ]
    assert (first.dimension, second.dimension) == (32, 64)
    assert first.held_out.path.name == "cifar10_test_32_12.npy"
    assert first.classes == ["0", "1"]
