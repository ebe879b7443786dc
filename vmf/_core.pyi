"""Types of the compiled extension."""

from typing import Any

import numpy as np
import numpy.typing as npt

log_iv: np.ufunc
log_kv: np.ufunc
log_ive: np.ufunc
log_kve: np.ufunc
iv_ratio: np.ufunc
iv_ratio_c: np.ufunc
kv_ratio: np.ufunc
log_iv_dx: np.ufunc
log_iv_dv: np.ufunc
log_kv_dx: np.ufunc
log_kv_dv: np.ufunc
log_normalizer: np.ufunc
log_normalizer_e: np.ufunc
mean_resultant_length: np.ufunc
mean_resultant_length_c: np.ufunc
mean_resultant_length_dkappa: np.ufunc
entropy: np.ufunc
concentration: np.ufunc
concentration_c: np.ufunc

def region(
    name: str, a: npt.NDArray[np.float64], x: npt.NDArray[np.float64]
) -> npt.NDArray[np.int8]: ...
def get_num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
def instruction_sets() -> list[str]: ...
def get_instruction_set() -> str: ...
def set_instruction_set(name: str) -> None: ...
def row_sums(
    rows: npt.NDArray[Any],
    weights: npt.NDArray[np.float64] | None,
    resultant: npt.NDArray[np.float64],
    resultant_lo: npt.NDArray[np.float64],
    squared_norms: npt.NDArray[np.float64],
) -> None: ...
def exact_row_sums(
    rows: npt.NDArray[Any],
    upper: npt.NDArray[np.int64],
    lower: npt.NDArray[np.int64],
    squared_norms: npt.NDArray[np.float64],
) -> None: ...
def unit_rows(
    rows: npt.NDArray[Any],
    units: npt.NDArray[np.float64],
    squared_norms: npt.NDArray[np.float64],
) -> None: ...
def widen_half(halves: npt.NDArray[np.uint16], wide: npt.NDArray[np.float32]) -> None: ...
