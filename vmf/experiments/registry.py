"""The experiments by name: which schema checks one and which function runs it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

    from vmf.experiments.run_folder import RunFolder


@dataclass(frozen=True)
class Experiment:
    """`model` in `vmf.experiments.schema` and ``run(config, folder)`` in `module`."""

    model: str
    module: str

    def schema(self) -> type[BaseModel]:
        """The pydantic model of the configuration."""
        found: type[BaseModel] = getattr(import_module("vmf.experiments.schema"), self.model)
        return found

    def check(self, config: Any) -> None:
        """Raise ExperimentError, before hours are spent, for files that are not there."""
        check = getattr(self._module(), "check", None)
        if check is not None:
            check(config)

    def run(self, config: Any, folder: RunFolder) -> None:
        """Fill the folder."""
        self._module().run(config, folder)

    def _module(self) -> Any:
        return import_module(f"vmf.experiments.{self.module}")


EXPERIMENTS = {
    "bessel-accuracy": Experiment("BesselAccuracy", "bessel_accuracy"),
    "bessel-runtime": Experiment("BesselRuntime", "bessel_runtime"),
    "vmf-cifar10": Experiment("VMFCifar10", "vmf_cifar10"),
}
