"""What the documentation and the docstrings name is there: files, modules, functions and commands."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])
SOURCES = sorted([*ROOT.glob("vmf/**/*.py"), *ROOT.glob("benchmarks/*.py")])
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"python3? -m ((?:benchmarks|vmf)(?:\.\w+)*)")
SCRIPT = re.compile(r"(?<![\w/.])(scripts/[\w.]+)")
NAME = re.compile(r"(?<![\w./])(vmf(?:\.[A-Za-z_]\w*)+)(?![\w/])")
PLACE = re.compile(
    r"(?<![\w./-])((?:vmf|kernels|tests|benchmarks|configs|examples|docs)/[\w./-]*\w)(?![\w*{<])"
)
# A changelog tells of what was; these name what is of somebody else, or made by a command.
_HISTORY = ("CHANGELOG.md",)
_MADE = ("docs/paper", "vmf/kernels", "benchmarks/results/")


def _id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in _HISTORY], ids=_id)
def test_a_page_names_what_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wrong = [
        target
        for target in LINK.findall(text)
        if "://" not in target
        and not target.startswith("mailto:")
        and not (page.parent / target).exists()
    ]
    wrong += [name for name in COMMAND.findall(text) if not _is_module(name)]
    wrong += [name for name in SCRIPT.findall(text) if not (ROOT / name).exists()]
    wrong += [
        place
        for place in PLACE.findall(text)
        if not place.startswith(_MADE) and not (ROOT / place).exists()
    ]
    wrong += [name for name in NAME.findall(text) if not _resolves(name)]
    assert not wrong


@pytest.mark.parametrize("source", SOURCES, ids=_id)
def test_a_module_names_what_is_there(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    wrong = [name for name in COMMAND.findall(text) if not _is_module(name)]
    wrong += [name for name in NAME.findall(text) if not _resolves(name)]
    assert not wrong


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def _resolves(name: str) -> bool:
    """Whether a dotted name is a module or an attribute of one; one that cannot be imported here counts."""
    parts = name.split(".")
    if parts[-1] in ("py", "safetensors", "sh", "app", "hpp"):  # a file, not a name
        return True
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if not _is_module(module) and not _is_extension(module):
            continue
        try:
            found = import_module(module)
        except ImportError:
            return True  # of a library that is not installed
        try:
            for part in parts[length:]:
                if not hasattr(found, part) and part not in getattr(found, "__annotations__", {}):
                    return False
                found = getattr(found, part, None)
        except ImportError:
            return True
        return True
    return False


def _is_extension(module: str) -> bool:
    return module in ("vmf._core", "vmf._random") and find_spec(module) is not None
