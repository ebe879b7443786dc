"""Von Mises-Fisher distributions for deep features.

`vmf.special` holds the log-Bessel functions and what the distribution needs of them, `vmf.VonMisesFisher` the
distribution, `vmf.estimation` the estimators and their standard errors, `vmf.SufficientStatistics` what a fit needs of
the data, `vmf.embeddings` the readers of embedding files, `vmf.models` mixtures and
classifiers (with scikit-learn), `vmf.uncertainty` scores of how far each embedding can be trusted and `vmf.evaluation`
what they are worth. Everything but the version is imported at first use.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from vmf.version import __version__

if TYPE_CHECKING:
    from vmf import embeddings, estimation, evaluation, models, special, uncertainty
    from vmf.distribution import VonMisesFisher
    from vmf.estimation.statistics import SufficientStatistics

# Nothing here works without the extension. It is only looked for: loading it would load NumPy.
if find_spec("vmf._core") is None:
    from pathlib import Path

    _folder = Path(__file__).resolve().parent
    if (_folder.parent / "pyproject.toml").is_file():
        # Python looks in the working directory first: this hides the package that is installed.
        _what = (
            f"{_folder} is the source tree of vmf-toolkit, not the installed package: run from another folder,"
            f" or install it in place with: pip install -e {_folder.parent}"
        )
    else:
        _what = (
            f"{_folder} lacks the compiled extension of vmf-toolkit for this Python: install it again with"
            " pip install --force-reinstall vmf-toolkit"
        )
    raise ImportError(_what)

__all__ = [
    "SufficientStatistics",
    "VonMisesFisher",
    "__version__",
    "embeddings",
    "estimation",
    "evaluation",
    "models",
    "special",
    "uncertainty",
]

_HOME = {
    "VonMisesFisher": "vmf.distribution",
    "SufficientStatistics": "vmf.estimation.statistics",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in __all__:
        return import_module(f"vmf.{name}")
    raise AttributeError(f"module 'vmf' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
