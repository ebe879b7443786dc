"""Write kernels/include/vmf/single_coefficients.hpp, the tables of the float32 path.

    python scripts/generate_single_coefficients.py [--check]

* the table of the logarithm of coefficients.hpp in pairs of floats, and the split of ln 2;
* the trapezoidal rule of quadrature.hpp with the few nodes that float32 needs: relative error below
  2^-24 for 1/2 <= x, w < 4 (rule 1) and for 4 <= w < 13, v <= 8.5 (rule 4).

tests/gpu/test_single.py checks both against Arb. Needs python-flint.
"""

from __future__ import annotations

import argparse
import math
import sys
from fractions import Fraction
from pathlib import Path

from flint import arb, ctx

HEADER = (
    Path(__file__).resolve().parents[1] / "kernels" / "include" / "vmf" / "single_coefficients.hpp"
)

# name: step, nodes to the left, nodes to the right
QUADRATURES = {"1": (Fraction(23, 64), 17, 13), "4": (Fraction(17, 64), 19, 10)}


def nearest(value: arb) -> float:
    """The float32 nearest to value, but for ties."""
    middle = float(value.mid())
    if middle == 0.0:
        return 0.0
    mantissa, exponent = math.frexp(middle)
    return math.ldexp(round(math.ldexp(mantissa, 24)), exponent - 24)


def literal(value: float) -> str:
    return f"{value.hex()}f" if value else "0.0f"


def array(name: str, values: list[float], comment: str) -> str:
    lines = [f"// {comment}", f"VMF_TABLE float {name}[{len(values)}] = {{"]
    for i in range(0, len(values), 4):
        lines.append("    " + " ".join(literal(v) + "," for v in values[i : i + 4]))
    return "\n".join([*lines, "};", ""])


def logarithm_table() -> str:
    pi = arb.pi()
    constants = {
        "": arb(0),
        "_two_pi": (2 * pi).log(),
        "_two_over_pi": (2 / pi).log(),
        "_half_over_pi": -(2 * pi).log(),
    }
    ln2 = arb(2).log()
    reciprocals: list[float] = []
    logs: list[arb] = []
    for i in range(16):
        centre = Fraction(2 * i + 33, 32)
        c = {0: Fraction(1), 15: Fraction(1, 2)}.get(i, Fraction(round(128 / centre), 128))
        reciprocals.append(float(c))
        exact_one = i in (0, 15)
        logs.append(
            arb(0)
            if exact_one
            else -(arb(c.numerator) / c.denominator).log() - (ln2 if i >= 7 else 0)
        )
    parts = [
        array(
            "single_log_reciprocal",
            reciprocals,
            "1/m to seven bits for m in [1 + i/16, 1 + (i+1)/16)",
        )
    ]
    for name, constant in constants.items():
        heads = [nearest(log + constant) for log in logs]
        tails = [nearest(log + constant - arb(h)) for log, h in zip(logs, heads, strict=True)]
        comment = "-log of it, less log 2 where m >= 1.4375" + (
            f", + log({name[1:]})" if name else ""
        )
        parts.append(array(f"single_log_offset{name}", heads, comment))
        parts.append(
            array(f"single_log_offset{name}_tail", tails, "what the floats above leave over")
        )
    head = math.floor(float(ln2.mid()) * 2**15) / 2**15
    parts.append("// ln 2 = head + tail; head has 15 bits: its multiples by exponents are exact.")
    parts.append(f"constexpr float single_ln2_head = {literal(head)};")
    parts.append(f"constexpr float single_ln2_tail = {literal(nearest(ln2 - arb(head)))};\n")
    return "\n".join(parts)


def quadrature(name: str, step: Fraction, left: int, right: int) -> str:
    h = arb(step.numerator) / step.denominator
    prefix = f"single_quadrature_{name}"
    parts = [
        f"// Step {float(step)}, {left} nodes to the left and {right} to the right.",
        f"constexpr float {prefix}_step = {literal(nearest(h))};",
        f"constexpr int {prefix}_left = {left};",
        f"constexpr int {prefix}_right = {right};",
    ]
    nodes = [h * j for j in range(1, max(left, right) + 1)]
    for function, values, comment in (
        ("cosh", [u.cosh() - 1 for u in nodes], "cosh u - 1"),
        ("sinh", [u.sinh() - u for u in nodes], "sinh u - u"),
        ("exp", [u.exp() for u in nodes[:left]], "exp(u), the nodes to the left"),
        ("exp_minus", [(-u).exp() for u in nodes[:right]], "exp(-u), the nodes to the right"),
    ):
        parts.append(array(f"{prefix}_{function}", [nearest(v) for v in values], comment))
    return "\n".join(parts)


def render() -> str:
    ctx.prec = 200
    return "\n".join(
        [
            "// Written by scripts/generate_single_coefficients.py, which says what each table is; do not edit.",
            "#pragma once",
            "",
            '#include "platform.hpp"',
            "",
            "namespace VMF_NAMESPACE {",
            "",
            logarithm_table(),
            *(quadrature(name, *rule) for name, rule in QUADRATURES.items()),
            "}  // namespace VMF_NAMESPACE",
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the file, write nothing")
    text = render()
    if parser.parse_args().check:
        same = HEADER.exists() and HEADER.read_text() == text
        print(f"{HEADER.name} {'is up to date' if same else 'differs: run this script'}")
        return 0 if same else 1
    HEADER.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
