"""Configurations: what ships is valid, and what is wrong gets one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmf.cli.options import as_option
from vmf.errors import ExperimentError
from vmf.experiments import configuration
from vmf.experiments.registry import EXPERIMENTS


def refused(name: object, *overrides: str, quick: bool = False) -> str:
    with pytest.raises(ExperimentError) as caught:
        configuration.load(str(name), quick=quick, overrides=overrides)
    message = caught.value.told(as_option)
    assert "\n" not in message
    return message


@pytest.fixture
def edited(tmp_path: Path):
    """Write the shipped configuration of bessel-accuracy with something replaced."""

    def write(old: str, new: str) -> Path:
        text = (configuration.shipped_folder() / "bessel-accuracy.yaml").read_text()
        assert old in text
        path = tmp_path / "mine.yaml"
        path.write_text(text.replace(old, new, 1))
        return path

    return write


def test_every_experiment_ships_a_configuration_of_its_name():
    assert configuration.shipped_names() == sorted(EXPERIMENTS)
    for name in EXPERIMENTS:
        assert configuration.load(name).experiment == name


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_quick_changes_something_and_is_valid(name):
    assert configuration.load(name, quick=True) != configuration.load(name)


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
@pytest.mark.parametrize("quick", [False, True])
def test_the_resolved_configuration_reads_back_as_itself(name, quick, tmp_path):
    config = configuration.load(name, quick=quick)
    path = tmp_path / "resolved.yaml"
    path.write_text(configuration.as_yaml(config))
    assert configuration.load(path) == config


def test_overrides_come_last_and_reach_nested_keys_and_list_items():
    config = configuration.load(
        "bessel-accuracy",
        quick=True,
        overrides=["points=7", "map.cells=5", "map.orders.low=1e-2", "ranges.0=vmf", "points=8"],
    )
    assert (config.points, config.map.cells, config.map.orders.low) == (8, 5, 0.01)
    assert config.ranges[0] == "vmf"


def test_numbers_without_a_point_are_numbers(edited):
    assert configuration.load(edited("low: 1.0e-3", "low: 1e-3")).map.orders.low == 1e-3


def test_unknown_key_names_the_file_the_key_and_its_neighbours(edited):
    message = refused(edited("points: 20000", "pionts: 20000"))
    assert message.startswith("mine.yaml: pionts: is not known (did you mean points?)")
    assert "the keys here are experiment, seed, functions" in message
    assert message.endswith("(and 1 more)")  # points is missing


def test_unknown_nested_key_lists_the_keys_of_its_section(edited):
    message = refused(edited("cells: 160", "cell: 160"))
    assert "map.cell: is not known (did you mean cells?)" in message
    assert "orders, arguments, cells, libraries" in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("points: 20000", "points: many", "points: should be a whole number, not 'many'"),
        ("points: 20000", "points: true", "points: should be a whole number, not True"),
        ("points: 20000", "points: 2.5", "points: should be a whole number, not 2.5"),
        ("points: 20000", "points: 0", "points: should be greater than or equal to 1, not 0"),
        ("points: 20000", "points: [1]", "points: should be a whole number, not [1]"),
        ("low: 1.0e-3", "low: -1", "map.orders.low: should be greater than 0, not -1"),
        ("low: 1.0e-3", "low: small", "map.orders.low: should be a number, not 'small'"),
        ("low: 1.0e-3", "low: .nan", "map.orders.low: should be "),
        ("low: 1.0e-3", "low: 1.0e+9", "map.orders: low (1e+09) should be below high (1e+07)"),
        ("[log_iv, log_kv]", "[log_jv]", "functions.0: should be 'log_iv' or 'log_kv'"),
        ("[log_iv, log_kv]", "log_iv", "functions: should be a valid list"),
        ("[uniform150,", "[uniform151,", "ranges.0: should be one of uniform150, uniform1e4"),
        ("seed: 2024\n", "", "seed: is missing"),
        ("experiment: bessel-accuracy", "experiment: cifar", "experiment: should be one of"),
        ("seed: 2024", "seed: [", "line 6: expected"),
    ],
)
def test_wrong_values_get_one_line(edited, old, new, message):
    found = refused(edited(old, new))
    assert found.startswith("mine.yaml:")
    assert message in found


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("points", "--set points: write KEY=VALUE"),
        ("=3", "--set =3: write KEY=VALUE"),
        ("points=x", "--set points=x: points: should be a whole number, not 'x'"),
        ("pionts=3", "--set pionts=3: pionts: is not known (did you mean points?)"),
        ("points.low=3", "--set points.low=3: points holds a value, not further keys"),
        ("map.cells=2", "--set map.cells=2: map.cells: should be greater than or equal to 4"),
        ("ranges.9=vmf", "--set ranges.9=vmf: '9' should be a position from 0 to 4"),
        ("points=[", "--set points=[: the value is not YAML"),
    ],
)
def test_wrong_overrides_are_named_as_they_were_typed(override, message):
    assert message in refused("bessel-accuracy", override)


def test_files_that_cannot_be_read(tmp_path):
    assert "cannot be read" in refused(tmp_path / "absent.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    assert "should hold a mapping" in refused(tmp_path / "list.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refused(tmp_path / "binary.yaml")
    assert "did you mean bessel-accuracy?" in refused("bessel-acuracy")


def test_nothing_but_plain_values_is_loaded(tmp_path):
    path = tmp_path / "code.yaml"
    path.write_text("experiment: !!python/object/apply:os.system ['true']\n")
    assert "could not determine a constructor" in refused(path)
