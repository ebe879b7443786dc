"""Chunks that are read ahead: the same rows in the same order, and an end that is an end."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

from vmf.embeddings import open_embeddings
from vmf.errors import EmbeddingError
from vmf.passes.here import read_ahead, row_stream

ROWS = np.random.default_rng(1).standard_normal((100, 4))


@pytest.fixture
def files(tmp_path):
    for number, part in enumerate(np.array_split(ROWS, 5)):
        np.save(tmp_path / f"{number}.npy", part)
    return list(open_embeddings(tmp_path).parts)


def reading():
    return [thread for thread in threading.enumerate() if thread.name == "vmf-read-ahead"]


@pytest.mark.parametrize("skip", [0, 1, 19, 20, 21, 67, 99, 100])
def test_all_rows_in_order(files, skip):
    chunks = list(row_stream(files, skip=skip, chunk_bytes=3 * 32))
    found = np.concatenate([np.empty((0, 4)), *(chunk.rows for chunk in chunks)])
    np.testing.assert_array_equal(found, ROWS[skip:])
    for chunk in chunks:
        begin = chunk.start
        expected = np.load(files[chunk.position].path)[begin : begin + len(chunk.rows)]
        np.testing.assert_array_equal(chunk.rows, expected)
    assert not reading()


def test_the_next_item_is_made_while_one_is_used():
    made = [threading.Event() for _ in range(3)]

    def source():
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in read_ahead(source()):
        assert number == 2 or made[number + 1].wait(30)


def test_it_is_one_item_ahead_and_no_more():
    made = []

    def source():
        for number in range(10):
            made.append(number)
            yield number

    items = read_ahead(source())
    assert next(items) == 0
    for _ in range(100):
        threading.Event().wait(0.001)
    assert len(made) <= 3  # one in use, one that waits, one that is offered
    items.close()
    assert not reading()


def test_an_error_comes_after_what_was_read_before_it(files):
    files[3].path.write_bytes(b"")
    seen = [chunk.rows for chunk in row_stream(files, chunk_bytes=1 << 20)]
    assert isinstance(seen[3], EmbeddingError)
    assert re.search(r"3\.npy: .*truncated|3\.npy: changed", str(seen[3]))
    np.testing.assert_array_equal(
        np.concatenate([*seen[:3], seen[4]]), np.delete(ROWS, range(60, 80), 0)
    )
    assert not reading()


def test_leaving_early_ends_the_source():
    ended = threading.Event()

    def source():
        try:
            while True:
                yield 1
        finally:
            ended.set()

    for _ in read_ahead(source()):
        break
    assert ended.wait(30)


def test_interrupts_pass_through():
    def source():
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(read_ahead(source()))
