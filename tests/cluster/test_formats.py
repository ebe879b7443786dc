"""Files of other formats, cut where reading can begin."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cluster.conftest import small
from tests.passes.test_merging import numbers
from vmf.cluster.blocks import blocks_of
from vmf.embeddings.opening import open_files
from vmf.jobs.fit import fit_files

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def mixed(folder, rows):
    table = pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array(rows[:3000].ravel()), 24)})
    pq.write_table(table, folder / "a.parquet", row_group_size=130)
    np.savetxt(folder / "b.csv", rows[3000:3400], delimiter=",", fmt="%.9g")
    np.savez_compressed(folder / "c.npz", x=rows[3400:4000])
    return [folder / "a.parquet", folder / "b.csv", folder / "c.npz"]


def test_blocks_begin_where_reading_can(mixed):
    files = open_files(mixed)
    cut = [
        (files[b.position].path.name, b.start, b.stop)
        for b in blocks_of(files, None, align=4800, smallest=4800, largest=4800)
    ]
    assert [entry for entry in cut if entry[0] != "a.parquet"] == [
        ("b.csv", 0, 400),
        ("c.npz", 0, 600),
    ]
    groups = [entry[1:] for entry in cut if entry[0] == "a.parquet"]
    assert groups == [(k, min(k + 130, 3000)) for k in range(0, 3000, 130)]
    rest = [
        (b.start, b.stop)
        for b in blocks_of(files, None, align=4800, skip=200, smallest=4800, largest=4800)
    ]
    assert rest[:2] == [(200, 260), (260, 390)]
    assert sum(stop - start for start, stop in rest) == 3800


def test_formats_together_have_the_same_bits(runner, mixed):
    assert numbers(fit_files(mixed, runner=runner, reading=small())) == numbers(fit_files(mixed))
