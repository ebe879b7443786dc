"""Options that become something else before the work begins."""

from __future__ import annotations

import pytest

from vmf.cli.options import bytes_of
from vmf.errors import EmbeddingError


@pytest.mark.parametrize(
    ("text", "size"),
    [("1GB", 10**9), ("1gb", 10**9), ("1.5 G", 1_500_000_000), ("500MB", 500_000_000),
     ("2GiB", 2 << 30), ("64k", 64_000), ("123456", 123_456), ("1 TB", 10**12)],
)  # fmt: skip
def test_sizes_of_memory(text, size):
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1 XB", "1e9", "1ib", "nan", "1GBs"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(EmbeddingError, match="give a size such as"):
        bytes_of(text)
