from __future__ import annotations

import pytest

from tests.uncertainty.known_model import KnownModel


@pytest.fixture
def model() -> KnownModel:
    return KnownModel(6)
