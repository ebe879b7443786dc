from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from vmf.embeddings import open_embeddings
from vmf.errors import EmbeddingError


def read(path: Path, column: str | None = None, **how: int) -> np.ndarray:
    return np.concatenate([rows for _, rows in open_embeddings(path, column).chunks(**how)])


@pytest.fixture
def stored() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((123, 4)).astype(np.float32)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_compressed_or_not_it_reads_back(tmp_path, stored, save, order):
    save(tmp_path / "x.npz", stored.copy(order=order))
    file = open_embeddings(tmp_path / "x.npz")
    assert (file.format, file.shape, file.dtype) == ("npz", (123, 4), np.float32)
    np.testing.assert_array_equal(read(tmp_path / "x.npz", rows=10), stored)


def test_the_only_matrix_is_chosen_among_members(tmp_path, stored):
    np.savez(tmp_path / "x.npz", features=stored, labels=np.arange(123), name=np.array("cifar"))
    np.testing.assert_array_equal(read(tmp_path / "x.npz"), stored)


def test_a_member_is_chosen_by_name(tmp_path, stored):
    np.savez(tmp_path / "x.npz", train=stored, test=stored[:5] * 2)
    np.testing.assert_array_equal(read(tmp_path / "x.npz", "test"), stored[:5] * 2)
    np.testing.assert_array_equal(read(tmp_path / "x.npz", "test.npy"), stored[:5] * 2)
    with pytest.raises(
        EmbeddingError, match=r"train \(123 x 4 float32\), test .*choose one with column=NAME"
    ):
        open_embeddings(tmp_path / "x.npz")
    with pytest.raises(EmbeddingError, match="has no member 'val'; it holds train"):
        open_embeddings(tmp_path / "x.npz", "val")


def test_members_that_are_no_embeddings_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.array([[1, None]], object))
    with pytest.raises(EmbeddingError, match="member 'a' holds Python objects"):
        open_embeddings(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", a=np.ones(3))
    with pytest.raises(EmbeddingError, match=r"member 'a' has shape \(3,\)"):
        open_embeddings(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", a=np.ones((3, 1)))
    with pytest.raises(EmbeddingError, match="dimension 1"):
        open_embeddings(tmp_path / "x.npz")


def test_foreign_archives_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02.")
    with pytest.raises(EmbeddingError, match=r"PyTorch checkpoint .* never loaded"):
        open_embeddings(tmp_path / "x.npz")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    with pytest.raises(EmbeddingError, match=r"without .npy members"):
        open_embeddings(tmp_path / "x.npz")


def test_truncated_archives_are_refused(tmp_path, stored):
    np.savez_compressed(tmp_path / "x.npz", stored)
    whole = (tmp_path / "x.npz").read_bytes()
    for size in (10, len(whole) // 2, len(whole) - 10):
        (tmp_path / "x.npz").write_bytes(whole[:size])
        with pytest.raises(EmbeddingError, match="damaged or truncated"):
            open_embeddings(tmp_path / "x.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_bit_is_found_by_the_checksum(tmp_path, stored, save):
    save(tmp_path / "x.npz", stored)
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "x.npz").write_bytes(bytes(data))
    with pytest.raises(EmbeddingError, match="damaged"):
        read(tmp_path / "x.npz")


def test_a_member_that_promises_more_than_it_holds_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((10, 2)))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", (tmp_path / "x.npy").read_bytes()[:-8])
    with pytest.raises(EmbeddingError, match=r"member 'a.npy' is damaged: 10 x 2 float64 takes"):
        open_embeddings(tmp_path / "x.npz")


def test_a_decompression_bomb_is_streamed_not_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", np.ones((300_000, 8), np.float32))
    assert (tmp_path / "x.npz").stat().st_size < 100_000
    sizes = {rows.nbytes for _, rows in open_embeddings(tmp_path / "x.npz").chunks(memory=1 << 16)}
    assert max(sizes) <= 1 << 16
