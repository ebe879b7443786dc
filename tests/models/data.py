"""Rows from known distributions."""

from __future__ import annotations

import numpy as np

from vmf import VonMisesFisher


def clusters(kappa=60.0, rows=200, dim=16, count=3, seed=0, dtype=np.float64):
    """`rows` rows of each of `count` distributions with orthogonal mean directions, and their numbers."""
    parts = [
        VonMisesFisher(np.eye(count, dim)[k], kappa).sample(rows, seed + k, dtype=dtype)
        for k in range(count)
    ]
    order = np.random.default_rng(seed).permutation(rows * count)
    return np.concatenate(parts)[order], np.repeat(np.arange(count), rows)[order]
