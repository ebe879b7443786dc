"""Two processes of torchrun, on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torchvision", reason="features need torch and torchvision")

from torch import distributed

from tests.features.extracting import PLAIN, Output
from vmf.features import extract
from vmf.features.journal import journal_path
from vmf.features.processes import Processes

if not distributed.is_gloo_available():
    pytest.skip("torch was built without gloo", allow_module_level=True)

TINY = {"backbone": "tiny_networks:tiny", "facts": PLAIN, "batch_size": 3}


def torchrun(images: object, output: Output, *options: str) -> subprocess.CompletedProcess[str]:
    script = output.folder.parent / "extract.py"
    script.write_text("from vmf.cli import app\napp(prog_name='vmf')\n")
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        str(script), "extract", str(images), "-o", str(output.features), "--backbone",
        "tiny_networks:tiny", "--batch-size", "3", "--input", PLAIN["input"],
        "--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25", *options,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_two_processes_go_on_with_what_one_has_begun(
    random_images: Path, output: Output, tmp_path: Path
) -> None:
    alone = Output(tmp_path / "alone")
    extract(random_images, alone.features, **TINY)

    class Stopped(BaseException):
        pass

    def stop(done: int, total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        extract(random_images, output.features, **TINY, progress=stop)
    # As if a second process had been killed too, with the last batch done.
    journal = journal_path(output.features).read_text().splitlines(keepends=True)
    assert len(journal) == 2
    journal_path(output.features, 1).write_text(journal[0] + '{"batch":6,"piece":3,"crc":0}\n')
    done = torchrun(random_images, output, "--resume")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("rows             20\n") == 1
    assert output.contents() == alone.contents()


def test_one_of_them_says_what_is_wrong(output: Output) -> None:
    done = torchrun("nowhere", output)
    assert done.returncode != 0
    assert done.stderr.count("vmf: error: nowhere: does not exist") == 1
    assert done.stderr.count("vmf: error: another process of this extraction has failed") == 1
    assert output.names() == []


@pytest.mark.parametrize(("items", "count"), [(7, 2), (5, 3), (2, 4), (0, 2)])
def test_shares_are_neighbours_and_cover_all(items: int, count: int) -> None:
    shares = [Processes(rank, count).share(range(items)) for rank in range(count)]
    assert [item for share in shares for item in share] == list(range(items))
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1
