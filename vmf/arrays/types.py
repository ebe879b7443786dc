"""What arrays are called in signatures; one meaning each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.floating[Any]]
"""(rows, dim) float16, float32 or float64: embeddings, a row each."""

Vector = npt.NDArray[np.float64]
"""One axis: a direction (dim,), or a number for each row (rows,), class or component."""

Matrix = npt.NDArray[np.float64]
"""Two axes: a direction for each class, a number for each row and component."""

FloatArray = npt.NDArray[np.float64]
"""Any shape."""

Codes = npt.NDArray[np.intp]
"""(rows,): the number of each row's class."""
