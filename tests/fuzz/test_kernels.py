"""Every function of `vmf.special` on every class of float64 and float32 bit patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import kernels
from .profiles import few

every = pytest.mark.parametrize("name", sorted(kernels.ENTRIES))


@every
@few(8)
@given(kernels.instruction_sets, kernels.seeds, kernels.lengths, st.booleans())
def test_values_and_error_state(name, isa, seed, n, runs):
    kernels.check_values(name, isa, seed, n, runs)


@every
@few(8)
@given(kernels.instruction_sets, kernels.seeds, kernels.lengths, st.booleans(), st.booleans())
def test_a_value_depends_on_its_arguments_alone(name, isa, seed, n, single, runs):
    kernels.check_layouts(name, isa, seed, n, single, runs)


@every
@few(8)
@given(kernels.instruction_sets, kernels.seeds)
def test_values_go_the_right_way(name, isa, seed):
    kernels.check_monotone(name, isa, seed, 500)


@few(30)
@given(kernels.instruction_sets, kernels.seeds)
def test_identities_between_functions(isa, seed):
    kernels.check_identities(isa, seed, 500)
