#!/usr/bin/env python3
"""Write kernels/include/vmf/coefficients.hpp from exact rationals and 200-bit constants.

    python scripts/generate_coefficients.py [--check]

With --check nothing is written: the exit status is 1 if the file differs from what would be.

What is generated:

* the Debye coefficients q[k][i] of  log sum_k u_k(t)/v^k = sum_k w^-k sum_i q[k][i] t^(2i),  w = sqrt(v^2 + x^2),
  t = v/w, from the recurrence of the u_k (DLMF 10.41.9) and the logarithm of a power series, both exact;
* the 16-entry table of the logarithm (7-bit reciprocals and their logarithms to 106 bits) and the splits of ln 2;
* the table of 16 of the shorter logarithm and of log(2^v Gamma(1 + v)), with polynomials through Chebyshev's nodes;
* the Taylor coefficients of Temme's Gamma_1 and Gamma_2 (N. M. Temme, J. Comput. Phys. 19, 1975) and of
  log Gamma(1 + v)/v (DLMF 5.7.3);
* the nodes of the trapezoidal rule for K (DLMF 10.32.9 about its saddle point), chosen by the bounds in `quadrature`;
* polynomials in two variables for log K, interpolated in Chebyshev points (`interpolated`).
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from flint import acb, arb, arb_mat, ctx

HEADER = Path(__file__).resolve().parent.parent / "kernels" / "include" / "vmf" / "coefficients.hpp"
DEBYE_TERMS = 40
LOG_GAMMA_DEGREE = 14
SMALL_ORDER_DEGREE = 13
ctx.prec = 256


def debye(terms: int) -> list[list[Fraction]]:
    """q[k-1][i], exact, for k = 1..terms."""
    # u_k as {exponent of t: coefficient}; DLMF 10.41.9.
    u = [{0: Fraction(1)}]
    for _ in range(terms):
        following: dict[int, Fraction] = {}
        for e, c in u[-1].items():
            for power, value in (
                (e + 1, c * e / 2 + c / (8 * (e + 1))),
                (e + 3, -c * e / 2 - 5 * c / (8 * (e + 3))),
            ):
                following[power] = following.get(power, Fraction(0)) + value
        u.append(following)
    # d = log u as power series in 1/v: n u_n = sum_j j d_j u_(n-j).
    d: list[dict[int, Fraction]] = [{}]
    for n in range(1, terms + 1):
        total = {e: n * c for e, c in u[n].items()}
        for j in range(1, n):
            for e1, c1 in d[j].items():
                for e2, c2 in u[n - j].items():
                    total[e1 + e2] = total.get(e1 + e2, Fraction(0)) - j * c1 * c2
        d.append({e: c / n for e, c in total.items() if c})
    return [[d[k].get(k + 2 * i, Fraction(0)) for i in range(k + 1)] for k in range(1, terms + 1)]


def nearest(value: arb | Fraction) -> float:
    """The double nearest to value."""
    if isinstance(value, Fraction):
        return float(value)  # correctly rounded
    return float(value.mid())


def twofold(value: arb | Fraction) -> tuple[float, float]:
    """(hi, lo), the two doubles whose sum is nearest to value."""
    hi = nearest(value)
    if isinstance(value, Fraction):
        return hi, float(value - Fraction(hi))
    return hi, nearest(value - arb(hi))


def literal(value: float) -> str:
    return value.hex() if value else "0.0"


def array(name: str, values: list[float], comment: str, *, aligned: bool = False) -> str:
    declared = f"{'alignas(64) ' if aligned else ''}VMF_TABLE double {name}[{len(values)}]"
    lines = [f"// {comment}", f"{declared} = {{"]
    for i in range(0, len(values), 4):
        lines.append("    " + " ".join(literal(v) + "," for v in values[i : i + 4]))
    return "\n".join([*lines, "};", ""])


def constant(name: str, value: arb) -> str:
    hi, lo = twofold(value)
    return (
        f"constexpr double {name} = {literal(hi)};\nconstexpr double {name}_tail = {literal(lo)};\n"
    )


def split(name: str, value: arb, bits: int) -> list[str]:
    """Declare value = head + tail with a head of so many bits, so that small multiples of it are exact."""
    mantissa, exponent = math.frexp(nearest(value))
    head = math.ldexp(math.floor(math.ldexp(mantissa, bits)), exponent - bits)
    return [
        f"constexpr double {name}_head = {literal(head)};",
        f"constexpr double {name}_tail = {literal(nearest(value - arb(head)))};",
    ]


def logarithm_table() -> str:
    reciprocal, high, low = [], [], []
    pi = arb.pi()
    added = {
        "two_pi": (2 * pi).log(),
        "two_over_pi": (2 / pi).log(),
        "half_over_pi": -(2 * pi).log(),
    }
    shifted: dict[str, list[tuple[float, float]]] = {name: [] for name in added}
    ln2 = arb(2).log()
    for i in range(16):
        centre = Fraction(2 * i + 33, 32)
        # Exactly 1 next to m = 1 on both sides, so that log(1 + tiny) keeps its relative accuracy.
        c = {0: Fraction(1), 15: Fraction(1, 2)}.get(i, Fraction(round(128 / centre), 128))
        log_value = -(arb(c.numerator) / c.denominator).log() - (ln2 if i >= 7 else 0)
        hi, lo = twofold(log_value) if i not in (0, 15) else (0.0, 0.0)
        for name, constant_value in added.items():
            shifted[name].append(twofold(log_value + constant_value))
        reciprocal.append(float(c))
        high.append(hi)
        low.append(lo)
    return "\n".join(
        [
            array(
                "log_reciprocal", reciprocal, "1/m to seven bits for m in [1 + i/16, 1 + (i+1)/16)"
            ),
            array("log_offset", high, "-log of it, less log 2 where m >= 1.4375"),
            array("log_offset_tail", low, "what the doubles above leave over"),
            *(
                array(f"log_offset_{name}{suffix}", [pair[part] for pair in pairs], comment)
                for name, pairs in shifted.items()
                for part, suffix, comment in (
                    (0, "", f"log_offset + log({name})"),
                    (1, "_tail", "and what the doubles leave over"),
                )
            ),
            *sixteenth_tables(pi),
            array("exp_sixteenths", [nearest((ln2 * i / 16).exp()) for i in range(16)], "2^(i/16)"),
            array(
                "exp_sixteenths_tail",
                [twofold((ln2 * i / 16).exp())[1] if i else 0.0 for i in range(16)],
                "what the doubles leave over",
            ),
            "// ln 2/16 = head + tail; head has 36 bits.",
            *split("ln2_sixteenth", ln2 / 16, 36),
            "// ln 2 = head + tail; head has 40 bits, so that integer multiples of it are exact.",
            *split("ln2", ln2, 40),
            "",
        ]
    )


def sixteenth_tables(pi: arb) -> list[str]:
    logs = [-(arb(16 + i) / 16).log() for i in range(16)]
    return [
        array("log_sixteenths", [twofold(a)[0] for a in logs], "-log(1 + i/16)"),
        array("log_sixteenths_tail", [twofold(a)[1] for a in logs], "what the doubles leave over"),
        array(
            "log_half_two_pi",
            [nearest((a + (2 * pi).log()) / 2) for a in logs],
            "(log(2 pi) - log(1 + i/16))/2",
        ),
        array(
            "log_half_two_over_pi",
            [nearest((a + (2 / pi).log()) / 2) for a in logs],
            "(log(2/pi) - log(1 + i/16))/2",
        ),
    ]


def reciprocal_gamma(terms: int) -> list[arb]:
    """Taylor coefficients of 1/Gamma(1 + m) about 0, from exp(gamma m - sum zeta(k) (-m)^k/k)."""
    logs = [arb(0), arb.const_euler()] + [-arb(k).zeta() * (-1) ** k / k for k in range(2, terms)]
    series = [arb(1)]
    for n in range(1, terms):
        series.append(sum((j * logs[j] * series[n - j] for j in range(1, n + 1)), arb(0)) / n)
    return series


def log_gamma_tables() -> str:
    c = reciprocal_gamma(64)
    gamma_1 = [twofold(-c[2 * k + 1]) for k in range(28)]
    gamma_2 = [twofold(c[2 * k]) for k in range(28)]
    ratio = [-arb.const_euler()] + [arb(k).zeta() * (-1) ** k / k for k in range(2, 30)]
    ratio_parts = [twofold(r) for r in ratio]
    return "\n".join(
        [
            array("temme_gamma_1", [h for h, _ in gamma_1], "Gamma_1(m) in powers of m^2"),
            array("temme_gamma_1_tail", [t for _, t in gamma_1], "and what the doubles leave over"),
            array("temme_gamma_2", [h for h, _ in gamma_2], "Gamma_2(m) in powers of m^2"),
            array("temme_gamma_2_tail", [t for _, t in gamma_2], "and what the doubles leave over"),
            array(
                "log_gamma_ratio", [h for h, _ in ratio_parts], "log Gamma(1 + v)/v in powers of v"
            ),
            array(
                "log_gamma_ratio_tail",
                [t for _, t in ratio_parts],
                "and what the doubles leave over",
            ),
        ]
    )


def interpolation(function: Callable[[arb], arb], low: arb, high: arb, degree: int) -> list[arb]:
    """The polynomial that agrees with the function at Chebyshev's nodes of [low, high], lowest power first."""
    count = degree + 1
    angles = [arb.pi() * (2 * k + 1) / (2 * count) for k in range(count)]
    nodes = [((low + high + (high - low) * angle.cos()) / 2).mid() for angle in angles]
    differences = [function(node) for node in nodes]
    for j in range(1, count):
        for i in range(count - 1, j - 1, -1):
            differences[i] = (differences[i] - differences[i - 1]) / (nodes[i] - nodes[i - j])
    polynomial = [arb(0)]
    for node, difference in zip(reversed(nodes), reversed(differences), strict=True):
        times_x = [arb(0), *polynomial]
        polynomial = [a - node * b for a, b in zip(times_x, [*polynomial, arb(0)], strict=True)]
        polynomial[0] += difference
    return polynomial[:count]


