"""Workers, schedulers and drivers that die, and what is kept."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import dask
import pytest

from tests.cluster.conftest import CHUNK_BYTES, small
from tests.passes.test_merging import numbers
from vmf.cluster import open_client
from vmf.cluster.blocks import Block
from vmf.cluster.in_order import in_order
from vmf.cluster.runner import Spread
from vmf.distribution.model import load_model
from vmf.embeddings.opening import open_files
from vmf.errors import ClusterError, EmbeddingError
from vmf.jobs import fit as fitting
from vmf.jobs.fit import fit_files, fit_to_file
from vmf.jobs.score import score_to_file
from vmf.passes.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[2]

# A fit in blocks of as many bytes as the first argument says, with a checkpoint after each.
DRIVER = """
import sys
from vmf.cluster import runner
from vmf.passes import engine, keeper

if __name__ == "__main__":
    size = int(sys.argv[1])
    engine.Reading.chunk_bytes_for = lambda self, task: size
    runner.Spread.smallest_block = runner.Spread.largest_block = size
    runner.Spread.__init__.__defaults__ = (size, size)
    keeper.Keeper.offer = lambda self, state: self.write(state())
    from vmf.cli import app
    app(sys.argv[2:], prog_name="vmf")
"""


def worker_processes(client) -> list[int]:
    return list(client.run(os.getpid).values())


@contextmanager
def running(*command: str, wait_for: int | None = None):
    """A process in a group of its own; with `wait_for`, once it listens at this port."""
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    try:
        while wait_for is not None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", wait_for)) == 0:
                    break
            assert process.poll() is None
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scheduler(port: int):
    command = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    return running("-m", "distributed.cli.dask_scheduler", *command, wait_for=port)


def worker(port: int, *more: str):
    command = (f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--no-dashboard", "--no-nanny")
    return running("-m", "distributed.cli.dask_worker", *command, *more)


def members(group: int) -> list[str]:
    """The living processes of a group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(entry.name)
    return found


def test_killed_workers_are_replaced_and_their_blocks_done_again(folder, files):
    here = fit_files(files, labels=[folder / "y.npy"])
    score_to_file(here, files, folder / "here.csv")
    with open_client(workers=2) as client:
        killed = []

        def kill_one(done: int, total: int) -> None:
            if done >= (total * (len(killed) + 1)) // 4 and len(killed) < 2:
                # The scheduler may not have noticed the death of the first one yet.
                alive = [one for one in worker_processes(client) if one not in killed]
                killed.extend(alive[:1])
                for process in alive[:1]:
                    os.kill(process, signal.SIGKILL)

        there = fit_files(
            files,
            labels=[folder / "y.npy"],
            runner=Spread(client, CHUNK_BYTES, CHUNK_BYTES),
            reading=small(),
            progress=kill_one,
        )
        assert len(set(killed)) == 2
        killed.clear()
        score_to_file(
            there,
            files,
            folder / "there.csv",
            runner=Spread(client, CHUNK_BYTES, CHUNK_BYTES),
            reading=small(),
            progress=kill_one,
        )
        assert len(set(killed)) == 2
    assert numbers(there) == numbers(here)
    assert (folder / "there.csv").read_bytes() == (folder / "here.csv").read_bytes()


def end_the_worker(block: Block) -> None:
    os._exit(1)


def test_a_block_that_ends_every_worker_is_named(files):
    file = open_files(files)[0]
    block = Block(0, str(file.path), None, None, 1, 50, 100)
    fewer = dask.config.set({"distributed.scheduler.allowed-failures": 1})
    with fewer, open_client(workers=1) as client:

        def submit(block):
            return client.submit(end_the_worker, block, pure=False)

        with pytest.raises(ClusterError, match=r"a\.npy: rows 50 to 99: each of the 2 workers "):
            list(in_order(client, submit, [block], [file], per_thread=1))


def test_a_scheduler_that_dies_leaves_a_checkpoint_to_go_on_from(folder, files, monkeypatch):
    here = fit_files(files)
    monkeypatch.setattr(fitting, "SECONDS_BETWEEN_CHECKPOINTS", 1e9)
    port = free_port()
    keep = folder / "c.checkpoint"

    def kill_scheduler(done: int, total: int) -> None:
        if done > total // 3:
            of_scheduler.kill()

    with (
        scheduler(port) as of_scheduler,
        worker(port),
        open_client(f"tcp://127.0.0.1:{port}") as client,
        pytest.raises(ClusterError) as error,
    ):
        fit_to_file(
            files,
            folder / "m.safetensors",
            checkpoint=keep,
            runner=Spread(client, CHUNK_BYTES, CHUNK_BYTES),
            reading=small(),
            progress=kill_scheduler,
        )
    kept = load_checkpoint(keep).rows
    assert 2000 < kept < 6000
    assert str(error.value) == (
        f"the scheduler tcp://127.0.0.1:{port} is gone, or cannot be reached any more; see to it"
        f" and begin again; {kept} rows are kept in {keep}, and the same command with resume=True goes on"
        " from there"
    )
    # What one cluster has begun a single process ends.
    seen = []
    found = fit_to_file(
        files,
        folder / "m.safetensors",
        checkpoint=keep,
        resume=True,
        reading=small(),
        progress=lambda done, total: seen.append(done),
    )
    assert numbers(found) == numbers(here)
    assert kept < seen[0] <= kept + 50
    assert not keep.exists()


