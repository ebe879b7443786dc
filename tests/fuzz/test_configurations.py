"""A configuration is read or refused in one line, and nothing in it is executed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmf.errors import ExperimentError
from vmf.experiments import configuration

from . import configurations
from .profiles import few


@pytest.mark.parametrize("name", configurations.HOSTILE)
def test_hostile_configurations(tmp_path, name):
    content = configurations.HOSTILE[name].encode()
    configurations.check_configuration(tmp_path, content, [], quick=False)
    with pytest.raises(ExperimentError):
        configuration.load(tmp_path / "c.yaml")


@few(100)
@given(
    st.one_of(configurations.documents, configurations.texts, st.binary(max_size=60)), st.booleans()
)
def test_any_yaml(tmp_path, content, quick):
    configurations.check_configuration(tmp_path, content, [], quick)


@few(100)
@given(st.integers(0, 2**63), st.booleans())
def test_damaged_configurations(tmp_path, seed, quick):
    content = configurations.shipped_damaged(seed)
    configurations.check_configuration(tmp_path, content, [], quick)


@few(100)
@given(configurations.overrides)
def test_any_override(tmp_path, overrides):
    content = (configuration.shipped_folder() / "bessel-accuracy.yaml").read_bytes()
    configurations.check_configuration(tmp_path, content, overrides, quick=False)
