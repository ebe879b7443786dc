"""The exception of everything that goes wrong between images and features."""

from __future__ import annotations

from importlib.util import find_spec

from vmf.errors import FeatureError

REQUIRED = ("torch", "torchvision", "PIL")


def require_torch() -> None:
    """Raise FeatureError unless torch, torchvision and Pillow are installed."""
    specifications = {name: find_spec(name) for name in REQUIRED}
    # A mere folder of that name is found too, but has no origin.
    missing = [name for name, spec in specifications.items() if spec is None or spec.origin is None]
    if missing:
        raise FeatureError(
            None,
            f"{', '.join(missing)} missing; extracting features needs the extra 'features':"
            " pip install 'vmf-toolkit[features]'",
        )