def fixed_point(value: arb) -> tuple[float, float]:
    """value = head + tail, the head a multiple of 2^-40: sums of such heads are exact."""
    head = math.ldexp(math.floor(math.ldexp(nearest(value), 40)), -40)
    return head, nearest(value - arb(head))


def shorter_logarithm() -> str:
    # c = 1/m to five bits, exactly 1 at m = 1: c m - 1 is a double, and between -19/512 and 1/16.
    reciprocals = [32, 29, 28, 26, 25, 24, 23, 22, 21, 20, 19, 19, 18, 17, 17, 16]
    parts = [fixed_point(-(arb(c) / 32).log()) for c in reciprocals]
    low, high = -arb(19) / 512, arb(1) / 16

    def remainder(f: arb) -> arb:
        return ((1 + f).log() - f) / (f * f)

    def series(degree: int) -> list[float]:
        return [nearest(c) for c in interpolation(remainder, low, high, degree)]

    return "\n".join(
        [
            array(
                "log_short_reciprocal",
                [c / 32 for c in reciprocals],
                "1/m to five bits for m in [1 + i/16, 1 + (i+1)/16)",
                aligned=True,
            ),
            array("log_short_head", [h for h, _ in parts], "-log of it, 40 bits", aligned=True),
            array("log_short_tail", [t for _, t in parts], "what they leave over", aligned=True),
            array("log_short_series10", series(9), "(log(1 + f) - f)/f^2 to 2^-64/f^2"),
            array("log_short_series9", series(8), "to 2^-58/f^2"),
            array("log_short_series8", series(7), "and to 2^-53/f^2"),
        ]
    )


