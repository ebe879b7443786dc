"""Configurations of `vmf reproduce`: damaged ones, hostile ones, and any YAML at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import strategies as st

from vmf.errors import ExperimentError
from vmf.experiments import configuration

from .files import damaged, one_line

_MARK = "executed"

HOSTILE = {
    "python object": "experiment: !!python/object/apply:pathlib.Path.touch "
    f"[!!python/object/apply:pathlib.Path [{_MARK}]]",
    "python name": "experiment: !!python/name:os.system",
    "python module": "!!python/module:os : 1",
    "shell": f"experiment: !!python/object/apply:os.system ['touch {_MARK}']",
    "unknown tag": "experiment: !mine {a: 1}",
    "bomb": "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    + "experiment: *a9\n",
    "bomb in a known key": "experiment: bessel-accuracy\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    + "points: *a9\nquick: *a9\n",
    "bomb of merges": "a0: &a0 {k: v}\n"
    + "".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], k{n}: 1}}\n" for n in range(1, 10)
    ),
    "loop": "experiment: &a [*a]\n",
    "loop of mappings": "experiment: bessel-accuracy\nquick: &a {quick: *a}\nmap: &b {cells: *b}\n",
    "deep": "a: " + "[" * 5000 + "]" * 5000,
    "deep mappings": "\n".join(" " * n + f"k{n}:" for n in range(400)),
    "long number": "experiment: bessel-accuracy\npoints: " + "9" * 5000,
    "no date": "experiment: bessel-accuracy\nseed: 2001-99-99",
    "no base64": "experiment: !!binary '?'",
    "sexagesimal": "experiment: bessel-accuracy\npoints: 190:20:30",
    "infinite": "experiment: bessel-accuracy\nslow: {points: .inf, seconds_a_value: .nan}",
    "keys of other types": "experiment: bessel-accuracy\n1: 2\n[1, 2]: 3\n{a: b}: 4\nnull: 5\n",
    "several documents": "experiment: bessel-accuracy\n---\nexperiment: bessel-runtime\n",
    "list": "- experiment: bessel-accuracy",
    "nothing": "",
    "tabs": "experiment:\tbessel-accuracy\n\tpoints: 1",
    "bytes": "\x00\x01\x02",
    "set": "experiment: !!set {bessel-accuracy}",
    "pairs": "experiment: bessel-accuracy\nmap: !!pairs [a: 1, a: 2]",
    "unhashable experiment": "experiment: [bessel-accuracy]",
    "quick is text": "experiment: bessel-accuracy\nquick: yes",
}


def check_configuration(folder: Path, content: bytes, overrides: list[str], quick: bool) -> int:
    """A configuration, or one line; nothing is executed."""
    path = folder / "c.yaml"
    path.write_bytes(content)
    before = {one.name for one in folder.iterdir()} | {one.name for one in Path().iterdir()}
    try:
        config = configuration.load(path, quick=quick, overrides=overrides)
        assert configuration.as_yaml(config)
    except ExperimentError as error:
        message = str(error)
        assert len(message) < 4000, message[:300]
        if not overrides:
            one_line(error, path)
        else:
            assert message.isprintable(), message
    assert {one.name for one in folder.iterdir()} | {one.name for one in Path().iterdir()} == before
    return 1


_KEYS = ["experiment", "quick", "seed", "points", "map", "map.cells", "slow", "slow.points", "functions",
         "libraries", "libraries.0", "libraries.9", "ranges", "processes", "files", "a", "", "a..b"]  # fmt: skip

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.dates(), st.binary(max_size=5),
    st.sampled_from(["bessel-accuracy", "bessel-runtime", "vmf-cifar10", "log_iv", "vmf", "1e-3", ".inf", "~", "0x1f"]),
)  # fmt: skip
documents = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_KEYS) | _scalars, inner, max_size=5)
    ),
    max_leaves=15,
).map(lambda value: yaml.dump(value).encode())

texts = st.text(alphabet="abk:-[]{}&*!<>|%@'\"#, \n\t019.~=?", max_size=120).map(str.encode)
overrides = st.lists(
    st.builds(
        "{}={}".format,
        st.sampled_from(_KEYS) | st.text(max_size=6),
        st.sampled_from(
            [
                "1",
                "-1",
                "[",
                "{a: 1}",
                "!!python/name:os.system",
                "9" * 5000,
                "&a [*a]",
                "2001-99-99",
            ]
        )
        | st.text(max_size=8),
    )
    | st.text(max_size=8),
    max_size=3,
)


def shipped_damaged(seed: int) -> bytes:
    """A shipped configuration after some accidents."""
    rng: Any = np.random.default_rng(seed)
    names = configuration.shipped_names()
    one, other = (
        (configuration.shipped_folder() / f"{names[rng.integers(0, len(names))]}.yaml").read_bytes()
        for _ in range(2)
    )
    return damaged(rng, one, other)
