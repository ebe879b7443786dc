"""One writer at a time, and errors that name the file."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.libraries import needs_format
from vmf.errors import EmbeddingError
from vmf.output import claimed_output

HOLDER = """
import sys, time
from vmf.output import claimed_output
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


VMF = [sys.executable, "-c", "from vmf.cli import app; app(prog_name='vmf')"]


@pytest.fixture
def folder(tmp_path):
    """Rows in x.npy and their model, both larger than the limit below."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((2000, 500)))
    subprocess.run(
        [*VMF, "fit", "-q", str(tmp_path / "x.npy"), "-o", str(tmp_path / "m.safetensors")],
        check=True,
    )
    return tmp_path


def limit_of_four_kilobytes() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


@pytest.mark.parametrize("there_before", [False, True])
@pytest.mark.parametrize(
    "command",
    [
        "fit x.npy -o new.safetensors",
        "fit --update m.safetensors x.npy -o new.safetensors",
        "merge m.safetensors -o new.safetensors",
        "score m.safetensors x.npy -o new.csv",
        "score m.safetensors x.npy -o new.npy",
        "score m.safetensors x.npy -o new.parquet",
        "fit x.npy -o other.safetensors --checkpoint new.checkpoint",
    ],
)
def test_a_write_error_names_the_file_and_leaves_nothing(folder, command, there_before):
    """A limit on the size of files ends a write as a full disk does, with another word."""
    needs_format(command)
    arguments = command.split()
    name = arguments[-1]
    if there_before and not name.endswith("checkpoint"):
        (folder / name).write_text("from before")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    driver = "from vmf.jobs import fit as f\n"
    driver += "f.fit_to_file.__kwdefaults__['seconds'] = 0.0\n" + VMF[2]
    done = subprocess.run(
        [sys.executable, "-c", driver, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        preexec_fn=limit_of_four_kilobytes,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"vmf: error: {name}: ")
    assert os.strerror(27) in done.stderr
    assert done.stderr.endswith("; no output was written\n")
    assert done.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_command_on_a_locked_output_is_one_line(folder):
    with claimed_output(folder / "s.csv"):
        command = ["score", "m.safetensors", "x.npy", "-o", "s.csv"]
        done = subprocess.run([*VMF, *command], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"vmf: error: s.csv: is being written by process {os.getpid()} on"
    )
    assert not (folder / "s.csv").exists()
