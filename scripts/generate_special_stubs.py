#!/usr/bin/env python3
"""Write the signatures of the special functions for type checkers, from the table in vmf/special/_table.py.

    python scripts/generate_special_stubs.py            # after a change of the table
    python scripts/generate_special_stubs.py --check    # exit code 1 where a file is not what would be written

vmf/special/__init__.pyi is written whole; of vmf/_core.pyi, the lines of the ufuncs. The table is that of the package
that is installed, in place (pip install -e .) while one works on it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from vmf.special._table import NAMES, TABLE

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = ROOT / "vmf" / "special" / "__init__.pyi"
CORE = ROOT / "vmf" / "_core.pyi"

HEAD = '''"""The signatures of `vmf.special`; written by scripts/generate_special_stubs.py."""

from typing import Any

import numpy.typing as npt

from vmf.special._dispatch import register_backend as register_backend
from vmf.special._functions import get_num_threads as get_num_threads
from vmf.special._functions import set_num_threads as set_num_threads

'''


def signature(name: str, first: str, second: str) -> str:
    """One function, in lines of at most 100 characters as `ruff format` breaks them."""
    arguments = f"{first}: npt.ArrayLike, {second}: npt.ArrayLike, /, **options: Any"
    line = f"def {name}({arguments}) -> Any: ..."
    return line if len(line) <= 100 else f"def {name}(\n    {arguments}\n) -> Any: ..."


def public() -> str:
    """What vmf/special/__init__.pyi holds."""
    rows = (signature(entry.name, entry.first, entry.second) for entry in TABLE)
    return HEAD + "\n".join(rows) + "\n"


def core() -> str:
    """What vmf/_core.pyi holds: as it is, with the ufuncs of the table."""
    ufuncs = "".join(f"{name}: np.ufunc\n" for name in NAMES)
    found, count = re.subn(r"(?:^\w+: np\.ufunc\n)+", ufuncs, CORE.read_text(), flags=re.MULTILINE)
    if count != 1:
        raise SystemExit(f"{CORE}: the ufuncs do not stand in one block")
    return found


def main() -> int:
    wanted = {PUBLIC: public(), CORE: core()}
    stale = [path for path, text in wanted.items() if path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(
                f"{path.relative_to(ROOT)} is not what vmf/special/_table.py says; run {sys.argv[0]}"
            )
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
