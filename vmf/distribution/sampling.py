"""Draws from the von Mises-Fisher distribution, O(n p) and exact in any dimension.

A draw is mu cos t + y sin t with the cosine from its marginal density, proportional to
exp(kappa c) (1 - c^2)^((p-3)/2), and y uniform among the directions orthogonal to mu.

- The cosine: by inversion for p = 3, else by rejection from the envelope of Ulrich, Applied
  Statistics 33 (1984) 158-163, corrected by Wood, Communications in Statistics - Simulation and
  Computation 23 (1994) 157-164. All is written in q = 1 - cos t, which keeps its digits when kappa
  is large: with independent G_1, G_2 ~ Gamma((p-1)/2) the proposal is q = 2 b G_1 / (G_2 + b G_1).
- The tangent: Gaussian, normalised.
- The rotation: one Householder reflection, which takes the first axis to mu.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.arrays.types import FloatArray, Vector

Generator = np.random.Generator

# Elements of the float64 work block, 2 MiB.
_BLOCK_ELEMENTS = 2**18
# Cosines are drawn in batches of this many rows, so that the stream of random numbers, and with
# it the sample, does not depend on the size of the chunks.
_COSINE_BATCH = 2**16
_CHUNK_BYTES = 2**26


def sample_one_minus_cosine(
    dim: int, kappa: float, size: int, rng: Generator | int | None = None
) -> FloatArray:
    """Draw 1 - mu . x for `size` draws x of vMF(mu, kappa).

    Parameters
    ----------
    dim : int
        Dimension p, 2 or more.
    kappa : float
        Concentration, finite and >= 0.
    size : int
    rng : numpy.random.Generator, int or None
        Generator or seed.

    Returns
    -------
    (size,) float64
        Between 0 and 2, accurate to a few units in the last place, however small.
    """
    dim, kappa, size = _checked(dim, kappa, size)
    generator = np.random.default_rng(rng)
    if dim == 3:
        return _invert_dimension_three(kappa, generator.random(size))
    return _reject(dim, kappa, size, generator)


def sample(
    mean_direction: npt.ArrayLike,
    kappa: float,
    size: int,
    rng: Generator | int | None = None,
    *,
    dtype: npt.DTypeLike = np.float64,
) -> npt.NDArray[np.floating[Any]]:
    """Draw `size` directions from vMF(`mean_direction`, `kappa`).

    Parameters
    ----------
    mean_direction : (dim,) array_like
        Unit vector, dim 2 or more.
    kappa : float
        Concentration, finite and >= 0; 0 is the uniform distribution.
    size : int
        Number of draws.
    rng : numpy.random.Generator, int or None
        Generator or seed.
    dtype : float64 or float32
        Of the result. A float32 draw is the float64 draw of the same seed, rounded.

    Returns
    -------
    (size, dim) array
        Unit rows. The same, for the same seed, as the chunks of `sample_chunks` joined.

    Raises
    ------
    ValueError
        For arguments out of range.
    """
    count = _checked(2, kappa, size)[2]
    chunks = sample_chunks(mean_direction, kappa, count, rng, dtype=dtype, chunk_rows=max(count, 1))
    for chunk in chunks:
        return chunk
    return np.empty((0, np.asarray(mean_direction).size), dtype=dtype)


def sample_chunks(
    mean_direction: npt.ArrayLike,
    kappa: float,
    size: int,
    rng: Generator | int | None = None,
    *,
    dtype: npt.DTypeLike = np.float64,
    chunk_rows: int | None = None,
) -> Iterator[npt.NDArray[np.floating[Any]]]:
    """Yield `size` draws of vMF(`mean_direction`, `kappa`) in chunks of bounded memory.

    Parameters
    ----------
    chunk_rows : int, optional
        Rows of a chunk; default so many as fill 64 MiB. The draws do not depend on it.

    Other parameters, and errors, as for `sample`; they are checked at the call, before the
    first chunk is asked for.
    """
    mu = np.asarray(mean_direction, dtype=np.float64)
    if mu.ndim != 1:
        raise ValueError(f"mean_direction has shape {mu.shape}; expected (dim,)")
    if not abs(float(np.linalg.norm(mu)) - 1.0) <= 1e-9:
        raise ValueError("mean_direction must be of unit length")
    dim, kappa, size = _checked(mu.size, kappa, size)
    output = np.dtype(dtype)
    if output not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {output}; expected float32 or float64")
    if chunk_rows is None:
        chunk_rows = max(1, _CHUNK_BYTES // (dim * output.itemsize))
    elif operator.index(chunk_rows) < 1:
        raise ValueError(f"chunk_rows is {chunk_rows}; it must be 1 or more")
    return _chunks(mu, kappa, size, np.random.default_rng(rng), output, chunk_rows)


def _chunks(
    mu: Vector,
    kappa: float,
    size: int,
    rng: Generator,
    dtype: np.dtype[Any],
    chunk_rows: int,
) -> Iterator[npt.NDArray[np.floating[Any]]]:
    dim = mu.size
    # H = I - 2 v v' with v along mu + s e_1, s the sign of mu_1, takes e_1 to -s mu.
    sign = math.copysign(1.0, float(mu[0]))
    v = mu.copy()
    v[0] += sign
    v /= np.linalg.norm(v)
    block_rows = max(1, _BLOCK_ELEMENTS // dim)
    q = np.empty(0)
    used = 0
    for start in range(0, size, chunk_rows):
        chunk = np.empty((min(chunk_rows, size - start), dim), dtype=dtype)
        filled = 0
        while filled < chunk.shape[0]:
            if used == q.size:
                remaining = size - start - filled
                q = sample_one_minus_cosine(dim, kappa, min(_COSINE_BATCH, remaining), rng)
                used = 0
            rows = min(block_rows, chunk.shape[0] - filled, q.size - used)
            chunk[filled : filled + rows] = _directions(q[used : used + rows], v, sign, rng)
            used += rows
            filled += rows
        yield chunk


def _directions(q: FloatArray, v: FloatArray, sign: float, rng: Generator) -> FloatArray:
    """Rows at 1 - cosine `q` from the mean direction, in a uniformly random tangent direction."""
    block = rng.standard_normal((q.size, v.size))
    tangent = block[:, 1:]
    sine = np.sqrt(q * (2.0 - q))
    if v.size == 2:
        tangent[:, 0] = np.copysign(sine, tangent[:, 0])
    else:
        tangent *= (sine / np.sqrt(np.einsum("ij,ij->i", tangent, tangent)))[:, np.newaxis]
    block[:, 0] = -sign * (1.0 - q)
    # einsum, not BLAS, whose rounding of a row depends on how many rows there are.
    block -= (2.0 * np.einsum("ij,j->i", block, v))[:, np.newaxis] * v
    return block


def _invert_dimension_three(kappa: float, u: FloatArray) -> FloatArray:
    """1 - cosine at which the distribution function of 1 - cosine is `u`, for p = 3."""
    if kappa < 1e-16:
        return 2.0 * u
    return np.asarray(np.minimum(-np.log1p(u * math.expm1(-2.0 * kappa)) / kappa, 2.0))


def _reject(dim: int, kappa: float, size: int, rng: Generator) -> FloatArray:
    m = dim - 1.0
    root = math.hypot(2.0 * kappa, m)
    b = m / (2.0 * kappa + root)
    x0 = 2.0 * kappa / (m + root)  # (1 - b)/(1 + b), the cosine where the envelope touches
    q0 = 2.0 * b / (1.0 + b)  # 1 - x0
    result = np.empty(size)
    filled = 0
    while filled < size:
        wanted = size - filled
        g1 = rng.standard_gamma(0.5 * m, wanted)
        g2 = rng.standard_gamma(0.5 * m, wanted)
        q = 2.0 * b * g1 / (g2 + b * g1)
        # log of target over envelope, 0 at q = q0:
        # kappa (c - x0) + m log((1 - x0 c)/(1 - x0^2)), c = 1 - q.
        log_ratio = kappa * (q0 - q) + m * np.log1p(x0 * (q - q0) / (q0 * (2.0 - q0)))
        accepted = q[-rng.standard_exponential(wanted) <= log_ratio]
        result[filled : filled + accepted.size] = accepted
        filled += accepted.size
    return result


def _checked(dim: int, kappa: float, size: int) -> tuple[int, float, int]:
    dim, kappa, size = operator.index(dim), float(kappa), operator.index(size)
    if dim < 2:
        raise ValueError(f"dim is {dim}; a direction needs dimension 2 or more")
    if not (math.isfinite(kappa) and kappa >= 0):
        raise ValueError(f"kappa is {kappa}; it must be finite and >= 0")
    if size < 0:
        raise ValueError(f"size is {size}; it must be >= 0")
    return dim, kappa, size
