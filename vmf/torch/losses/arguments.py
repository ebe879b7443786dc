"""What the losses take, checked: one line that names the argument and the row.

The checks look at the values, for which a CUDA device is waited for, and which `torch.compile` cannot
trace: there only shapes and types are checked.
"""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Tensor

from vmf.torch.constraints import unit_vector


def check_mean_direction(mean_direction: Tensor, dimension: int | None, values: bool) -> None:
    """Raise unless `mean_direction` is (n, p), p >= 2 (or `dimension`), of finite unit rows."""
    _check_rows("mean_direction", mean_direction, dimension)
    if not values or torch.compiler.is_compiling():
        return
    wrong = ~unit_vector.check(mean_direction.detach())
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        norm = float(torch.linalg.vector_norm(mean_direction[row].detach().double()))
        if norm != norm or norm == float("inf"):
            _reject(f"mean_direction row {row} is not finite")
        _reject(
            f"mean_direction row {row} has norm {norm:g}, not 1; normalise it, or use from_embeddings "
            "where the norm is the concentration"
        )


def check_embeddings(embeddings: Tensor, dimension: int | None, values: bool) -> None:
    """Raise unless `embeddings` is (n, p), p >= 2 (or `dimension`), of finite rows."""
    _check_rows("embeddings", embeddings, dimension)
    if not values or torch.compiler.is_compiling():
        return
    finite = torch.isfinite(embeddings.detach()).all(-1)
    if not bool(finite.all()):
        _reject(f"embeddings row {int((~finite).nonzero()[0])} is not finite")


def check_concentration(concentration: Tensor, rows: int, values: bool) -> None:
    """Raise unless `concentration` is (n,), finite and >= 0."""
    if not isinstance(concentration, Tensor) or not concentration.is_floating_point():
        raise TypeError("concentration must be a tensor of floats, one a row")
    if concentration.shape != (rows,):
        _reject(f"concentration has shape {tuple(concentration.shape)}; expected ({rows},)")
    if not values or torch.compiler.is_compiling():
        return
    kappa = concentration.detach()
    right = (kappa >= 0.0) & (kappa < float("inf"))
    if not bool(right.all()):
        row = int((~right).nonzero()[0])
        _reject(f"concentration row {row} is {float(kappa[row])}; it must be finite and >= 0")


def check_labels(labels: Tensor, rows: int, num_classes: int | None, values: bool) -> None:
    """Raise unless `labels` is (n,) of integers, in 0..num_classes - 1 where that is given."""
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.is_complex():
        raise TypeError("labels must be a tensor of integers, one a row")
    if labels.shape != (rows,):
        _reject(f"labels has shape {tuple(labels.shape)}; expected ({rows},)")
    if num_classes is None or not values or torch.compiler.is_compiling():
        return
    wrong = (labels < 0) | (labels >= num_classes)
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        _reject(f"labels row {row} is {int(labels[row])}; expected 0 to {num_classes - 1}")


def _check_rows(name: str, rows: Tensor, dimension: int | None) -> None:
    if not isinstance(rows, Tensor) or not rows.is_floating_point():
        raise TypeError(f"{name} must be a tensor of floats")
    if rows.dim() != 2 or rows.shape[1] < 2:
        _reject(f"{name} has shape {tuple(rows.shape)}; expected (n, p) with p >= 2")
    if dimension is not None and rows.shape[1] != dimension:
        _reject(f"{name} has shape {tuple(rows.shape)}; expected (n, {dimension})")


def _reject(message: str) -> NoReturn:
    raise ValueError(message)
