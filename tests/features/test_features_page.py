"""The outputs in docs/features.md are what the commands print, with the weights they name."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("torchvision", reason="features need torch and torchvision")

from typer.testing import CliRunner

from tests.features.extracting import CIFAR10_IMAGES, HERE
from tests.real_data import ABSENT, REAL_DATA
from vmf.cli import app

WEIGHTS = REAL_DATA / "resnet50_v1.safetensors"
PAGE = HERE.parents[1] / "docs" / "features.md"
NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
OF_THE_MACHINE = re.compile(r"^  (?:device|images a second) .*\n", re.MULTILINE)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"{WEIGHTS.name} {ABSENT}")
def test_the_page_shows_what_the_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not CIFAR10_IMAGES.is_file():
        pytest.skip("the example images are not in this distribution")
    (tmp_path / "examples").symlink_to(CIFAR10_IMAGES.parent)
    (tmp_path / "resnet50_v1.safetensors").symlink_to(WEIGHTS.resolve())
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    shown = [
        pair
        for block in blocks
        for pair in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    assert len(shown) >= 5
    for command, expected in shown:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        fails = expected.startswith("vmf: error: ")
        assert result.exit_code == (2 if fails else 0), result.output
        printed = result.stderr if fails else result.stdout
        printed, told = (OF_THE_MACHINE.sub("", text) for text in (printed, expected))
        assert NUMBER.sub("#", printed) == NUMBER.sub("#", told)
        numbers = [list(map(float, NUMBER.findall(text))) for text in (printed, told)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-3)


def test_the_messages_on_the_page_are_those_of_the_package() -> None:
    """Three words in a row of each message in the table stand in the source."""
    source = "".join(
        re.sub(r'"\s+(?:rf|f|r)?"', "", path.read_text(encoding="utf-8"))
        for path in (HERE.parents[1] / "vmf" / "features").glob("*.py")
    )
    table = PAGE.read_text(encoding="utf-8").partition("## What is refused")[2]
    messages = re.findall(r"^\| [^|]+ \| `([^`]+)` \|$", table, re.MULTILINE)
    assert len(messages) >= 12
    for message in messages:
        words = message.split()
        length = min(3, len(words) - 1)
        runs = [" ".join(words[k : k + length]) for k in range(len(words) - length + 1)]
        assert any(run in source for run in runs), message
