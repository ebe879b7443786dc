"""Run a program of this folder with the installed vmf, from wherever one is.

    python tests/fuzz soak --minutes 10
    python tests/fuzz threads --seconds 20

Python puts the folder that it is given, or the working directory, first into the search path. A
module here would hide a library of its name there, and the source tree's vmf, which is not compiled,
the installed one: the root comes last instead, as for the tests.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_ROOT = str(_HERE.parents[1])
_FIRST = {"", str(_HERE), _ROOT}

if __name__ == "__main__":
    sys.path[:] = [
        entry for entry in sys.path if entry and str(Path(entry).resolve()) not in _FIRST
    ]
    sys.path.append(_ROOT)
    if len(sys.argv) < 2 or sys.argv[1] not in ("soak", "threads"):
        raise SystemExit(f"python {sys.argv[0]} soak|threads [ARGUMENT...]")
    runpy.run_module(f"tests.fuzz.{sys.argv.pop(1)}", run_name="__main__")
