"""The quick start of the README runs, and prints the numbers that stand beside it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import vmf
from vmf.cli import app

ROOT = Path(__file__).resolve().parents[1]
QUICK_START = (
    (ROOT / "README.md")
    .read_text(encoding="utf-8")
    .partition("## Quick start\n")[2]
    .partition("\n## ")[0]
)


@pytest.fixture(autouse=True)
def in_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with the examples, as the root is."""
    if not (ROOT / "examples").is_dir():
        pytest.skip("the example embeddings are not in this distribution")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


def numbers_beside(expression: str, code: str) -> list[float]:
    (comment,) = re.findall(rf"^{re.escape(expression)} +# (.*)$", code, re.MULTILINE)
    return [float(number) for number in re.findall(r"\d+\.\d+", comment)]


def test_the_python_runs_and_has_the_numbers_beside_it() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", QUICK_START, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    fitted = names["fitted"]
    largest = vmf.VonMisesFisher.fit(names["rows"], estimator="mle")
    assert [fitted.concentration, largest.concentration] == pytest.approx(
        numbers_beside("fitted.concentration", code), rel=1e-9
    )
    interval = "fitted.fit_.concentration_interval(0.95)"
    assert eval(interval, names) == pytest.approx(numbers_beside(interval, code), abs=0.005)


def test_the_commands_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", QUICK_START, re.DOTALL)
    (block,) = [block for block in blocks if block.startswith("vmf fit examples/")]
    for line in block.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "vmf"
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
    made = {path.name for path in tmp_path.iterdir()} - {"examples"}
    assert made == {"classes.safetensors", "scores.csv", "drawn.npy"}
