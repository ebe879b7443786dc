"""Features of known classes, and of one that was never seen."""

from __future__ import annotations

from typing import Any

import torch

from vmf.torch import VonMisesFisher

CLASSES, P = 3, 24


def features(rows: int, seed: int, outliers: bool = False) -> tuple[Any, Any]:
    """Return features (n, p) of varying length, and labels; -1 for those of the unseen class."""
    torch.manual_seed(seed)
    axes = torch.eye(P)[CLASSES : CLASSES + 1] if outliers else torch.eye(P)[:CLASSES]
    draws = VonMisesFisher(axes, 60.0).sample((rows,)).reshape(-1, P)
    labels = torch.full((len(draws),), -1) if outliers else torch.arange(CLASSES).repeat(rows)
    return draws * (1.0 + torch.rand(len(draws), 1)), labels
