"""``vmf reproduce`` on the command line."""

from __future__ import annotations

import subprocess
import sys

from tests.libraries import EXPERIMENTS, needs


def test_wrong_input_is_one_line_and_leaves_nothing(folder):
    needs(*EXPERIMENTS)
    out = ("-o", folder / "results")
    folder.refused("there is no experiment 'nothing'", "reproduce", "nothing", *out)
    folder.refused(
        "pionts: is not known", "reproduce", "bessel-accuracy", "--set", "pionts=1", *out
    )
    folder.refused("name it instead of all", "reproduce", "all", "--set", "points=1", *out)
    (folder / "bessel-accuracy").write_text("mine")
    folder.refused("not a folder of results", "reproduce", "bessel-accuracy", "-o", folder.path)


def test_prints_the_folder_on_stdout_and_progress_on_stderr(folder):
    needs(*EXPERIMENTS)
    settings = [
        "points=5", "libraries=[vmf]", "ranges=[small]", "map.cells=4", "map.libraries=[vmf]",
        "processes=1",
    ]  # fmt: skip
    options = [item for setting in settings for item in ("--set", setting)]
    target = folder / "results" / "bessel-accuracy"
    result = folder.run("reproduce", "bessel-accuracy", *options, "-o", folder / "results")
    assert result.stdout == f"{target}\n"
    assert "bessel-accuracy: begins\n" in result.stderr
    folder.refused(
        "--overwrite", "reproduce", "bessel-accuracy", *options, "-o", folder / "results"
    )
    arguments = ["reproduce", "bessel-accuracy", *options, "-o", folder / "results"]
    result = folder.run(*arguments, "--overwrite", "--quiet")
    assert result.stderr == ""


def test_the_package_does_not_import_what_only_experiments_need():
    program = (
        "import sys, vmf, vmf.cli.app; vmf.special, vmf.estimation, vmf.embeddings;"
        " heavy = {'pandas', 'matplotlib', 'pydantic', 'yaml', 'mpmath', 'flint', 'scipy'};"
        " assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
