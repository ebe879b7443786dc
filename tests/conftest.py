"""Test the installed `vmf`, with `benchmarks` from the source tree.

The source tree's own vmf has no compiled extension unless it is installed in place. So the root
comes last in the search path, and tests run outside it: what they start with `python -c` or
`python -m` then finds the installed package too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = str(Path(__file__).resolve().parent.parent)
sys.path[:] = [entry for entry in sys.path if entry not in ("", _ROOT)] + [_ROOT]


@pytest.fixture(scope="session", autouse=True)
def outside_the_source_tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make an empty folder the working directory."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("working-directory"))
    yield
    os.chdir(before)
