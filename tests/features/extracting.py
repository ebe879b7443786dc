"""What the tests of extractions share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from vmf.cli import app

HERE = Path(__file__).parent
CIFAR10_IMAGES = HERE.parents[1] / "examples" / "cifar10_images.bin"
PLAIN = {"input": "RGB, 0..1", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


class Output:
    """A folder to extract into."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.features = folder / "f.npy"

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def vmf(self, *arguments: object, exit_code: int = 0) -> Any:
        """Run ``vmf extract ARGUMENTS -o f.npy`` in this process."""
        command = ["extract", *map(str, arguments), "-o", str(self.features)]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == exit_code, (result.output, result.exception)
        return result

    def refused(self, message: str, *arguments: object) -> str:
        """Run a command that must end with code 2, one line and no new file."""
        before = self.contents()
        result = self.vmf(*arguments, exit_code=2)
        assert message in result.stderr
        assert result.stderr.startswith("vmf: error: ")
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""
        assert self.contents() == before
        return str(result.stderr)
