"""The outputs in docs/cli.md and docs/uncertainty.md are what the commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vmf.cli import app

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")


def shown_commands(page: str) -> list[tuple[str, str]]:
    """Every command of the page with the output shown below it, in order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").replace("\\\n", "")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [
        (command, output)
        for block in blocks
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]


@pytest.mark.parametrize(("page", "fewest"), [("cli.md", 5), ("uncertainty.md", 1)])
def test_the_page_shows_what_the_commands_print(page, fewest, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    if not (ROOT / "examples").is_dir():
        pytest.skip("the example embeddings are not in this distribution")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    shown = shown_commands(page)
    assert len([command for command, output in shown if output]) >= fewest
    for command, expected in shown:
        program, *arguments = shlex.split(command)
        if program == "head":
            printed = "".join(Path(arguments[1]).read_text().splitlines(keepends=True)[:3])
        else:
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 0, result.output
            printed = result.stdout
        if expected:
            assert NUMBER.sub("#", printed) == NUMBER.sub("#", expected)
            found, told = (list(map(float, NUMBER.findall(text))) for text in (printed, expected))
            assert found == pytest.approx(told, rel=1e-3)
