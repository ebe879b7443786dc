"""Random directions: the bits of ChaCha, the normal numbers made of them, the rows made of those."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.libraries import optional
from vmf import _random

stats = optional("scipy.stats")

SETS = _random.instruction_sets()
TYPES = [np.float32, np.float64]


def chacha8(key: int, stream: int, counter: int) -> list[int]:
    """Return the 16 words of a block, from the definition."""
    start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, key & 0xFFFFFFFF, key >> 32]
    start += [0] * 6 + [counter, 0, stream & 0xFFFFFFFF, stream >> 32]
    w = list(start)

    def turn(a: int, b: int, c: int, d: int) -> None:
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            w[x] = (w[x] + w[y]) & 0xFFFFFFFF
            w[z] ^= w[x]
            w[z] = (w[z] << bits | w[z] >> (32 - bits)) & 0xFFFFFFFF

    for _ in range(4):
        for column in range(4):
            turn(column, 4 + column, 8 + column, 12 + column)
        for i in range(4):
            turn(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return [(a + b) & 0xFFFFFFFF for a, b in zip(w, start, strict=True)]


def test_the_reference_gives_the_published_key_stream() -> None:
    """Key and nonce 0, 8 rounds: the first block of the vectors that circulate since eSTREAM."""
    stream = b"".join(word.to_bytes(4, "little") for word in chacha8(0, 0, 0))
    assert stream.hex().startswith(
        "3e00ef2f895f40d67f5bb8e81f09a5a12c840ec3ce9a7f3b181be188ef711a1e"
    )


def batch(dtype: Any, key: int, stream: int) -> Any:
    """Return the normal numbers of the first 16 blocks of a stream, by NumPy's functions."""
    words = np.array([chacha8(key, stream, block) for block in range(16)], np.uint32).T
    if dtype == np.float32:
        uniform = ((words >> 1) * 2.0**-31 * (1 - 2.0**-24) + 2.0**-33)[::2]
        angle = words.view(np.int32)[1::2] * (2 * math.pi * 2.0**-32)
    else:
        long = np.ascontiguousarray(words).view(np.uint64)
        uniform = (long[::2] >> np.uint64(12)) * 2.0**-52 + 2.0**-53
        angle = long.view(np.int64)[1::2] * (2 * math.pi * 2.0**-64)
    radius = np.sqrt(-2 * np.log(uniform))
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.reshape(-1)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("instruction_set", SETS)
def test_normal_numbers_are_made_of_these_bits(dtype: Any, instruction_set: str) -> None:
    key = 0x0123456789ABCDEF
    rows = np.empty((9, 1000), dtype)  # four rows a group, one group a stream
    _random.fill_normals(rows, key, 1, instruction_set)
    for stream in range(3):
        expected = batch(dtype, key, stream)
        found = rows[4 * stream :].reshape(-1)[: expected.size]
        eps = np.finfo(dtype).eps
        # The angle is rounded to the type, which matters where it is near a multiple of pi/2.
        np.testing.assert_allclose(found, expected[: found.size], rtol=8 * eps, atol=8 * eps)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("dim", [1, 2, 3, 100, 5000])