def log_gamma_of_quarters() -> str:
    """log(2^v Gamma(1 + v)) = sum_k c_k d^k, d = v - centre, on the 16 intervals that the exponent and the next two
    bits of scale v + start tell apart; c_0 and c_1 are Taylor's.

    The first centre is 0, which keeps the relative accuracy for v -> 0. The others are chosen so that c_1 is a double
    to 2^-60; v - centre is exact, as they differ by less than a factor 2."""
    scale, start = Fraction(963, 1000), Fraction(107, 100)
    edges = [Fraction(0)]
    edges += [(2**e * (1 + Fraction(j, 4)) - start) / scale for e in range(4) for j in range(4)][1:]
    edges.append((16 - start) / scale)
    ln2 = arb(2).log()

    def of(value: Fraction) -> arb:
        return arb(value.numerator) / value.denominator

    def function(v: arb) -> arb:
        return (1 + v).lgamma() + v * ln2

    centres: list[float] = []
    rows: list[list[tuple[float, float]]] = []
    for i in range(16):
        low, high = edges[i], edges[i + 1]
        centre = Fraction(round((low + high) * 32), 64) if i else Fraction(0)
        slope = (1 + of(centre)).digamma() + ln2
        while i and abs(twofold(slope)[1]) > 2.0**-60:
            centre += Fraction(1, 2**44)
            slope = (1 + of(centre)).digamma() + ln2
        at = of(centre)
        value = function(at) if i else arb(0)

        def remainder(d: arb, at: arb = at, value: arb = value, slope: arb = slope) -> arb:
            return (function(at + d) - value - d * slope) / (d * d)

        rest = interpolation(remainder, of(low - centre), of(high - centre), LOG_GAMMA_DEGREE - 2)
        centres.append(float(centre))
        rows.append([fixed_point(value), twofold(slope), *(twofold(c) for c in rest)])
    # The low two bits of the exponent of 1 are both set: its intervals come last.
    order = [*range(4, 16), *range(4)]
    heads = [rows[i][k][0] for k in range(LOG_GAMMA_DEGREE + 1) for i in order]
    tails = [rows[i][k][1] for k in range(3) for i in order]
    return "\n".join(
        [
            f"constexpr int log_gamma_degree = {LOG_GAMMA_DEGREE};",
            f"constexpr double log_gamma_scale = {literal(float(scale))};",
            f"constexpr double log_gamma_start = {literal(float(start))};",
            array("log_gamma_centre", [centres[i] for i in order], "by interval", aligned=True),
            array("log_gamma_quarters", heads, "c_k, 16 for each k", aligned=True),
            array("log_gamma_quarters_tail", tails, "what c_0 to c_2 leave over", aligned=True),
        ]
    )


