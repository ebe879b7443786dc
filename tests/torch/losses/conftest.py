"""Leave this folder out where torch is not installed."""

from __future__ import annotations

from importlib.util import find_spec

# Without torch the folder above itself is found under that name, as a namespace package.
_torch = find_spec("torch")
if _torch is None or _torch.origin is None:
    collect_ignore_glob = ["test_*.py"]
