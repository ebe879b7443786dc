"""One writer at a time, and errors that name the file."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from vmf.embeddings import EmbeddingError
from vmf.passes.output import claimed_output

HOLDER = """
import sys, time
from vmf.passes.output import claimed_output
with claimed_output(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "o.csv")], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "held\n"
    yield run
    run.kill()
    run.communicate()


def test_a_second_process_is_told_of_the_first(tmp_path, holder):
    expected = f"o.csv: is being written by process {holder.pid} on .* since 20"
    with pytest.raises(EmbeddingError, match=expected), claimed_output(tmp_path / "o.csv"):
        pass
    with claimed_output(tmp_path / "other.csv"):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_lock_ends_with_its_process(tmp_path, holder, number):
    holder.send_signal(number)
    holder.wait(timeout=30)
    (tmp_path / ".o.csv.0123abcd.part").write_text("half")
    (tmp_path / ".o.csv.mine.part").write_text("of somebody else")
    with claimed_output(tmp_path / "o.csv"):
        assert {p.name for p in tmp_path.iterdir()} == {".o.csv.lock", ".o.csv.mine.part"}
    assert {p.name for p in tmp_path.iterdir()} == {".o.csv.mine.part"}


def test_a_write_error_names_the_file_and_leaves_nothing(tmp_path):
    """A limit on the size of files ends a write as a full disk does, with another word."""
    rows = np.random.default_rng(0).standard_normal((100, 1000))
    np.save(tmp_path / "x.npy", rows)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    vmf = [sys.executable, "-c", "from vmf.cli import app; app(prog_name='vmf')"]
    output = tmp_path / "m.safetensors"
    done = subprocess.run(
        [*vmf, "fit", str(tmp_path / "x.npy"), "-o", str(output)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert done.returncode == 1
    assert done.stderr == f"vmf: error: {output}: {os.strerror(27)}; no output was written\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
