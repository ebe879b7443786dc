"""`vmf evaluate` on a million rows within 2 GB, and how good approximate neighbours are.

    python -m benchmarks.evaluate --folder /mnt/scratch          # a million rows of 384 dimensions
    python -m benchmarks.evaluate --recall --markdown FILE       # neighbours beside exact ones, 50 000 rows

Rows are drawn in 1000 classes. "spread" rows are von Mises-Fisher around the mean of their class, noise
in all dimensions alike, for which no approximate search does well; "features" have means and noise whose
standard deviation falls as i^(-1/2) over the dimensions, as principal components of what networks
give do. Lengths vary.

The command runs with `--memory 2GB`; time and processor time are of the whole process, the peak is
the most resident memory that Linux counted (VmHWM). `--recall` compares the search with the
inverted file of faiss and the graph of usearch where these are installed, on the same rows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vmf.embeddings.held_rows import HeldRows
from vmf.embeddings.writing import create_embeddings
from vmf.evaluation.kept import Kept
from vmf.evaluation.neighbours import NeighbourSearch, find_neighbours
from vmf.evaluation.rows import Passes, survey
from vmf.passes.engine import Reading
from vmf.passes.here import Here

DIMENSION = 384
CLASSES = 1000
MEMORY = "2GB"
MOST_SECONDS = 15 * 60.0
_BLOCK = 16_384

KINDS = {"spread": (0.0, 0.35), "features": (0.5, 0.52)}
"""How fast standard deviations fall over the dimensions, and how long the mean of a class is."""

# Runs in a process of its own, which says at the end how long each step took.
STEPS = r"""
import json, pathlib, re, sys, time
from vmf.cli import app
from vmf.jobs import evaluate as job
begin, steps, plain = time.perf_counter(), [], job.evaluate_files
def timed(*given, **named):
    def tell(what, done, total):
        if done == total:
            steps.append((what, time.perf_counter() - begin))
    return plain(*given, **{**named, "progress": tell})
job.evaluate_files = timed
try:
    app(sys.argv[2:], standalone_mode=False)