def quadrature(
    name: str,
    w_low: float,
    w_high: float,
    x_low: float,
    v_high: float,
    bits: int,
    *,
    tails: bool = False,
) -> str:
    """Nodes u_j = j h for int exp(-w (cosh u - 1) - v (sinh u - u)) du, w in [w_low, w_high], x >= x_low,
    v <= v_high.

    On the contour Im u = d the integrand's modulus is that of the same integral with x cos d for x, whose saddle has
    the height g(d) = S(x cos d) - S(x), S(x) = v asinh(v/x) - sqrt(v^2 + x^2). The rule's error is
    below 2 exp(g(d) - 2 pi d/h) for every d < pi/2; h is the largest with a bound under 2^-bits. The sum ends
    where the integrand and its product with exp(-u), of which the moment is wanted too, are below 2^-bits of the peak
    for every (v, x) allowed. With `tails` the nodes are twofold, and there are no moments.
    """
    goal = bits * math.log(2)

    def saddle(v: float, x: float) -> float:
        return v * math.asinh(v / x) - math.hypot(v, x)

    angles = [i * math.pi / 400 for i in range(1, 200)]
    corners = []  # growth is largest at the largest w; v as far as the ranges let it
    for i in range(51):
        v = min(w_high * i / 50, v_high, math.sqrt(w_high**2 - x_low**2))
        corners.append((v, math.sqrt(w_high**2 - v * v)))
    growth = [max(saddle(v, x * math.cos(d)) - saddle(v, x) for v, x in corners) for d in angles]

    def bound(h: float) -> float:
        return min(g - 2 * math.pi * d / h for d, g in zip(angles, growth, strict=True))

    h = 1.0
    while bound(h) > -goal:
        h *= 0.995
    h = round(h * 1024) / 1024

    def decay(u: float, w: float, v: float) -> float:
        return w * (math.cosh(u) - 1) + v * (math.sinh(u) - u)

    def last(sign: int) -> int:
        furthest = 0
        for w in (w_low + i * (w_high - w_low) / 40 for i in range(41)):
            for t in (i / 50 for i in range(51)):
                v = w * t
                if math.sqrt(w * w - v * v) < x_low * 0.999:
                    v = math.sqrt(max(0.0, w * w - x_low * x_low))
                v = min(v, v_high)
                j = 1
                while (
                    decay(sign * j * h, w, v) - (0.0 if tails else max(0.0, -sign * j * h)) < goal
                ):
                    j += 1
                furthest = max(furthest, j - 1)
        return furthest

    negative, positive = last(-1), last(1)
    nodes = max(negative, positive)
    with_precision = [arb(j) * arb(h) for j in range(1, nodes + 1)]
    cosh = [twofold(u.cosh() - 1) for u in with_precision]
    sinh = [twofold(u.sinh() - u) for u in with_precision]
    return "\n".join(
        [
            f"// Step {h}, {negative} nodes to the left and {positive} to the right: w in [{w_low}, {w_high}], "
            f"x >= {x_low}, v <= {v_high}.",
            f"constexpr double {name}_step = {literal(h)};",
            f"constexpr int {name}_left = {negative};",
            f"constexpr int {name}_right = {positive};",
            array(f"{name}_cosh", [c for c, _ in cosh], "cosh u_j - 1"),
            array(f"{name}_sinh", [s for s, _ in sinh], "sinh u_j - u_j"),
            *(
                [
                    array(f"{name}_cosh_tail", [t for _, t in cosh], "what the doubles leave over"),
                    array(f"{name}_sinh_tail", [t for _, t in sinh], "what the doubles leave over"),
                ]
                if tails
                else [
                    array(f"{name}_exp", [nearest(u.exp()) for u in with_precision], "exp u_j"),
                    array(
                        f"{name}_exp_minus",
                        [nearest((-u).exp()) for u in with_precision],
                        "exp(-u_j)",
                    ),
                ]
            ),
        ]
    )


