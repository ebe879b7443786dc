from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from known_model import KnownModel


@pytest.fixture
def model() -> KnownModel:
    return KnownModel(6)
