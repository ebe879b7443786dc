"""Where the tests look for real weights, images and word vectors, which are too large to ship.

VMF_REAL_DATA names the folder; without it, it is .real-data in the root, which .ci/run fills where it
can. Tests of what is not there are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

REAL_DATA = Path(
    os.environ.get("VMF_REAL_DATA") or Path(__file__).resolve().parents[1] / ".real-data"
)
ABSENT = "is neither in the folder that VMF_REAL_DATA names nor in .real-data"
