"""Leave this folder out where torch is not installed."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("torch") is None or find_spec("sklearn") is None:
    collect_ignore_glob = ["test_*.py"]
