from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import vmf
from vmf.cli import app


class Folder:
    """A folder of files to run commands in."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())

    def run(self, *arguments: object, exit_code: int = 0):
        """Run ``vmf ARGUMENTS`` and check how it ends."""
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == exit_code, result.output
        return result

    def refused(self, message: str, *arguments: object) -> str:
        """Run a command that must end with code 2, one line naming the trouble, and no new file."""
        before = self.names()
        result = self.run(*arguments, exit_code=2)
        assert message in result.stderr
        assert result.stderr.startswith("vmf: error: ")
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""
        assert self.names() == before
        return result.stderr


@pytest.fixture
def rows() -> np.ndarray:
    return vmf.VonMisesFisher(np.eye(4)[0], 25.0).sample(200, 0)


@pytest.fixture
def folder(tmp_path, rows) -> Folder:
    """With 200 rows in x.npy, their classes in y.csv, and the models m and c of both."""
    made = Folder(tmp_path)
    np.save(made / "x.npy", rows)
    (made / "y.csv").write_text("label\n" + "cat\ndog\n" * 100)
    made.run("fit", made / "x.npy", "-o", made / "m.safetensors")
    made.run("fit", made / "x.npy", "--labels", made / "y.csv", "-o", made / "c.safetensors")
    return made
