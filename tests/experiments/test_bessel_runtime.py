"""A run of `bessel-runtime` on a few points, and the speed-ups computed from known times."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from vmf import special
from vmf.experiments import bessel_runtime
from vmf.experiments.configuration import load
from vmf.experiments.reproduce import reproduce

TINY = [
    "points=200", "repeats=1", "grid.cells=2", "grid.points=20", "slow.points=1",
    "slow.seconds_a_value=0.2", "ranges=[small, uniform150]", "libraries=[vmf, paper, scipy]",
]  # fmt: skip


def test_writes_times_cells_speed_ups_and_figures(tmp_path):
    threads = special.get_num_threads()
    (folder,) = reproduce(["bessel-runtime"], tmp_path, quick=True, overrides=TINY)
    assert special.get_num_threads() == threads
    assert sorted(path.name for path in folder.iterdir()) == [
        "cells.csv", "config.yaml", "environment.yaml", "runtime.md", "speed_ups.csv",
        "speed_ups.png", "times.csv", "times.png",
    ]  # fmt: skip
    times, cells = pd.read_csv(folder / "times.csv"), pd.read_csv(folder / "cells.csv")
    assert (len(times), len(cells)) == (4, 8)
    for column in ("vmf, one thread", "vmf, all threads", "SciPy", "paper's algorithm"):
        assert (times[column] > 0).all()
        assert (cells[column] > 0).all()
    lost = cells[(cells["v from"] > 50) & (cells["x to"] < 200)]
    assert (lost["SciPy finite %"] < 100).all()
    assert "GPU is left out" in (folder / "runtime.md").read_text()


def test_speed_ups_are_medians_over_cells_beside_the_paper_s():
    cells = pd.DataFrame(
        {"function": ["log_iv", "log_iv", "log_kv", "log_kv"],
         "vmf, one thread": [10.0, 10.0, 10.0, 10.0], "SciPy": [100.0, 300.0, 50.0, 70.0],
         "TFP": [1000.0, 30.0, 1000.0, 1000.0], "SciPy finite %": [100.0, 30.0, 100.0, 100.0]}
    )  # fmt: skip
    rows = pd.DataFrame(bessel_runtime.speed_ups(cells, ["SciPy", "TFP"]))
    found = rows.set_index(["against", "function"])
    both = found.loc[("SciPy", "both")]
    assert both["median"] == pytest.approx(8.5)
    assert (both["least"], both["largest"]) == (5, 30)
    assert both["median where SciPy is finite"] == 7
    assert (both["paper: median"], both["paper: largest"]) == (35, 98)
    fastest = found.loc[("fastest third-party library", "both")]
    assert (fastest["median"], fastest["paper: largest"]) == (6, 3403)
    assert np.isnan(found.loc[("SciPy", "log_kv")]["paper: median"])


def test_a_gpu_is_timed_where_there_is_one(monkeypatch):
    config = load("bessel-runtime", quick=True, overrides=[*TINY, "gpu_points=50"])
    event = SimpleNamespace(record=lambda: None, synchronize=lambda: None)
    host = SimpleNamespace(
        asarray=np.asarray, resize=np.resize, empty=np.empty,
        cuda=SimpleNamespace(Event=lambda: event, get_elapsed_time=lambda start, end: 2.0),
    )  # fmt: skip
    watch = bessel_runtime.Stopwatch(config, {"vmf": special}, host)
    row = watch("log_iv", np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert row["vmf, GPU"] == pytest.approx(2e-3 / 50 * 1e9)
