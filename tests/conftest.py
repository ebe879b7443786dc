"""Import the installed `vmf`, and `benchmarks` from the source tree."""

from __future__ import annotations

import sys
from pathlib import Path

# The root goes last: at the front, the source tree's vmf would hide the installed one, which alone
# has the compiled extension.
_ROOT = str(Path(__file__).resolve().parent.parent)
sys.path[:] = [entry for entry in sys.path if entry not in ("", _ROOT)] + [_ROOT]
