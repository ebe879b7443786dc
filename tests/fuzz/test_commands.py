"""Any command line ends with 0, 1 or 2 and, where it fails, one line that says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import commands
from .profiles import few


@pytest.mark.parametrize("name", sorted(commands.commands()))
@few(12)
@given(st.integers(0, 2**63))
def test_any_command_line(tmp_path, name, seed):
    commands.check_command(tmp_path, seed, name)
