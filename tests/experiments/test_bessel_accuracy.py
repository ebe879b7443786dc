"""A run of `bessel-accuracy` on a few points."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from vmf.arrays.gpu import kernel_sources
from vmf.experiments import bessel_accuracy, bessel_figures
from vmf.experiments.libraries import Answers, answers, vector_functions
from vmf.experiments.reproduce import reproduce

TINY = [
    "points=40", "slow.points=2", "slow.seconds_a_value=5", "map.cells=6", "processes=1",
    "ranges=[uniform1e4, small]", "libraries=[vmf, paper, scipy]",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    output = tmp_path_factory.mktemp("results")
    (found,) = reproduce(["bessel-accuracy"], output, quick=True, overrides=TINY)
    return found


def test_writes_tables_figures_configuration_and_environment(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.yaml", "environment.yaml", "error_map_log_iv.png", "error_map_log_kv.png",
        "errors.csv", "errors.md", "regions_log_iv.png", "regions_log_kv.png",
    ]  # fmt: skip
    for picture in folder.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < 100_000


def test_the_table_holds_what_was_asked_for(folder):
    table = pd.read_csv(folder / "errors.csv")
    assert len(table) == 2 * 2 * 3
    ours = table[table["library"] == "this toolkit"]
    assert (ours["scaled max"] <= 4).all()
    assert (ours["not finite %"] == 0).all()
    lost = table.set_index(["library", "range", "function"]).loc["SciPy", "uniform1e4", "log_iv"]
    assert lost["not finite %"] > 50
    assert re.fullmatch(r"-inf \d+", lost["failures"])


def test_no_path_of_the_machine_is_written(folder):
    for name in ("config.yaml", "environment.yaml", "errors.md"):
        assert not re.search(r"(?:^|[\s'\"(:])~?/\w", (folder / name).read_text())


def test_summary_counts_what_is_missing_and_names_the_worst_point():
    true = np.array([1.0, 2.0, -3.0, 4.0])
    values = np.array([1.0, 2.0 + 2.0**-40, np.nan, np.inf])
    given = Answers(values, Counter({"nan": 1, "inf": 1}))
    row = bessel_accuracy.summary(given, np.arange(4.0), np.arange(4.0) + 10, true, 0 * true)
    assert row["not finite %"] == 50
    assert row["failures"] == "inf 1, nan 1"
    assert (row["worst v"], row["worst x"]) == (1, 11)
    assert row["relative max"] == pytest.approx(2.0**-41 / 2.0**-52)
    assert row["relative median"] == row["relative max"] / 2


def test_a_slow_library_may_run_out_of_time():
    v, x = np.array([0.5, 2000.0]), np.array([1.0, 2200.0])
    given = answers("mpmath", None, "log_kv", v, x, seconds=0.05, processes=1)
    assert given.values[0] == pytest.approx(np.log(np.sqrt(np.pi / 2)) - 1)
    assert np.isnan(given.values[1])
    assert sum(given.failures.values()) == 1


def test_libraries_agree_where_all_are_good():
    v, x = np.array([2.5, 10.0]), np.array([3.0, 20.0])
    expected = {name: getattr(vector_functions("vmf"), name)(v, x) for name in ("log_iv", "log_kv")}
    for library in ("paper", "scipy", "mpmath"):
        functions = vector_functions(library)
        for name, values in expected.items():
            np.testing.assert_allclose(getattr(functions, name)(v, x), values, rtol=1e-8)


def test_region_codes_are_those_of_the_kernels():
    header = (kernel_sources() / "include" / "vmf" / "regions.hpp").read_text()
    codes = dict(re.findall(r"region_(\w+) = (\d+),", header))
    names = {
        "log_iv": {"special", "tiny", *(n for n in codes if n.startswith("series"))},
        "log_kv": {
            "special",
            "separated",
            "small_order",
            "temme_log_k",
            *(n for n in codes if n.startswith("interpolated")),
        },
    }
    debye = {name for name in codes if name.startswith("debye")}
    for function, used in names.items():
        assert {int(codes[name]) for name in used | debye} == set(bessel_figures.REGIONS[function])
    for name in debye:
        terms = name.removeprefix("debye")
        assert bessel_figures.REGIONS["log_iv"][int(codes[name])] == f"uniform, {terms} terms"
