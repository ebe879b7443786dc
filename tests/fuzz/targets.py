"""All that is fuzzed, by name: each a check that takes a folder to write in and a seed, and counts its inputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from vmf import _core
from vmf.experiments import configuration

from . import commands, configurations, files, kernels, threads

Target = Callable[[Path, int], int]


def _kernel(check: Callable[..., int], *more: str) -> Target:
    """A check of one function, drawn with the instruction set and the flags that `more` names."""

    def run(folder: Path, seed: int) -> int:
        rng = np.random.default_rng(seed)
        drawn: dict[str, Any] = {flag: bool(rng.integers(0, 2)) for flag in more}
        sets = _core.instruction_sets()
        isa = sets[rng.integers(0, len(sets))]
        n = int(rng.integers(1, 3000)) if rng.random() < 0.7 else int(rng.integers(1, 80))
        if check is kernels.check_identities:
            return check(isa, seed, n)
        name = sorted(kernels.ENTRIES)[rng.integers(0, len(kernels.ENTRIES))]
        return check(name, isa, seed, n, **drawn)

    return run


def _drawn(check: Callable[..., int], *strategies: st.SearchStrategy[Any]) -> Target:
    """A check of a hundred inputs that hypothesis draws."""

    def run(folder: Path, seed: int) -> int:
        tried = 0

        @with_seed(seed)
        @settings(
            max_examples=100,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.tuples(*strategies))
        def one(arguments: tuple[Any, ...]) -> None:
            nonlocal tried
            tried += check(folder, *arguments)

        one()
        return tried

    return run


def _damaged_configuration(folder: Path, seed: int) -> int:
    content = configurations.shipped_damaged(seed)
    return configurations.check_configuration(folder, content, [], bool(seed % 2))


def _overridden(folder: Path, overrides: list[str]) -> int:
    content = (configuration.shipped_folder() / "bessel-accuracy.yaml").read_bytes()
    return configurations.check_configuration(folder, content, overrides, quick=False)


def _threads(folder: Path, seed: int) -> int:
    given = threads.inputs(seed)
    _core.set_num_threads(1)
    expected = threads.everything(given)
    _core.set_num_threads(2 + seed % 3)
    for found in threads.from_many_threads(given, 4):
        assert found == expected, [name for name in found if found[name] != expected[name]]
    return 4 * len(expected)


def _reading(extension: str) -> Target:
    return lambda folder, seed: files.check_reading(folder, extension, seed)


def _command(name: str) -> Target:
    return lambda folder, seed: commands.check_command(folder, seed, name)


READING = {f"file {extension}": _reading(extension) for extension in files.extensions()}
BOUNDED: dict[str, Target] = {
    **READING,
    "model and checkpoint files": lambda folder, seed: files.check_models(folder, seed),
    "npy headers": _drawn(files.check_npy_headers, files.npy_headers, st.binary(max_size=96)),
    "tables of any text": _drawn(
        files.check_text, st.sampled_from([".csv", ".tsv", ".txt"]), files.table_texts
    ),
    "choices of columns": _drawn(files.check_columns, st.text(max_size=20), st.text(max_size=60)),
    "configurations, any YAML": _drawn(
        lambda folder, content, quick: configurations.check_configuration(
            folder, content, [], quick
        ),
        st.one_of(configurations.documents, configurations.texts, st.binary(max_size=60)),
        st.booleans(),
    ),
    "configurations, damaged": _damaged_configuration,
    "configurations, --set": _drawn(_overridden, configurations.overrides),
}
"""Those that may not take more memory than `soak.MEMORY` beyond what is loaded before."""

TARGETS: dict[str, Target] = {
    "functions: values": _kernel(kernels.check_values, "runs"),
    "functions: layouts": _kernel(kernels.check_layouts, "single", "runs"),
    "functions: order": _kernel(kernels.check_monotone),
    "functions: identities": _kernel(kernels.check_identities),
    "functions: threads": _threads,
    **BOUNDED,
    **{f"vmf {name}": _command(name) for name in commands.commands()},
}
