"""Where scipy.stats.vonmises_fisher is right and where it is not, beside this toolkit and Arb.

    python -m benchmarks.scipy_vmf

For each dimension p and kappa = p/10, p, 100 p: the concentration fitted to two rows whose mean
resultant length is A_p(kappa), the log-density at a point whose cosine to the mean direction is half of
that, and the entropy. "right" means within 1e-9 of Arb (1e-6 for the fit, whose rows are
rounded). The exit code is 1 if this toolkit is not right everywhere, or differs from SciPy where
SciPy is right.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import vonmises_fisher

import vmf
from vmf.experiments import arb

Array = NDArray[np.float64]

DIMENSIONS = (3, 10, 66, 67, 512, 2048, 8192, 32768)
FACTORS = (0.1, 1.0, 100.0)
TOLERANCE = {"fit": 1e-6, "logpdf": 1e-9, "entropy": 1e-9}


def _unit(p: int, axis: int) -> Array:
    e = np.zeros(p)
    e[axis] = 1.0
    return e


def _at_cosine(p: int, cosine: float, sine: float) -> Array:
    """A unit vector with this cosine to the first axis, the rest along the second."""
    x = cosine * _unit(p, 0)
    x[1] = sine
    return x


def _truth(p: int, kappa: float, cosine: float) -> dict[str, float]:
    found = arb.references(["log_normalizer", "entropy"], p, kappa)
    return {
        "fit": kappa,
        "logpdf": math.fsum([*found["log_normalizer"], kappa * cosine]),
        "entropy": found["entropy"][0],
    }


def _scipy(p: int, kappa: float, rows: Array, x: Array) -> dict[str, float]:
    mu = _unit(p, 0)
    return {
        "fit": float(vonmises_fisher.fit(rows)[1]),
        "logpdf": float(vonmises_fisher(mu, kappa).logpdf(x)),
        "entropy": float(vonmises_fisher(mu, kappa).entropy()),
    }


def _vmf(p: int, kappa: float, rows: Array, x: Array) -> dict[str, float]:
    law = vmf.VonMisesFisher(_unit(p, 0), kappa)
    return {
        "fit": float(vmf.VonMisesFisher.fit(rows, estimator="mle").concentration),
        "logpdf": float(law.logpdf(x)),
        "entropy": float(law.entropy()),
    }


def _error(value: float, truth: float) -> float:
    if not math.isfinite(value):
        return math.inf
    return abs(value - truth) / max(1.0, abs(truth))


def compare(dimensions: tuple[int, ...] = DIMENSIONS) -> list[dict[str, Any]]:
    """One record for each dimension, kappa and quantity."""
    records = []
    for p in dimensions:
        for factor in FACTORS:
            kappa = factor * p
            found = arb.references(["mean_resultant_length", "mean_resultant_length_c"], p, kappa)
            cosine, rest = found["mean_resultant_length"][0], found["mean_resultant_length_c"][0]
            sine = math.sqrt(rest * (1 + cosine))
            rows = np.stack([_at_cosine(p, cosine, sine), _at_cosine(p, cosine, -sine)])
            x = _at_cosine(p, cosine / 2, math.sqrt(1 - cosine * cosine / 4))
            truth = _truth(p, kappa, cosine / 2)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                scipy, ours = _scipy(p, kappa, rows, x), _vmf(p, kappa, rows, x)
            for what, true in truth.items():
                records.append(
                    {"p": p, "kappa": kappa, "quantity": what, "arb": true,
                     "scipy": scipy[what], "vmf": ours[what],
                     "scipy_right": _error(scipy[what], true) <= TOLERANCE[what],
                     "vmf_right": _error(ours[what], true) <= TOLERANCE[what]}
                )  # fmt: skip
    return records


def markdown(records: list[dict[str, Any]]) -> str:
    lines = [
        "| p | kappa | quantity | Arb | vmf | SciPy | SciPy is |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['p']} | {r['kappa']:g} | {r['quantity']} | {r['arb']:.10g} | {r['vmf']:.10g} |"
        f" {r['scipy']:.10g} | {'right' if r['scipy_right'] else '**wrong**'} |"
        for r in records
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scipy_vmf", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args(arguments)
    records = compare()
    print(f"{'p':>6s} {'kappa':>9s} {'quantity':8s} {'Arb':>18s} {'vmf':>18s} {'SciPy':>18s}")
    for r in records:
        verdict = ("" if r["vmf_right"] else "  vmf WRONG") + (
            "" if r["scipy_right"] else "  SciPy wrong"
        )
        print(f"{r['p']:6d} {r['kappa']:9g} {r['quantity']:8s} {r['arb']:18.11g} {r['vmf']:18.11g}"
              f" {r['scipy']:18.11g}{verdict}")  # fmt: skip
    for what in TOLERANCE:
        of = [r for r in records if r["quantity"] == what]
        print(f"{what}: SciPy right at {sum(r['scipy_right'] for r in of)} of {len(of)},"
              f" vmf at {sum(r['vmf_right'] for r in of)}")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(markdown(records))
    return 0 if all(r["vmf_right"] for r in records) else 1


if __name__ == "__main__":
    sys.exit(main())