def small_order_tables() -> str:
    """rho and -log(sin(pi v)/(pi v))/2 of small_order.hpp in powers of v^2."""

    def rho(vv: arb) -> arb:
        v = vv.sqrt()
        return arb(2).log() + ((1 + v).lgamma() - (1 - v).lgamma()) / (2 * v)

    def factor(vv: arb) -> arb:
        angle = arb.pi() * vv.sqrt()
        return -(angle.sin() / angle).log() / 2

    def powers(function: Callable[[arb], arb]) -> list[float]:
        quarter = arb(1) / 4
        return [nearest(c) for c in interpolation(function, arb(0), quarter, SMALL_ORDER_DEGREE)]

    return "\n".join(
        [
            f"constexpr int small_order_degree = {SMALL_ORDER_DEGREE};",
            array("small_order_rho", powers(rho), "rho in powers of v^2"),
            array("small_order_factor", powers(factor), "and half the log of pi v/sin(pi v)"),
        ]
    )


def log_k(v: arb, x: arb) -> arb:
    """log K_v(x), v no integer, to about 150 bits."""
    with ctx.workprec(ctx.prec + 160):
        value = acb(x).bessel_k(acb(v)).real.log()
    if value.rad() > 2.0**-150:
        raise ArithmeticError(f"log K_v(x) is not known well enough at v = {v}, x = {x}")
    return value


def log_k_less_exponent(v: arb, x: arb) -> arb:
    """log K_v(x) + v eta + log(2 w/pi)/2, what debye.hpp expands in powers of 1/w."""
    w = (v * v + x * x).sqrt()
    return log_k(v, x) + w - v * ((v + w) / x).log() + (2 * w / arb.pi()).log() / 2


def chebyshev(n: int) -> tuple[list[arb], arb_mat, arb_mat]:
    """The n Chebyshev points, and the matrices from values there to coefficients of T_k and from these to powers."""
    pi = arb.pi()
    points = [((2 * i + 1) * pi / (2 * n)).cos() for i in range(n)]
    transform = arb_mat(
        [
            [(pi * k * (2 * i + 1) / (2 * n)).cos() * (1 if k == 0 else 2) / n for i in range(n)]
            for k in range(n)
        ]
    )
    rows = [[0] * n for _ in range(n)]  # rows[k][j]: T_k = sum_j rows[k][j] z^j
    rows[0][0] = 1
    if n > 1:
        rows[1][1] = 1
    for k in range(2, n):
        for j in range(n):
            rows[k][j] = 2 * (rows[k - 1][j - 1] if j else 0) - rows[k - 2][j]
    return points, transform, arb_mat(rows)


