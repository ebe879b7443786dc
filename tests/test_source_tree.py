"""What Python says where the source tree, which is not compiled, hides the installed package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The Python files of the package, as in a clone."""
    tree = tmp_path / "clone"
    compiled = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(ROOT / "vmf", tree / "vmf", ignore=compiled)
    (tree / "pyproject.toml").touch()
    return tree


def said_by(folder: Path, *command: str) -> str:
    """What Python ends with in this folder; -S leaves out an installation in place, which it would find."""
    done = subprocess.run(
        [sys.executable, "-S", *command], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("-c", "import vmf; vmf.VonMisesFisher"),
        ("-c", "from vmf import special"),
        ("-c", "import vmf.special"),
        ("-c", "import vmf; vmf.embeddings"),
        ("-m", "vmf.cli"),
    ],
)
def test_the_source_tree_says_what_to_do(tree: Path, command: tuple[str, ...]) -> None:
    said = said_by(tree, *command)
    assert said.splitlines()[-1] == (
        f"ImportError: {tree / 'vmf'} is the source tree of vmf-toolkit, not the installed package: run from"
        f" another folder, or install it in place with: pip install -e {tree}"
    )
    assert said.count("Traceback") == 1
    assert "_core" not in said


def test_a_package_without_its_extension_is_no_source_tree(tree: Path) -> None:
    (tree / "pyproject.toml").unlink()
    said = said_by(tree, "-c", "import vmf")
    assert (
        "vmf lacks the compiled extension of vmf-toolkit for this Python" in said.splitlines()[-1]
    )
