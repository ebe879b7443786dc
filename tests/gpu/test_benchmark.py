"""The benchmark of the GPU, as far as it goes without one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import gpu as benchmark
from vmf.errors import GPUUnavailableError

HOST = SimpleNamespace(asarray=np.asarray, asnumpy=np.asarray)


def test_without_a_gpu_one_sentence_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    def absent() -> None:
        raise GPUUnavailableError("there is no GPU")

    monkeypatch.setattr(benchmark, "require_cupy", absent)
    assert benchmark.main(["--output", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "benchmarks.gpu: there is no GPU\n")
    assert list(tmp_path.iterdir()) == []


def test_accuracy_of_values_that_are_right_and_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = benchmark.accuracy_single(HOST, 1, 50)
    assert all(row["met"] for row in rows)
    wrong = SimpleNamespace(asarray=np.asarray, asnumpy=lambda y: y * (1 + 1e-5))
    rows = benchmark.accuracy_single(wrong, 1, 50)
    assert not any(row["met"] for row in rows if row["function"] == "log_iv")


def test_every_function_is_held_to_its_bar() -> None:
    rows = benchmark.accuracy_double(HOST, 1, 8, 1)
    assert {row.function for row in rows} == set(benchmark.NAMES)
    assert all(row.ok for row in rows)


def test_report() -> None:
    report = {
        "command": "c",
        "seed": 1,
        "environment": {"device": "Card 1", "driver": "2"},
        "limits": {"copy_gb_s": 1234.5678},
        "fit": {"rows": 5, "met": False},
        "float32": [{"function": "log_iv", "max_eps": 0.123456, "met": True}],
    }
    text = benchmark.markdown(report)
    assert text.startswith("# Card 1\n")
    assert "| log_iv | 0.1235 | met |" in text
    assert "| 5 | MISSED |" in text
    assert benchmark.missed(report) == [report["fit"]]