def interpolated(
    name: str,
    comment: str,
    value: Callable[[arb, arb], arb],
    first_range: tuple[arb, arb],
    second_range: tuple[arb, arb],
    sizes: tuple[int, int],
    bits: int,
) -> str:
    """sum_k (y^k sum_i c[k][i] z^i), k < rows, i < terms(k), for value(first, second); y and z are the arguments mapped
    to [-1, 1].

    Interpolation in sizes[0] x sizes[1] Chebyshev points; Chebyshev coefficients below 2^-bits are left out, the others
    filled up so that terms(k) never grows, and turned into powers.
    """
    table = re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=K)(?=\d)", "_", name).lower()

    def middle(ends: tuple[arb, arb]) -> arb:
        return (ends[0] + ends[1]) / 2

    def half(ends: tuple[arb, arb]) -> arb:
        return (ends[1] - ends[0]) / 2

    (y_points, y_transform, y_powers), (z_points, z_transform, z_powers) = map(chebyshev, sizes)
    values = arb_mat(
        [
            [
                value(
                    middle(first_range) + y * half(first_range),
                    middle(second_range) + z * half(second_range),
                )
                for z in z_points
            ]
            for y in y_points
        ]
    )
    c = y_transform * values * z_transform.transpose()
    terms = [0] * sizes[0]
    for k in reversed(range(sizes[0])):
        large = [i for i in range(sizes[1]) if abs(c[k, i]) > 2.0**-bits]
        terms[k] = max([terms[k + 1] if k + 1 < sizes[0] else 0, *(i + 1 for i in large)])
    rows = sum(1 for t in terms if t)
    if rows > sizes[0] - 3 or terms[0] > sizes[1] - 3:
        raise ArithmeticError(f"{name}: too few points, {rows} rows of up to {terms[0]} terms")
    kept = arb_mat(
        [[c[k, i] if i < terms[k] else arb(0) for i in range(sizes[1])] for k in range(sizes[0])]
    )
    powers = y_powers.transpose() * kept * z_powers
    flat = [nearest(powers[k, i]) for k in range(rows) for i in range(terms[k])]
    cells = ", ".join(str(t) for t in terms[:rows])
    variables = "".join(
        f"    static constexpr double {which}_scale = {literal(nearest(1 / half(ends)))};\n"
        f"    static constexpr double {which}_shift = {literal(nearest(-middle(ends) / half(ends)))};\n"
        for which, ends in (("first", first_range), ("second", second_range))
    )
    return "\n".join(
        [
            array(f"{table}_powers", flat, comment),
            f"struct {name} {{",
            f"    static constexpr int rows = {rows};",
            "    static constexpr int terms(int k) {",
            f"        constexpr int counts[{rows}] = {{{cells}}};",
            "        return counts[k];",
            "    }",
            f"    VMF_FN static double power(int i) {{ return {table}_powers[i]; }}",
            variables + "};",
            "",
        ]
    )