def test_neither_threads_nor_instruction_sets_nor_other_rows_matter(dtype: Any, dim: int) -> None:
    count = 300_000 // dim
    one, other = np.empty((count, dim), dtype), np.empty((count, dim), dtype)
    _random.fill_normals(one, 5)
    for threads, instruction_set in ((2, SETS[0]), (7, SETS[-1]), (1, SETS[len(SETS) // 2])):
        _random.fill_normals(other, 5, threads, instruction_set)
        np.testing.assert_array_equal(one, other)
    fewer = np.empty((count // 3, dim), dtype)
    _random.fill_normals(fewer, 5)
    np.testing.assert_array_equal(one[: count // 3], fewer)
    _random.fill_normals(other, 6)
    assert np.mean(one == other) < 1e-3


@pytest.mark.parametrize("dtype", TYPES)
def test_the_numbers_are_normal_and_independent(dtype: Any) -> None:
    rows = np.empty((2000, 1000), dtype)
    _random.fill_normals(rows, 20261123)
    z = rows.astype(np.float64)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    # Tails: 2e6 numbers have a largest one of about 5, and 126 beyond 4.
    assert 4.4 < np.abs(z).max() < 6.7
    assert abs(np.count_nonzero(np.abs(z) > 4) - 126.7) < 4 * math.sqrt(126.7)
    # Squared lengths are chi-square, neighbours in a row, down a column and across pairs unrelated.
    assert stats.kstest((z**2).sum(1), stats.chi2(1000).cdf).pvalue > 1e-3
    for product in (z[:, 1:] * z[:, :-1], z[1:] * z[:-1], z[:, 16:] * z[:, :-16]):
        assert abs(product.mean()) < 4 / math.sqrt(product.size)
        squares = product**2 - 1
        assert abs(squares.mean()) < 4 * math.sqrt(8 / squares.size)


def _mean_directions(dim: int, dtype: Any) -> Any:
    rows = np.random.default_rng(dim).normal(size=(4, dim))
    rows[2:] = 0.0
    rows[2, 0], rows[3, 0] = 1.0, -1.0
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("dim", [2, 3, 15, 16, 512, 5000])
@pytest.mark.parametrize("instruction_set", SETS)
def test_directions_are_reflected_noise(dtype: Any, dim: int, instruction_set: str) -> None:
    mu, count = _mean_directions(dim, dtype), 40
    noise, rows = np.empty((count, dim), dtype), np.empty((count, dim), dtype)
    angle = np.random.default_rng(1).uniform(0, math.pi, count)
    _random.fill_normals(noise, 3)
    _random.fill_directions(rows, angle, mu, 3, 2, instruction_set)
    eps = np.finfo(dtype).eps
    for i, row in enumerate(rows.astype(np.float64)):
        mean = mu[i % 4].astype(np.float64)
        z = noise[i].astype(np.float64)
        z[0] = 0.0
        z *= math.sin(angle[i]) / np.linalg.norm(z)
        w = mean.copy()
        w[0] += math.copysign(1.0, mean[0])
        expected = mean * math.cos(angle[i]) + z - w * (w @ z) / (1 + abs(mean[0]))
        np.testing.assert_allclose(row, expected, atol=16 * eps, rtol=0)
        assert abs(np.linalg.norm(row) - 1) < 16 * eps


def test_instruction_sets_draw_the_same_directions() -> None:
    for dtype in TYPES:
        mu, angle = _mean_directions(100, dtype), np.linspace(0.1, 3, 500)
        drawn = [np.empty((500, 100), dtype) for _ in SETS]
        for rows, instruction_set in zip(drawn, SETS, strict=True):
            _random.fill_directions(rows, angle, mu, 1, 1, instruction_set)
            np.testing.assert_array_equal(rows, drawn[0])


def test_no_rows() -> None:
    nothing = np.empty((0, 3))
    _random.fill_normals(nothing, 1)
    _random.fill_directions(nothing, np.empty(0), np.ones((1, 3)), 1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"angle": np.ones(3)}, ValueError, "one angle a row"),
        ({"mean": np.ones((1, 4))}, ValueError, "of the dimension of the rows"),
        ({"mean": np.ones((0, 3))}, ValueError, "there must be a mean direction"),
        ({"mean": np.ones((1, 3), np.float32)}, TypeError, "incompatible function arguments"),
        ({"out": np.empty((2, 6))[:, ::2]}, TypeError, "incompatible function arguments"),
        ({"instruction_set": "sse9"}, ValueError, "no instruction set named sse9"),
    ],
)
def test_wrong_arguments(change: dict[str, Any], error: Any, message: str) -> None:
    arguments: dict[str, Any] = {
        "out": np.empty((2, 3)), "angle": np.ones(2), "mean": np.eye(3)[:1],
        "key": 1,
    }  # fmt: skip
    with pytest.raises(error, match=message):
        _random.fill_directions(**{**arguments, **change})
