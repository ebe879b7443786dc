"""Types of the compiled extension that draws random directions."""

from typing import Any

import numpy as np
import numpy.typing as npt

def fill_normals(
    out: npt.NDArray[Any], key: int, threads: int = 1, instruction_set: str = ""
) -> None: ...
def fill_directions(
    out: npt.NDArray[Any],
    angle: npt.NDArray[np.float64],
    mean: npt.NDArray[Any],
    key: int,
    threads: int = 1,
    instruction_set: str = "",
) -> None: ...
def instruction_sets() -> list[str]: ...
