"""Test the installed `vmf`, with `benchmarks` from the source tree.

The source tree's own vmf has no compiled extension unless it is installed in place. So the root
comes last in the search path, and tests run outside it: what they start with `python -c` or
`python -m` then finds the installed package too. No folder of tests is in the search path at all:
tests/torch would be the package torch there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parent
_ROOT = str(_TESTS.parent)
sys.path[:] = [entry for entry in sys.path if entry not in ("", _ROOT)] + [_ROOT]

from tests.libraries import absent, reason  # noqa: E402


class _Skipped(pytest.Module):
    """A module whose library is not installed: it is not imported, and says why."""

    def collect(self) -> list[pytest.Item]:
        name = absent(self.path.relative_to(_TESTS))
        assert name is not None
        raise pytest.skip.Exception(reason(name), allow_module_level=True)


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Skip what stands in `tests.libraries.NEEDED`, before its imports fail."""
    if absent(module_path.relative_to(_TESTS)) is None:
        return None
    return _Skipped.from_parent(parent, path=module_path)


@pytest.fixture(scope="session", autouse=True)
def outside_the_source_tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make an empty folder the working directory."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("working-directory"))
    yield
    os.chdir(before)
