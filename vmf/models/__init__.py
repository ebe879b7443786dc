"""Models of several von Mises-Fisher distributions, as scikit-learn estimators.

`VMFMixture` (soft, hard or stochastic EM), `VMFDensity` (a mixture of one) and `VMFClassifier` (one distribution a
class); `save` and `load` keep them in model files. They need scikit-learn: pip install 'vmf-toolkit[models]'.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmf.models.classifier import VMFClassifier
    from vmf.models.files import load, save
    from vmf.models.mixture import VMFDensity, VMFMixture

__all__ = ["VMFClassifier", "VMFDensity", "VMFMixture", "load", "save"]

_HOME = {
    "VMFClassifier": "vmf.models.classifier",
    "VMFDensity": "vmf.models.mixture",
    "VMFMixture": "vmf.models.mixture",
    "load": "vmf.models.files",
    "save": "vmf.models.files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vmf.models' has no attribute {name!r}")
    try:
        return getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise ModuleNotFoundError(
            f"vmf.models.{name} needs scikit-learn: pip install 'vmf-toolkit[models]'",
            name="sklearn",
        ) from None


def __dir__() -> list[str]:
    return sorted(__all__)
