r"""EM for mixtures of von Mises-Fisher distributions beside its matrix products, scikit-learn and hard EM.

    python -m benchmarks.mixture --rows FEATURES.npy --json benchmarks/results/mixture.json \
        --markdown benchmarks/results/mixture.md

Three questions, on the rows of a `.npy` file (or `--synthetic N P`):

- what one EM iteration costs beside the two matrix products that it contains, X (K, p)^T and (n, K)^T X, in one call
  each (medians of `--repeats` runs that alternate);
- what the whole fit costs beside scikit-learn's spherical GaussianMixture and KMeans with the same K, iterations and
  rows, started as each starts by default; the GaussianMixture and KMeans get the normalised rows for nothing;
- whether the likelihood of soft EM is at least that of hard EM, the best of the same ten starts each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from vmf import VonMisesFisher
from vmf.arrays.blocks import DirectionRows
from vmf.distribution.components import Directions
from vmf.experiments.timing import alternating, seconds
from vmf.models import VMFMixture
from vmf.models.concentrations import Concentrations
from vmf.models.expectation import expectation

Rows = NDArray[np.float32]


def solve(mixture: VMFMixture) -> None:
    """Do the M step once more."""
    solver = Concentrations("free", len(mixture.statistics_), mixture.estimator, None)
    solver.estimate(mixture.statistics_)
    solver.mean_directions(mixture.statistics_)


def iteration(rows: Rows, count: int, repeats: int) -> dict[str, float]:
    """Seconds of one iteration (E step, sums and M step), and of the products in it."""
    rng = np.random.default_rng(0)
    chosen = rows[np.sort(rng.choice(len(rows), count, replace=False))].astype(np.float64)
    means = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    mixture = VMFMixture(
        count, init=means, max_iter=1, n_init=1, warm_start=True, random_state=0
    ).fit(rows)
    vectors = (mixture.mean_directions_ * mixture.concentrations_[:, np.newaxis]).astype(rows.dtype)
    shares = rng.random((len(rows), count), dtype=np.float32)
    prepared, ones = DirectionRows(rows), np.ones(len(rows))
    directions = Directions(
        mixture.mean_directions_, mixture.concentrations_, np.log(mixture.weights_)
    )
    sides = {
        "products": lambda: seconds(lambda: (rows @ vectors.T, shares.T @ rows)),
        "pass": lambda: seconds(lambda: expectation(prepared, ones, directions)),
        "solve": lambda: seconds(lambda: solve(mixture)),
    }
    times = alternating(sides, repeats)
    middle = {name: statistics.median(values) for name, values in times.items()}
    whole = middle["pass"] + middle["solve"]
    return {**middle, "iteration": whole, "ratio": whole / middle["products"]}


def whole_fits(rows: Rows, count: int, iterations: int) -> dict[str, float]:
    """Seconds of whole fits of `iterations` iterations each."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    fits = {
        "VMFMixture": VMFMixture(count, max_iter=iterations, tol=0.0, random_state=0),
        "GaussianMixture": GaussianMixture(
            count, covariance_type="spherical", max_iter=iterations, tol=0.0, random_state=0
        ),
        "KMeans": KMeans(count, max_iter=iterations, tol=0.0, n_init=1, random_state=0),
    }
    found: dict[str, float] = {}
    for name, fit in fits.items():
        data = rows if name == "VMFMixture" else unit
        found[name] = seconds(lambda fit=fit, data=data: fit.fit(data))  # type: ignore[misc]
        found[f"{name} iterations"] = float(fit.n_iter_)
    return found


RUNS = {
    "soft, 1 start": {"assignment": "soft", "n_init": 1},
    "soft, 10 starts": {"assignment": "soft", "n_init": 10},
    "hard, 10 starts": {"assignment": "hard", "n_init": 10},
}


def likelihoods(rows: Rows, count: int, iterations: int) -> dict[str, float]:
    """Mean log-likelihood of a row, and seconds; the starts of soft and of hard EM are the same."""
    found = {}
    for name, parameters in RUNS.items():
        mixture = VMFMixture(
            count, estimator="mle", max_iter=iterations, random_state=0, **parameters
        )
        found[f"{name}, seconds"] = seconds(lambda mixture=mixture: mixture.fit(rows))  # type: ignore[misc]
        found[name] = mixture.score(rows)
    return found


