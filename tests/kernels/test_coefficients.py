"""The tables in the kernels are what their generator writes, and right."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from flint import arb, ctx

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "scripts" / "generate_coefficients.py"
HEADER = ROOT / "kernels" / "include" / "vmf" / "coefficients.hpp"


def _check(generator: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(generator), "--check"], capture_output=True, text=True, check=False
    )


def test_regenerating_changes_nothing() -> None:
    before = HEADER.read_bytes()
    checked = _check(GENERATOR)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert HEADER.read_bytes() == before


def test_a_changed_digit_is_noticed(tmp_path: Path) -> None:
    generator = tmp_path / "scripts" / GENERATOR.name
    header = tmp_path / HEADER.relative_to(ROOT)
    for path in (generator, header):
        path.parent.mkdir(parents=True)
    generator.write_text(GENERATOR.read_text())
    text = HEADER.read_text()
    assert text.count("-0x1.aaaaaaaaaaaabp-3") >= 1
    header.write_text(text.replace("-0x1.aaaaaaaaaaaabp-3", "-0x1.aaaaaaaaaaaaap-3", 1))
    assert _check(generator).returncode == 1


def _table(name: str) -> list[float]:
    found = re.search(rf"\b{name}\[(\d+)\] = {{(.*?)}};", HEADER.read_text(), re.DOTALL)
    assert found is not None, name
    values = [float.fromhex(word) for word in found[2].replace(",", " ").split()]
    assert len(values) == int(found[1])
    return values


def test_first_debye_coefficients() -> None:
    """log(1 + u_1/v + u_2/v^2 + ...) from u_1 = (3t - 5t^3)/24 and DLMF 10.41.10 by hand."""
    # d_1 = u_1;  d_2 = u_2 - u_1^2/2 = (t^2 - 6 t^4 + 5 t^6)/16.
    assert _table("debye_q")[:5] == [3 / 24, -5 / 24, 1 / 16, -6 / 16, 5 / 16]


@pytest.mark.parametrize(
    ("w", "terms"), [(24.5, 20), (42.0, 13), (80.0, 10), (200.0, 7), (800.0, 5), (2500.0, 4)]
)
def test_debye_sums_reach_their_accuracy_at_the_border(w: float, terms: int) -> None:
    """The terms left out are below 2^-58 for every direction of (v, x), as debye.hpp says."""
    q = _table("debye_q")
    for step in range(101):
        tau = step / 100
        tail = [
            sum(q[(k - 1) * (k + 2) // 2 + i] * tau**i for i in range(k + 1)) / w**k
            for k in range(terms + 1, terms + 4)
        ]
        assert abs(tail[0]) + abs(tail[1]) + abs(tail[2]) < 2.0**-57


def test_logarithm_table() -> None:
    """log_offset + log_offset_tail = -log(reciprocal), less log 2 in the upper half."""
    rows = zip(
        _table("log_reciprocal"), _table("log_offset"), _table("log_offset_tail"), strict=True
    )
    for i, (reciprocal, high, low) in enumerate(rows):
        with ctx.workprec(200):
            shift = arb(2).log() if i >= 7 else arb(0)
            difference = arb(high) + arb(low) + arb(reciprocal).log() + shift
        assert abs(float(difference.mid())) < 2.0**-106