finally:
    steps.append(("all", time.perf_counter() - begin))
    # Not ru_maxrss, in which a child counts what its parent had when it was forked.
    status = pathlib.Path("/proc/self/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1000
    json.dump({"steps": steps, "peak": peak}, open(sys.argv[1], "w"))
"""


def drawn(kind: str, rows: int, rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    """Yield blocks of rows and their classes."""
    power, length = KINDS[kind]
    deviations = np.arange(1, DIMENSION + 1, dtype=np.float32) ** np.float32(-power)
    deviations /= np.linalg.norm(deviations)
    means = rng.standard_normal((CLASSES, DIMENSION), dtype=np.float32) * deviations
    means *= length / np.linalg.norm(means, axis=1, keepdims=True)
    for start in range(0, rows, _BLOCK):
        count = min(_BLOCK, rows - start)
        classes = rng.integers(0, CLASSES, count)
        noise = rng.standard_normal((count, DIMENSION), dtype=np.float32) * deviations
        block = means[classes] + np.float32(np.sqrt(1 - length**2)) * noise
        yield block * rng.uniform(5, 15, (count, 1)).astype(np.float32), classes


def write(kind: str, rows: int, folder: Path, seed: int) -> tuple[Path, Path]:
    """Write drawn rows and their labels."""
    path, labels = folder / "rows.npy", folder / "labels.npy"
    found = []
    with create_embeddings(path, (rows, DIMENSION), "float32") as writer:
        for block, classes in drawn(kind, rows, np.random.default_rng(seed)):
            writer.append(block)
            found.append(classes)
    np.save(labels, np.concatenate(found))
    return path, labels


def run(path: Path, labels: Path, folder: Path, more: list[str]) -> dict[str, Any]:
    """Run the command; seconds, processor seconds, peak in MB, steps and what it printed."""
    steps = folder / "steps.json"
    command = [sys.executable, "-c", STEPS, str(steps), "evaluate", str(path)]
    command += ["--labels", str(labels), "--json", *more]
    begin = time.perf_counter()
    with open(folder / "printed.json", "w+") as printed:
        child = subprocess.Popen(command, stdout=printed)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"vmf evaluate ended with exit code {child.returncode}")
        printed.seek(0)
        found = json.load(printed)
    ended = 0.0
    durations = {}
    told = json.loads(steps.read_text())
    for what, at in told["steps"]:
        durations["figures and the rest" if what == "all" else what] = at - ended
        ended = at
    return {
        "seconds": seconds,
        "processor": usage.ru_utime + usage.ru_stime,
        "peak": told["peak"],
        "steps": durations,
        "found": found,
    }


def time_command(kinds: list[str], rows: int, folder: Path, seed: int) -> list[str]:
    """Lines of a table of what the command takes."""
    lines = [
        f"{rows:,} rows of {DIMENSION} float32 in {CLASSES} classes, `--memory {MEMORY}`,"
        f" {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}.",
        "",
        "| rows | seconds | processor seconds | peak, MB | neighbours found | nearest found"
        " | rows compared | Recall@1 | MAP@R | accuracy |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    steps = []
    for kind in kinds:
        path, labels = write(kind, rows, folder, seed)
        done = run(path, labels, folder, ["--memory", MEMORY])
        found = done["found"]
        recall, precision = found["retrieval"]["recall@1"], found["retrieval"]["map@r"]
        lines.append(
            f"| {kind} | {done['seconds']:.0f} | {done['processor']:.0f} | {done['peak']:.0f}"
            f" | {found.get('neighbour_recall', 1):.3f} | {found.get('nearest_found', 1):.3f}"
            f" | {found.get('rows_compared', rows - 1):,}"
            f" | {recall['value']:.4f} ({recall['low']:.4f} .. {recall['high']:.4f})"
            f" | {precision['value']:.4f} | {found['classification']['accuracy']['value']:.4f} |"
        )
        print("\n".join(lines[-1:]), flush=True)
        steps += [f"| {kind} | {what} | {took:.1f} |" for what, took in done["steps"].items()]
    return [*lines, "", "| rows | step | seconds |", "|---|---|---:|", *steps]


def compare_searches(kinds: list[str], rows: int, seed: int, most: int = 8) -> list[str]:
    """Lines of a table of searches of all rows, beside exact ones."""
    lines = [
        f"{rows:,} rows of {DIMENSION} float32, the {most} nearest of each; processor seconds, all"
        f" cores together; {os.cpu_count()} cores, Python {platform.python_version()}.",
        "",
        "| rows | search | processor seconds | neighbours found | nearest found | Recall@1 |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for kind in kinds:
        blocks = list(drawn(kind, rows, np.random.default_rng(seed)))
        X = np.concatenate([block for block, _ in blocks])
        codes = np.concatenate([classes for _, classes in blocks])
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        exact = np.empty(0)
        for name, search in searches(X, codes, most).items():
            began = _processor()
            found = search()
            took = _processor() - began
            if name == "exact":
                exact = found
            hit = (found[:, :, np.newaxis] == exact[:, np.newaxis, :]).any(axis=1)
            right = (codes[found[:, 0]] == codes).mean()
            lines.append(
                f"| {kind} | {name} | {took:.1f} | {hit.mean():.4f} | {hit[:, 0].mean():.4f}"
                f" | {right:.4f} |"
            )
            print(lines[-1], flush=True)
    return lines


def searches(X: Any, codes: Any, most: int) -> dict[str, Callable[[], Any]]:
    """Functions that give the neighbours of all rows, (rows, most)."""
    passes = Passes(Reading(), Here())
    rows = survey([HeldRows(X)], passes)
    every = np.arange(len(X))

    def ours(how: NeighbourSearch) -> Callable[[], Any]:
        def search() -> Any:
            kept = Kept()
            find_neighbours(rows, every, codes, most, how, passes, 0, kept)
            exact = how.how == "exact"
            return kept["neighbours_nearest" if exact else "cells_nearest"]

        return search

    found: dict[str, Callable[[], Any]] = {
        "exact": ours(NeighbourSearch("exact")),
        "approximate": ours(NeighbourSearch("approximate", sample_rows=2000)),
    }
    cells = round(2 * len(X) ** 0.5)

    def without_self(near: Any) -> Any:
        own = near == every[:, np.newaxis]
        own[~own.any(axis=1), -1] = True
        return near[~own].reshape(len(X), most)

    try:
        import faiss

        def inverted(probes: int) -> Callable[[], Any]:
            def search() -> Any:
                index = faiss.IndexIVFFlat(
                    faiss.IndexFlatIP(DIMENSION), DIMENSION, cells, faiss.METRIC_INNER_PRODUCT
                )
                index.cp.spherical, index.cp.niter = True, 8
                index.train(X[: 39 * cells])
                index.add(X)
                index.nprobe = probes
                return without_self(index.search(X, most + 1)[1])

            return search

        for share in (0.05, 0.2):
            probes = max(1, round(share * cells))
            found[f"faiss IVF, {probes} of {cells} lists"] = inverted(probes)
    except ImportError:
        pass
    try:
        from usearch.index import Index

        def graph() -> Any:
            index = Index(ndim=DIMENSION, metric="ip", dtype="f16")
            index.add(every, X)
            return without_self(index.search(X, most + 1, exact=False).keys.astype(np.intp))

        found["usearch HNSW, float16"] = graph
    except ImportError:
        pass
    return found


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Read the command line, measure, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, help="1 000 000, with --recall 50 000")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--folder", type=Path, help="for the rows: 1.6 GB")
    parser.add_argument("--recall", action="store_true", help="compare searches instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--markdown", type=Path, help="add the table to this file")
    chosen = parser.parse_args()
    command = "python -m benchmarks.evaluate " + " ".join(
        word for word in sys.argv[1:] if not word.startswith("/")
    )
    if chosen.recall:
        lines = compare_searches(chosen.kinds, chosen.rows or 50_000, chosen.seed)
    else:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            lines = time_command(chosen.kinds, chosen.rows or 1_000_000, Path(folder), chosen.seed)
    text = "\n".join([f"`{command}`", "", *lines, ""])
    print(text)
    if chosen.markdown:
        with open(chosen.markdown, "a", encoding="utf-8") as stream:
            stream.write("\n" + text)


if __name__ == "__main__":
    main()
