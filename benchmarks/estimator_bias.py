"""Print the tables that the docstrings of `vmf.estimation` quote: ``python -m benchmarks.estimator_bias``.

``python -m benchmarks.estimator_bias 200`` does it with 200 simulated data sets a line instead of 2000.
"""

from __future__ import annotations

import math
import sys

import numpy as np

from benchmarks.simulation import simulate_resultants
from vmf import special
from vmf.estimation.approximations import banerjee, song, sra, tanabe
from vmf.estimation.concentration import map_estimate, marginal, mle, unbiased
from vmf.estimation.intervals import concentration_interval, mean_direction_interval

# Dimension, rows, concentration.
CASES = (
    (2, 5, 2.0),
    (3, 10, 0.3),
    (3, 10, 30.0),
    (3, 100, 3.0),
    (64, 20, 6.4),
    (64, 20, 64.0),
    (64, 200, 64.0),
    (64, 5000, 6.4),
    (2048, 20, 2048.0),
    (2048, 200, 205.0),
    (2048, 2000, 205.0),
    (2048, 2000, 2048.0),
    (2048, 5000, 20480.0),
    (32768, 50, 3277.0),
    (32768, 5000, 32768.0),
)
DIMENSIONS = (2, 3, 64, 2048, 32768)


def print_bias_and_coverage(replicates: int) -> None:
    """Print a line a case: bias and RMS error of the estimators, coverage of the intervals."""
    estimators = (mle, unbiased, marginal, map_estimate)
    print("        p     n   kappa |  bias % (root mean square error %) of")
    print("                        |  mle            unbiased       marginal       map")
    coverage = []
    for dim, count, kappa in CASES:
        drawn = simulate_resultants(dim, kappa, count, replicates, rng=dim * count)
        hits = np.zeros(3)
        errors = np.empty((replicates, len(estimators)))
        for i in range(replicates):
            stats = drawn.statistics(i)
            values = [estimate(stats) for estimate in estimators]
            errors[i] = np.array(values) / kappa - 1
            low, high = concentration_interval(stats)
            slope = float(special.mean_resultant_length_dkappa(dim, values[0]))
            textbook = 1.959964 / math.sqrt(count * slope)
            hits += (
                low <= kappa <= high,
                abs(values[0] - kappa) <= textbook,
                drawn.angle[i] <= mean_direction_interval(stats),
            )
        cells = "  ".join(
            f"{100 * bias:6.1f} ({100 * rms:5.1f})"
            for bias, rms in zip(errors.mean(0), np.sqrt((errors**2).mean(0)), strict=True)
        )
        print(f"    {dim:5d} {count:5d} {kappa:7g} | {cells}")
        shares = "  ".join(f"{share:8.1f}" for share in 100 * hits / replicates)
        coverage.append(f"    {dim:5d} {count:5d} {kappa:7g} | {shares}")
    print()
    print("        p     n   kappa |  coverage % of the 95 % intervals")
    print("                        | marginal  textbook      cone")
    print("\n".join(coverage))


def print_approximation_errors() -> None:
    """Print a line a dimension: largest relative error of each approximation of the inverse."""
    r = np.linspace(0.001, 0.999, 999)
    print("        p   banerjee    tanabe   sra k_1   sra k_2      song")
    for dim in DIMENSIONS:
        exact = special.concentration(dim, r)
        values = (
            banerjee(dim, r),
            tanabe(dim, r),
            sra(dim, r, steps=1),
            sra(dim, r),
            song(dim, r),
        )
        cells = "  ".join(f"{np.abs(value / exact - 1).max():8.1e}" for value in values)
        print(f"    {dim:5d}   {cells}")


if __name__ == "__main__":
    print_approximation_errors()
    print()
    print_bias_and_coverage(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
