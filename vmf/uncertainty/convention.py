"""Which way a score points."""

from __future__ import annotations

from typing import Literal

from vmf.arrays.types import Vector

Higher = Literal["certain", "ood"]
"""What a higher value means: "certain", or "ood" for uncertain or out-of-distribution."""


def orient(values: Vector, natural: Higher, wanted: Higher) -> Vector:
    """Return `values`, in which higher means `natural`, so that higher means `wanted`.

    Raises
    ------
    ValueError
        For any other word than "certain" and "ood".
    """
    if wanted not in ("certain", "ood"):
        raise ValueError(f"higher is {wanted!r}; expected 'certain' or 'ood'")
    return values if natural == wanted else -values
