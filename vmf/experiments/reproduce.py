"""Run experiments, each into its own folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from vmf.errors import Argument, ExperimentError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from vmf.experiments.registry import Experiment

ALL = "all"
_NEEDED = {
    "yaml": "pyyaml",
    "pydantic": "pydantic",
    "pandas": "pandas",
    "matplotlib": "matplotlib",
    "scipy": "scipy",
    "mpmath": "mpmath",
    "flint": "python-flint",
}


def reproduce(
    experiments: Sequence[str],
    output: str | os.PathLike[str],
    *,
    quick: bool = False,
    overrides: Sequence[str] = (),
    overwrite: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Run experiments and return the folders they filled.

    Parameters
    ----------
    experiments
        Names, YAML files, or ``all`` alone for every experiment that ships.
    output
        Folder in which each run gets a folder of its own, named after its configuration.
    quick
        Use the values under `quick` of the configurations: minutes instead of an hour.
    overrides
        ``key=value``; see `vmf.experiments.configuration.load`.
    overwrite
        Replace the folder of an earlier run, once the new one is complete.
    say
        Told of the progress.

    Raises
    ------
    ExperimentError
        One line, before anything is computed: a library is missing, a configuration is wrong, or
        a folder is in the way.
    """
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise ExperimentError(
            f"vmf reproduce needs {', '.join(missing)}: pip install 'vmf-toolkit[experiments]'"
        )
    from vmf.experiments import configuration
    from vmf.experiments.environment import environment
    from vmf.experiments.registry import EXPERIMENTS
    from vmf.experiments.run_folder import check_target, run_folder, write_provenance

    if ALL in experiments:
        if overrides:
            raise ExperimentError(
                Argument("overrides"), " change one experiment; name it instead of all"
            )
        experiments = configuration.shipped_names()
    work: list[tuple[Experiment, BaseModel, Path]] = []
    for name in experiments:
        config = configuration.load(name, quick=quick, overrides=overrides)
        target = Path(output) / Path(name).stem
        if target in [earlier for *_, earlier in work]:
            raise ExperimentError(f"{name}: two experiments would fill {target}; run them apart")
        check_target(target, overwrite=overwrite)
        work.append((EXPERIMENTS[config.model_dump()["experiment"]], config, target))
    for experiment, config, _ in work:
        experiment.check(config)
    for experiment, config, target in work:
        say(f"{target.name}: begins")
        with run_folder(target, overwrite=overwrite, say=say) as folder:
            write_provenance(folder, configuration.as_yaml(config), environment())
            experiment.run(config, folder)
        say(f"{target.name}: done, {target}")
    return [target for *_, target in work]
