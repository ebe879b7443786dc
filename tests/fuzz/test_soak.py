"""The soak finds what is wrong, and readers of small files take little memory whatever the files promise."""

from __future__ import annotations

import pytest

from . import soak, targets


def test_no_file_takes_more_memory_than_is_allowed():
    tried, failures = soak.batch_process(
        [*targets.READING, "model and checkpoint files"], 10**6, 0, inputs=8
    )
    assert failures == []
    assert tried >= 8 * len(targets.READING)


@pytest.fixture
def broken(monkeypatch):
    def target(folder, seed):
        if seed == 3:
            raise ValueError("three")
        return 10

    monkeypatch.setitem(targets.TARGETS, "broken", target)


def test_a_failure_is_reported_with_its_seed(broken, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert soak.run_batch(["broken"], 1, 0, inputs=5) == 1
    said = capfd.readouterr().out
    assert '{"target": "broken", "seed": 3, "failure": "ValueError at ' in said
    assert '{"tried": 40}' in said
