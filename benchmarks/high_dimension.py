"""Bias of the concentration where rows are few for their dimension, and what it costs.

    python -m benchmarks.high_dimension --markdown benchmarks/results/high_dimension.md

For dimensions p, n from p/8 to 8 p rows and kappa = p/10, p, 10 p: data sets from the von Mises-Fisher distribution,
kappa by each estimator, its bias and root mean square error in per cent of the true kappa, and the excess loss: the
mean of KL(true || fitted) in nats a new row, at the fitted mean direction. Resultants are drawn exactly, without their
rows (`benchmarks.simulation`); `--rows` draws rows instead, which takes p times as long.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation import simulate_resultants
from vmf import VonMisesFisher, special
from vmf.estimation import SufficientStatistics, fit_concentration

Array = NDArray[np.float64]

ESTIMATORS = ("mle", "unbiased", "marginal", "map")
DIMENSIONS = (64, 512, 2048)
ROWS_PER_DIMENSION = (0.125, 0.5, 1.0, 2.0, 8.0)
KAPPA_PER_DIMENSION = (0.1, 1.0, 10.0)


def _simulated(
    p: int, kappa: float, n: int, replicates: int, seed: int
) -> tuple[list[SufficientStatistics], Array]:
    drawn = simulate_resultants(p, kappa, n, replicates, rng=seed)
    return [drawn.statistics(index) for index in range(replicates)], np.cos(drawn.angle)


def _from_rows(
    p: int, kappa: float, n: int, replicates: int, seed: int
) -> tuple[list[SufficientStatistics], Array]:
    rng = np.random.default_rng(seed)
    true = VonMisesFisher(np.eye(p)[0], kappa)
    found = [SufficientStatistics.from_rows(true.sample(n, rng)) for _ in range(replicates)]
    return found, np.array([one.mean_direction[0] for one in found])


def _excess_loss(p: int, kappa: float, estimate: Array, cosine: Array) -> Array:
    """KL(vMF(mu, kappa) || vMF(m, k)), cos = mu . m: log C(kappa) - log C(k) + A(kappa)(kappa - k cos)."""
    a = special.mean_resultant_length(p, kappa)
    peak = special.log_normalizer_e(p, kappa) - special.log_normalizer_e(p, estimate)
    return np.asarray(peak - kappa + estimate + a * (kappa - estimate * cosine))


def measure(
    p: int, kappa: float, n: int, replicates: int, from_rows: bool = False
) -> dict[str, Any]:
    """Bias, error and excess loss of each estimator for one dimension, kappa and number of rows."""
    draw = _from_rows if from_rows else _simulated
    statistics, cosine = draw(p, kappa, n, replicates, seed=p + n)
    record: dict[str, Any] = {"p": p, "n": n, "kappa": kappa, "replicates": replicates}
    for name in ESTIMATORS:
        found = np.array([fit_concentration(one, name) for one in statistics])
        error = found / kappa - 1.0
        record[name] = {
            "bias": 100 * float(error.mean()),
            "bias_standard_error": 100 * float(error.std(ddof=1) / np.sqrt(replicates)),
            "rmse": 100 * float(np.sqrt(np.mean(error**2))),
            "excess_loss": float(np.mean(_excess_loss(p, kappa, found, cosine))),
        }
    return record


def markdown(records: list[dict[str, Any]], command: str) -> str:
    names = " | ".join(f"{name} bias (rmse) %" for name in ESTIMATORS)
    losses = " | ".join(f"{name} loss" for name in ESTIMATORS)
    lines = [
        "# Bias of the concentration in high dimension",
        "",
        f"    {command}",
        "",
        f"{records[0]['replicates']} data sets a line. Bias and root mean square error of kappa in per"
        " cent of the true kappa; loss: mean KL divergence from the true to the fitted distribution,",
        "in nats a new row, part of which is the error of the mean direction that all estimators share.",
        "",
        f"| p | n | kappa | {names} | {losses} |",
        "|" + "---|" * (3 + 2 * len(ESTIMATORS)),
    ]
    for r in records:
        biases = " | ".join(f"{r[e]['bias']:+.2f} ({r[e]['rmse']:.2f})" for e in ESTIMATORS)
        lost = " | ".join(f"{r[e]['excess_loss']:.4g}" for e in ESTIMATORS)
        lines.append(f"| {r['p']} | {r['n']} | {r['kappa']:g} | {biases} | {lost} |")
    lines += ["", *summary(records)]
    return "\n".join(lines) + "\n"


def summary(records: list[dict[str, Any]]) -> list[str]:
    """In how many lines each estimator comes out best, and the worst of each."""
    lines = [
        "| estimator | largest bias (%) | best rmse, lines | least loss, lines |",
        "|---|---|---|---|",
    ]
    for e in ESTIMATORS:
        largest = max((r[e]["bias"] for r in records), key=abs)
        best = [
            sum(r[e][what] <= min(r[f][what] for f in ESTIMATORS) * 1.01 for r in records)
            for what in ("rmse", "excess_loss")
        ]
        lines.append(
            f"| {e} | {largest:+.1f} | {best[0]} of {len(records)} | {best[1]} of {len(records)} |"
        )
    return [*lines, "", "Best: within 1 % of the least in its line."]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.high_dimension", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--dimensions", type=int, nargs="+", default=DIMENSIONS)
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--rows", action="store_true", help="draw rows, not only their resultants")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args(arguments)
    records = []
    for p in options.dimensions:
        for per_row in ROWS_PER_DIMENSION:
            for factor in KAPPA_PER_DIMENSION:
                record = measure(
                    p, factor * p, max(2, int(per_row * p)), options.replicates, options.rows
                )
                records.append(record)
                told = "  ".join(
                    f"{e} {record[e]['bias']:+9.2f} ({record[e]['rmse']:8.2f})" for e in ESTIMATORS
                )
                print(
                    f"p {p:5d}  n {record['n']:6d}  kappa {record['kappa']:8g}  {told}", flush=True
                )
    command = "python -m benchmarks.high_dimension " + " ".join(arguments or sys.argv[1:])
    text = markdown(records, command.strip())
    print("\n".join(summary(records)))
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