def markdown(result: dict[str, Any], command: str) -> str:
    lines = [
        "# Mixtures of von Mises-Fisher distributions: cost and likelihood",
        "",
        f"    {command}",
        "",
        f"{result['rows']} rows of dimension {result['dimension']} ({result['data']}), float32; "
        f"{result['threads']} thread(s) of {result['processor']}; NumPy {result['numpy']}, "
        f"scikit-learn {result['sklearn']}.",
        "",
        "Seconds of one EM iteration, and of the two matrix products that it contains:",
        "",
        "| K | E step and sums | M step | iteration | products | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for count, one in result["iteration"].items():
        lines.append(
            f"| {count} | {one['pass']:.3f} | {one['solve']:.4f} | {one['iteration']:.3f} |"
            f" {one['products']:.3f} | {one['ratio']:.2f} |"
        )
    lines += [
        "",
        f"Seconds of the whole fit, at most {result['iterations']} iterations (those done in brackets):",
        "",
        "| K | VMFMixture | GaussianMixture, spherical | KMeans |",
        "|---|---|---|---|",
    ]
    for count, one in result["fits"].items():
        cells = (
            f"{one[name]:.1f} ({one[name + ' iterations']:.0f})"
            for name in ("VMFMixture", "GaussianMixture", "KMeans")
        )
        lines.append(f"| {count} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Mean log-likelihood of a row under the mixture, in nats, and seconds, run until it changes by less",
        f"than 1e-3 or for {result['most_iterations']} iterations:",
        "",
        "| K | " + " | ".join(RUNS) + " |",
        "|---|---|---|---|",
    ]
    for count, one in result["likelihood"].items():
        cells = (f"{one[name]:.4f} ({one[name + ', seconds']:.0f} s)" for name in RUNS)
        lines.append(f"| {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _without_folder(text: str) -> str:
    return text.rpartition("/")[2] if text.startswith("/") else text


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mixture", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--rows", type=Path, metavar="FILE.npy")
    parser.add_argument(
        "--synthetic", type=int, nargs=2, metavar=("N", "P"), default=(50_000, 2048)
    )
    parser.add_argument("--first", type=int, help="take so many rows of the file only")
    parser.add_argument("--components", type=int, nargs="+", default=(10, 100))
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument(
        "--most-iterations",
        type=int,
        default=200,
        help="of the runs whose likelihoods are compared",
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=("iteration", "fits", "likelihood"), nargs="+")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args(arguments)
    if options.rows:
        rows, data = np.load(options.rows)[: options.first].astype(np.float32), options.rows.name
    else:
        n, p = options.synthetic
        parts = [
            VonMisesFisher(axis, 0.7 * p).sample(n // 10, k, dtype=np.float32)
            for k, axis in enumerate(np.eye(p)[:10])
        ]
        rows, data = np.concatenate(parts), "drawn from ten von Mises-Fisher distributions"
    result: dict[str, Any] = {
        "rows": len(rows),
        "dimension": rows.shape[1],
        "data": data,
        "iterations": options.iterations,
        "most_iterations": options.most_iterations,
        "threads": os.environ.get("OMP_NUM_THREADS", str(os.cpu_count())),
        "processor": platform.processor() or platform.machine(),
        "numpy": np.__version__,
        "sklearn": sklearn.__version__,
        "iteration": {},
        "fits": {},
        "likelihood": {},
    }
    steps: dict[str, Callable[[int], dict[str, float]]] = {
        "iteration": lambda count: iteration(rows, count, options.repeats),
        "fits": lambda count: whole_fits(rows, count, options.iterations),
        "likelihood": lambda count: likelihoods(rows, count, options.most_iterations),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of iterations that end before convergence, as they must
        for name in options.only or steps:
            for count in options.components:
                found = steps[name](count)
                result[name][str(count)] = found
                print(
                    name, count, {key: round(value, 4) for key, value in found.items()}, flush=True
                )
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.markdown:
        given = (_without_folder(text) for text in arguments or sys.argv[1:])
        command = "python -m benchmarks.mixture " + " ".join(given)
        options.markdown.write_text(markdown(result, command))
    return 0


if __name__ == "__main__":
    sys.exit(main())
