"""Write kernels/include/vmf/single_coefficients.hpp, the tables of the float32 path.

    python scripts/generate_single_coefficients.py [--output FILE]

The logarithm's tables are those of coefficients.hpp, in pairs of floats. The quadrature is the
trapezoidal rule of quadrature.hpp with the step and the nodes that float32 needs; `--check` prints
its largest error over a grid of orders and arguments.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from flint import arb, ctx

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "kernels" / "include" / "vmf" / "single_coefficients.hpp"

# K_v(x) for 1/2 <= x, w < 16, v < 10: relative error of the rule below 2^-25.
STEP = 0.3125
LEFT, RIGHT = 18, 14


def _floats(name: str, values: list[float], comment: str) -> str:
    lines = [f"// {comment}", f"VMF_TABLE float {name}[{len(values)}] = {{"]
    for i in range(0, len(values), 4):
        row = ", ".join(f"{_literal(value)}" for value in values[i : i + 4])
        lines.append(f"    {row},")
    lines.append("};")
    return "\n".join(lines)


def _literal(value: float) -> str:
    single = float(np.float32(value))
    if single == 0.0:
        return "0.0f"
    mantissa, exponent = math.frexp(single)
    bits = int(abs(mantissa) * 2**24)
    return f"{'-' if single < 0 else ''}0x{bits >> 23:x}.{(bits & (2**23 - 1)) << 1:06x}p{exponent - 1:+d}f"


def _pair(value: arb) -> tuple[float, float]:
    head = float(np.float32(float(value.mid())))
    return head, float(np.float32(float((value - arb(head)).mid())))


def _logarithm_tables() -> list[str]:
    reciprocals = []
    for i in range(16):
        middle = 1 + (i + 0.5) / 16
        c = 1.0 if i == 0 else round(128 / middle) / 128
        if i >= 7:  # m >= 1.4375 counts with the next exponent: log(2^(k+1) m/2)
            c = round(256 / middle) / 256 if i < 15 else 0.5
        reciprocals.append(c)
    tables = [_floats("single_log_reciprocal", reciprocals, "1/m to seven bits, as log_reciprocal")]
    shift = arb(2).log()
    for suffix, factor in (
        ("", arb(1)),
        ("_two_pi", 2 * arb.pi()),
        ("_two_over_pi", 2 / arb.pi()),
        ("_half_over_pi", 1 / (2 * arb.pi())),
    ):
        heads, tails = [], []
        for i, c in enumerate(reciprocals):
            value = -arb(c).log() + factor.log() - (shift if i >= 7 else 0)
            if i == 0 and not suffix:
                value = arb(0)
            head, tail = _pair(value)
            heads.append(head)
            tails.append(tail)
        what = "log c" if not suffix else f"log c and log({suffix[1:].replace('_', ' ')})"
        tables.append(_floats(f"single_log_offset{suffix}", heads, f"of {what}, k log 2 apart"))
        tables.append(
            _floats(f"single_log_offset{suffix}_tail", tails, "and what floats leave over")
        )
    return tables


def _quadrature_tables() -> list[str]:
    tables = []
    for side, count in (("left", LEFT), ("right", RIGHT)):
        nodes = [STEP * (j + 1) for j in range(count)]
        sign = -1 if side == "left" else 1
        tables.append(
            _floats(f"single_{side}_cosh", [math.cosh(u) - 1 for u in nodes], "cosh u - 1")
        )
        tables.append(
            _floats(f"single_{side}_sinh", [math.sinh(u) - u for u in nodes], "sinh |u| - |u|")
        )
        tables.append(
            _floats(f"single_{side}_exp_minus", [math.exp(-sign * u) for u in nodes], "exp(-u)")
        )
    return tables


def text() -> str:
    """Return the header."""
    ctx.prec = 200
    head, tail = _ln2()
    parts = [
        "// Written by scripts/generate_single_coefficients.py, which says what each table is; do not edit.",
        "#pragma once",
        "",
        '#include "platform.hpp"',
        "",
        "namespace VMF_NAMESPACE {",
        "",
        "// ln 2 = head + tail; head has 15 bits, so that multiples of it by an exponent are exact.",
        f"constexpr float single_ln2_head = {_literal(head)};",
        f"constexpr float single_ln2_tail = {_literal(tail)};",
        "",
        "\n\n".join(_logarithm_tables()),
        "",
        f"// Trapezoidal rule: step {STEP}, {LEFT} nodes to the left and {RIGHT} to the right.",
        f"constexpr float single_quadrature_step = {_literal(STEP)};",
        f"constexpr int single_quadrature_left = {LEFT};",
        f"constexpr int single_quadrature_right = {RIGHT};",
        "\n\n".join(_quadrature_tables()),
        "",
        "}  // namespace VMF_NAMESPACE",
        "",
    ]
    return "\n".join(parts)


def _ln2() -> tuple[float, float]:
    value = arb(2).log()
    head = math.floor(float(value.mid()) * 2**15) / 2**15
    return head, float((value - arb(head)).mid())


def largest_quadrature_error() -> float:
    """Return the largest relative error of the rule, in units of 2^-25."""
    worst = 0.0
    ctx.prec = 200
    nodes = np.arange(-LEFT, RIGHT + 1) * STEP
    for v in np.concatenate([np.linspace(0, 10, 41)]):
        for x in np.concatenate([np.linspace(0.5, 4, 15), np.linspace(4, 16, 13)]):
            w = math.hypot(v, x)
            if w > 16:
                continue
            exponent = -w * (np.cosh(nodes) - 1) - v * (np.sinh(nodes) - nodes)
            eta = w - v * math.asinh(v / x)
            value = 0.5 * STEP * np.exp(exponent).sum() * math.exp(-eta)
            exact = float(arb(x).bessel_k(arb(v)).mid())
            worst = max(worst, abs(value / exact - 1) * 2**25)
    return worst


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.check:
        print(f"quadrature: {largest_quadrature_error():.3g} * 2^-25")
    else:
        arguments.output.write_text(text())
