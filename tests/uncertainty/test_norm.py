"""Concentrations from lengths."""

from __future__ import annotations

import numpy as np
import pytest

from vmf import VonMisesFisher
from vmf.uncertainty import fit_norm_scale, norm_concentration


def rows_with_lengths(model, scale, rows=4000, seed=0):
    """Rows whose concentration is scale times their length, and their classes."""
    rng = np.random.default_rng(seed)
    lengths, codes = rng.uniform(0.5, 4.0, rows), rng.integers(0, 3, rows)
    drawn = [
        length * VonMisesFisher(model.mean_directions_[k], scale * length).sample(1, rng)[0]
        for length, k in zip(lengths, codes, strict=True)
    ]
    return np.array(drawn), codes, lengths


def test_is_the_length_times_the_scale(model):
    X, _, lengths = rows_with_lengths(model, 10.0, 50)
    np.testing.assert_allclose(norm_concentration(X), lengths, rtol=1e-12)
    np.testing.assert_allclose(
        norm_concentration(X, scale=3, higher="ood"), -3 * lengths, rtol=1e-12
    )


def test_the_scale_is_found(model):
    X, codes, _ = rows_with_lengths(model, 17.0)
    assert fit_norm_scale(model, X, codes) == pytest.approx(17.0, rel=0.05)
    assert fit_norm_scale(model, 1e-3 * X, codes) == pytest.approx(17e3, rel=0.05)


def test_the_scale_maximises_the_likelihood(model):
    X, codes, lengths = rows_with_lengths(model, 5.0, 300)
    best = fit_norm_scale(model, X, codes)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)

    def likelihood(scale):
        parts = zip(unit, codes, lengths, strict=True)
        return sum(
            VonMisesFisher(model.mean_directions_[k], scale * r).logpdf(u) for u, k, r in parts
        )

    assert likelihood(best) > max(likelihood(0.98 * best), likelihood(1.02 * best))


def test_normalised_rows_carry_no_length(model):
    with pytest.raises(ValueError, match="normalised, so their length carries no confidence"):
        norm_concentration(model.draw(4))


def test_wrong_scales_and_rows(model):
    X, codes, _ = rows_with_lengths(model, 5.0, 20)
    for scale in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="scale is"):
            norm_concentration(X, scale=scale)
    with pytest.raises(ValueError, match="no scale fits"):
        fit_norm_scale(model, -X, codes)
    X[7, 0] = np.inf
    with pytest.raises(ValueError, match="row 7"):
        norm_concentration(X)
