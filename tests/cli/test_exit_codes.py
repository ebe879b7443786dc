"""The command as a process: how it ends, what it leaves behind, how much it loads."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import vmf
from tests.libraries import needs_format
from vmf.cli import exit_codes
from vmf.jobs import fit as fitting

VMF = [sys.executable, "-c", "from vmf.cli import app; app(prog_name='vmf')"]


def run(*arguments: object, **how) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*VMF, *map(str, arguments)], capture_output=True, text=True, timeout=60, **how
    )


def test_the_codes_of_a_process(folder):
    model = ["-o", folder / "n.safetensors"]
    assert run("--help").returncode == 0
    assert run("fit", folder / "x.npy", *model).returncode == 0
    bad = run("fit", folder / "missing.npy", *model)
    assert (bad.returncode, bad.stdout) == (exit_codes.BAD_INPUT, "")
    assert bad.stderr == f"vmf: error: {folder / 'missing.npy'}: does not exist\n"
    for usage in (["fit"], ["fit", folder / "x.npy"], ["frobnicate"], ["fit", "--nonsense"]):
        assert run(*usage).returncode == exit_codes.BAD_INPUT


def test_version():
    assert run("--version").stdout == f"vmf {vmf.__version__}\n"


@pytest.mark.parametrize(
    "command", ["extract", "fit", "merge", "score", "evaluate", "sample", "info"]
)
def test_help_teaches_with_examples(command):
    out = run(command, "--help", env={**os.environ, "COLUMNS": "200"}).stdout
    assert f"vmf {command} " in out.split("For example")[1]


def test_help_loads_neither_numpy_nor_pyarrow():
    code = (
        "import sys\nfrom vmf.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "loaded = {'numpy', 'pyarrow', 'pandas', 'scipy', 'safetensors', 'torch'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_fit_of_a_npy_does_not_load_pyarrow(folder):
    code = (
        "import sys\nfrom vmf.cli import app\n"
        "try: app(sys.argv[1:])\nexcept SystemExit as end: assert not end.code\n"
        "loaded = {'pyarrow', 'pandas', 'scipy', 'sklearn'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    arguments = ["fit", folder / "x.npy", "-o", folder / "n.safetensors"]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def start_long_draw(folder, ending: str) -> subprocess.Popen:
    """A command that writes for a long time; returns when its temporary file is there."""
    arguments = ["sample", folder / "m.safetensors", "-n", 10**9, "-o", folder / f"d{ending}"]
    process = subprocess.Popen(
        [*VMF, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not any(name.endswith(".part") for name in folder.names()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("ending", [".npy", ".csv", ".parquet"])
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, exit_codes.INTERRUPTED), (signal.SIGTERM, exit_codes.TERMINATED)],
)
def test_a_signal_ends_it_and_leaves_nothing(folder, number, code, ending):
    needs_format(ending)
    before = folder.names()
    process = start_long_draw(folder, ending)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in said
    assert folder.names() == before


@pytest.mark.parametrize("unbuffered", ["", "1"])  # "": written when the command ends
def test_a_full_disk_ends_with_one_line(folder, unbuffered):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as out:
        done = subprocess.run(
            [*VMF, "info", str(folder / "x.npy")],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert done.returncode == exit_codes.FAILED
    assert done.stderr == "vmf: error: No space left on device; no output was written\n"


@pytest.mark.skipif(
    sys.platform != "linux", reason="a limit for the size of files stands for the disk"
)
@pytest.mark.parametrize(
    "ending",
    [".npy", ".npz", ".csv", ".parquet", ".arrow", ".h5", ".zarr", ".safetensors", ".pt"],
)
def test_an_output_that_the_disk_does_not_take_ends_with_one_line(tmp_path, ending):
    needs_format(ending)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((2000, 64)))
    program = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "from vmf.cli import app\napp(sys.argv[1:], prog_name='vmf')\n"
    )
    command = [sys.executable, "-c", program, "convert", "-q", str(tmp_path / "x.npy")]
    command += ["-o", str(tmp_path / f"y{ending}")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == exit_codes.FAILED
    assert "File too large; no output was written" in done.stderr
    assert done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["x.npy"]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(28, "No space left on device", "m.tmp"), 1, "m.tmp: No space left on device"),
        (MemoryError(), 1, "out of memory"),
        (KeyboardInterrupt(), 130, "interrupted; no output was written"),
    ],
)
def test_what_the_library_raises(folder, monkeypatch, error, code, said):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(fitting, "fit_to_file", fail)
    result = folder.run("fit", folder / "x.npy", "-o", folder / "n.safetensors", exit_code=code)
    assert said in result.stderr


def test_an_unforeseen_error_shows_where_it_happened(folder, monkeypatch):
    def fail(*_, **__):
        raise ValueError("a mistake in the toolkit")

    monkeypatch.setattr(fitting, "fit_to_file", fail)
    result = folder.run("fit", folder / "x.npy", "-o", folder / "n.safetensors", exit_code=1)
    assert isinstance(result.exception, ValueError)


def test_a_reader_of_stdout_may_leave_early(folder):
    command = " ".join([f"'{sys.executable}'", "-c", f'"{VMF[2]}"', "info", str(folder / "x.npy")])
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_terminal_gets_a_progress_bar_and_a_pipe_none(folder, monkeypatch):
    rows = np.random.default_rng(0).standard_normal((3, 4))
    np.save(folder / "x.npy", np.tile(rows, (100, 1)))
    slow = (
        "import vmf.cli.progress as p, time, sys\np._DELAY_SECONDS = 0\n"
        "from vmf.passes.engine import Reading\nReading.chunk_bytes_for = lambda self, task: 1000\n"
        "from vmf.cli import app\napp(sys.argv[1:], prog_name='vmf')\n"
    )
    arguments = ["fit", str(folder / "x.npy"), "-o", str(folder / "n.safetensors")]
    command = [sys.executable, "-c", slow, *arguments]
    main, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=side, env=environment)
    os.close(side)
    drawn = os.read(main, 1 << 16).decode()
    os.close(main)
    assert done.returncode == 0
    assert "fitting" in drawn
    assert "100%" in drawn
    assert "MB/s" in drawn
    assert b"fitting" not in done.stdout
    piped = subprocess.run(command, capture_output=True)
    assert piped.stderr == b""