def log_k_polynomials() -> str:
    """The tables of interpolated.hpp."""

    def on_disc(
        name: str, w_low: float, w_high: float, x_low: float, c_low: float, lean: float, offset: float,
        sizes: tuple[int, int], bits: int,
    ) -> str:  # fmt: skip
        """log K less its exponent by 1/(w + offset) and s = (x - x_low)/(x - x_low + lean (w - x_low))."""
        s_low, s_high = arb(c_low) / (arb(c_low) + arb(lean)), 1 / (1 + arb(lean))

        def value(first: arb, s: arb) -> arb:
            w = 1 / first - offset
            x = x_low + arb(lean) * s / (1 - s) * (w - x_low)
            return log_k_less_exponent(((w - x) * (w + x)).sqrt(), x)

        # The first variable is y = first_shift (w - w_zero)/(w + offset), in these very doubles.
        low, high = 1 / (arb(w_high) + offset), 1 / (arb(w_low) + offset)
        w_zero = nearest(2 / (low + high) - offset)
        shift = nearest(-(low + high) / (high - low))
        middle = 1 / (arb(w_zero) + offset)
        ends = (middle + middle / arb(shift), middle - middle / arb(shift))
        table = interpolated(
            name,
            f"log K less its exponent, w in [{w_low}, {w_high}]",
            value,
            ends,
            (s_low, s_high),
            sizes,
            bits,
        )
        return table.replace(
            f"struct {name} {{",
            f"struct {name} {{\n"
            f"    static constexpr double x_low = {literal(x_low)};\n"
            f"    static constexpr double lean = {literal(lean)};\n"
            f"    static constexpr double offset = {literal(offset)};\n"
            f"    static constexpr double w_zero = {literal(w_zero)};",
        )

    def small(log_2x_over_pi: arb, u: arb) -> arb:
        x = log_2x_over_pi.exp() * arb.pi() / 2
        v = (3 * u / (1 - u)).sqrt()
        return log_k(v, x) + x + log_2x_over_pi / 2

    low, high = 0.3125, 1.125
    vv = high**2 - low**2
    return "\n".join(
        [
            on_disc("LogK8", 8.0, 24.5, 0.0, 0.0, 1.0, 0.0, (15, 25), 57),
            on_disc("LogK3", 3.0, 8.0, 0.0, 0.0625, 0.625, 1.0, (17, 28), 57),
            on_disc("LogK1", 1.109375, 3.0, 0.5, 0.0, 1.0, 2.0, (22, 25), 57),
            interpolated(
                "LogK0",
                f"log K + x + log(2 x/pi)/2 by log(2 x/pi) and v^2/(v^2 + 3), x in [{low}, {high}], w < {high}",
                small,
                ((2 * low / arb.pi()).log(), (2 * high / arb.pi()).log()),
                (arb(0), arb(vv) / (arb(vv) + 3)),
                (19, 20),
                57,
            ),
        ]
    )


def render() -> str:
    q = debye(DEBYE_TERMS)
    flat = [c for row in q for c in row]
    pi = arb.pi()
    parts = [
        "// Written by scripts/generate_coefficients.py, which says what each table is; do not edit.",
        "#pragma once",
        "",
        '#include "platform.hpp"',
        "",
        "namespace VMF_NAMESPACE {",
        "",
        f"constexpr int debye_terms = {DEBYE_TERMS};",
        array("debye_q", [nearest(c) for c in flat], "q[k][i] at index (k-1)(k+2)/2 + i"),
        array("debye_q_tail", [twofold(c)[1] for c in flat], "what the doubles above leave over"),
        logarithm_table(),
        shorter_logarithm(),
        log_gamma_tables(),
        log_gamma_of_quarters(),
        quadrature("quadrature_1", 0.5, 3.0, 0.5, 15.5, 58),
        quadrature("quadrature_3", 3.0, 8.0, 0.5, 4.0, 58),
        quadrature("quadrature_8", 8.0, 24.75, 0.5, 4.0, 58),
        quadrature("quadrature_3v", 3.0, 8.0, 0.5, 15.5, 58),
        quadrature("quadrature_8v", 8.0, 24.75, 0.5, 15.5, 58),
        quadrature("quadrature_finer_0", 0.3125, 1.125, 0.3125, 1.125, 64, tails=True),
        quadrature("quadrature_finer_1", 0.5, 3.0, 0.5, 15.5, 64, tails=True),
        quadrature("quadrature_finer_3", 3.0, 8.0, 0.5, 15.5, 64, tails=True),
        quadrature("quadrature_finer_8", 8.0, 24.75, 0.5, 15.5, 64, tails=True),
        small_order_tables(),
        log_k_polynomials(),
        constant("half_pi", pi / 2),
        "}  // namespace VMF_NAMESPACE",
        "",
    ]
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the file, write nothing")
    text = render()
    if parser.parse_args().check:
        same = HEADER.exists() and HEADER.read_text() == text
        print(
            "coefficients.hpp is up to date"
            if same
            else "coefficients.hpp differs: run this script"
        )
        return 0 if same else 1
    HEADER.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
