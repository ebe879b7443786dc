"""A run's folder appears complete or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from vmf.errors import EmbeddingError, ExperimentError
from vmf.experiments.run_folder import CONFIG, run_folder


def silent(line: str) -> None:
    pass


def fill(target: Path, text: str, *, overwrite: bool = False) -> None:
    with run_folder(target, overwrite=overwrite, say=silent) as folder:
        folder.write_text(CONFIG, text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_appears_under_its_name_at_the_end_only(tmp_path):
    target = tmp_path / "deep" / "run"
    with run_folder(target, overwrite=False, say=silent) as folder:
        folder.write_text(CONFIG, "a")
        assert not target.exists()
    assert (target / CONFIG).read_text() == "a"
    assert names(tmp_path / "deep") == ["run"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_run_leaves_nothing_and_keeps_the_earlier_one(tmp_path, error):
    fill(tmp_path / "run", "earlier")

    def interrupted() -> None:
        with run_folder(tmp_path / "run", overwrite=True, say=silent) as folder:
            folder.write_text(CONFIG, "half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert (tmp_path / "run" / CONFIG).read_text() == "earlier"
    assert names(tmp_path) == ["run"]


def test_a_killed_run_leaves_nothing_that_looks_finished_and_the_next_one_clears_it(tmp_path):
    program = f"""
    import sys
    from pathlib import Path
    from vmf.experiments.run_folder import run_folder
    with run_folder(Path({str(tmp_path / "run")!r}), overwrite=False, say=print) as folder:
        folder.write_text("config.yaml", "half")
        print("ready", flush=True)
        sys.stdin.read()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(EmbeddingError, match=f"is being written by process {process.pid}"):
            fill(tmp_path / "run", "other")
        process.send_signal(signal.SIGKILL)
    assert all(name.startswith(".run.") for name in names(tmp_path))
    assert len(names(tmp_path)) == 2
    fill(tmp_path / "run", "new")
    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run" / CONFIG).read_text() == "new"


def test_earlier_results_are_replaced_only_on_request(tmp_path):
    fill(tmp_path / "run", "earlier")
    with pytest.raises(ExperimentError, match="overwrite=True"):
        fill(tmp_path / "run", "later")
    fill(tmp_path / "run", "later", overwrite=True)
    assert (tmp_path / "run" / CONFIG).read_text() == "later"


def test_what_is_not_a_result_is_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "thesis")
    for name in ("thesis", "file", "link"):
        with pytest.raises(ExperimentError, match="not a folder of results"):
            fill(tmp_path / name, "x", overwrite=True)
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "empty", "x")
    assert os.listdir(tmp_path / "empty") == [CONFIG]
