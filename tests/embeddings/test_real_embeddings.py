"""Real word vectors: 20 000 rows of 300 float32, some of them zero.

fr_core_news_md.npy is looked for in `tests.real_data`; without it these tests are skipped.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.real_data import ABSENT, REAL_DATA
from vmf import special
from vmf.cli import app

VECTORS = REAL_DATA / "fr_core_news_md.npy"
pytestmark = pytest.mark.skipif(not VECTORS.is_file(), reason=f"{VECTORS.name} {ABSENT}")


@pytest.mark.parametrize("ending", ["npy", "parquet", "csv", "h5", "safetensors"])
def test_the_fit_is_that_of_numpy_in_every_format(tmp_path, ending):
    for module in {"parquet": ["pyarrow"], "h5": ["h5py"]}.get(ending, []):
        pytest.importorskip(module)
    rows = np.load(VECTORS).astype(np.float64)
    norms = np.linalg.norm(rows, axis=1)
    units = rows[norms > 0] / norms[norms > 0, np.newaxis]
    expected = np.linalg.norm(units.mean(axis=0))
    source, model = tmp_path / f"x.{ending}", tmp_path / "m.safetensors"
    converted = CliRunner().invoke(app, ["convert", str(VECTORS), "-o", str(source)])
    assert converted.exit_code == 0, converted.output
    command = ["fit", str(source), "-o", str(model), "--estimator", "mle", "--json"]
    done = CliRunner().invoke(app, [*command, "--on-bad-rows", "skip"])
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["classes"]
    assert found["rows"] == len(units)
    assert found["mean_resultant_length"] == pytest.approx(expected, rel=1e-12)
    assert found["kappa"] == pytest.approx(special.concentration(300, expected), rel=1e-12)