def refuse(error: type[Exception], match: str, *cluster) -> None:
    with pytest.raises(error, match=match), open_client(*cluster):
        pass


def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch):
    from vmf.cluster import connection

    monkeypatch.setattr(connection, "_SECONDS_TO_CONNECT", 1)
    refuse(ClusterError, r"^the scheduler tcp://127\.0\.0\.1:1 cannot be rea", "tcp://127.0.0.1:1")
    refuse(EmbeddingError, "'nonsense' is no address of a scheduler, as tcp:", "nonsense")
    refuse(ClusterError, "cannot be reached", "gopher://here:70")
    refuse(EmbeddingError, "give one of address", "tcp://127.0.0.1:1", 2)
    refuse(EmbeddingError, "^workers is 0; it must be at least 1", None, 0)


def test_without_workers_or_with_those_that_lack_the_toolkit_it_says_so(monkeypatch, tmp_path):
    from vmf.cluster import connection

    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    monkeypatch.setattr(connection, "_SECONDS_FOR_WORKERS", 1)
    with scheduler(port):
        refuse(ClusterError, f"{address} has no workers .*dask worker {address}", address)
        monkeypatch.setattr(connection, "_SECONDS_FOR_WORKERS", 60)
        begin = "import sys, types\nsys.modules['vmf'] = "
        (tmp_path / "hide.py").write_text(begin + "None\n")
        with worker(port, "--preload", str(tmp_path / "hide.py")):
            refuse(ClusterError, "the worker tcp://.* has no vmf-toolkit; install", address)
        (tmp_path / "old.py").write_text(begin + "types.SimpleNamespace(__version__='0.0.1')\n")
        with worker(port, "--preload", str(tmp_path / "old.py")):
            refuse(ClusterError, r"has vmf-toolkit 0\.0\.1, this process", address)


@pytest.fixture
def command(folder, files):
    driver = folder / "driver.py"
    driver.write_text(DRIVER)
    fixed = ["fit", *map(str, files), "--labels", str(folder / "y.npy")]
    fixed += ["-o", str(folder / "m.safetensors"), "--checkpoint", str(folder / "c.checkpoint")]

    def command(*more: str, rows: int = 5) -> list[str]:
        return [str(driver), str(rows * CHUNK_BYTES // 50), *fixed, *more]

    return command


def rows_kept(folder: Path) -> int:
    path = folder / "c.checkpoint"
    return load_checkpoint(path).rows if path.exists() else 0


def test_a_run_killed_at_random_moments_ends_with_the_same_bits(folder, files, command):
    here = fit_files(files, labels=[folder / "y.npy"])
    moments = random.Random(5)
    for how in (["--workers", "2"], [], ["--workers", "1"]):
        target = rows_kept(folder) + moments.randrange(1, 400)
        with running(*command("--resume", *how, rows=moments.choice([3, 5, 8]))) as run:
            while run.poll() is None and rows_kept(folder) < target:
                time.sleep(0.005)
            run.kill()
            _, said = run.communicate()
            assert run.returncode == -signal.SIGKILL, said
        nothing_stays(run.pid)
        assert 0 < rows_kept(folder) < 6000
    with running(*command("--resume", "--workers", "1", rows=500)) as run:
        _, said = run.communicate()
    assert run.returncode == 0, said
    assert numbers(load_model(folder / "m.safetensors")) == numbers(here)


@pytest.mark.parametrize(
    ("number", "code", "whole_group"),
    [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)],
)
def test_a_signal_ends_the_workers_too_and_keeps_what_was_done(
    folder, command, number, code, whole_group
):
    with running(*command("--workers", "2")) as run:
        while not rows_kept(folder):
            assert run.poll() is None
            time.sleep(0.01)
        (os.killpg if whole_group else os.kill)(run.pid, number)
        _, said = run.communicate()
    assert run.returncode == code, said
    kept = rows_kept(folder)
    assert 0 < kept < 6000
    assert said == (
        f"vmf: error: stopped after {kept} rows, which are kept in {folder / 'c.checkpoint'};"
        " the same command with --resume goes on from there\n"
    )
    nothing_stays(run.pid)


def nothing_stays(group: int) -> None:
    deadline = time.monotonic() + 30
    while members(group):
        assert time.monotonic() < deadline, "processes stay behind"
        time.sleep(0.05)


def test_the_cluster_of_a_user_stays_as_it_was(client, files):
    before = worker_processes(client)
    with open_client(client.scheduler.address) as own:
        fit_files(files, runner=Spread(own))
    assert worker_processes(client) == before
    assert client.submit(len, "abc", pure=False).result() == 3
