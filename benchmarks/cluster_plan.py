"""What a fit of 1e12 rows on a cluster takes, from what this machine measures.

    python -m benchmarks.cluster_plan                 # prints, and writes benchmarks/results/cluster_plan.md

Measured here: how fast one thread reads and adds up a block of each kind, how large its statistics
are and how long merging them takes, and what a task costs the process that holds scheduler and
client, and the wall clock, in a run of thousands of tasks that do nothing through the very loop that
fits go through. Assumed: rates of storage, how much the times of blocks scatter, how often a worker
dies, prices. A simulation of tasks, threads, the scheduler and the merging in order puts them
together.
"""

from __future__ import annotations

import argparse
import heapq
import os
import pickle
import platform
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vmf import special
from vmf.cluster import blocks, open_client
from vmf.cluster.blocks import Block
from vmf.cluster.in_order import in_order
from vmf.cluster.runner import _read_block
from vmf.embeddings.registry import open_embeddings
from vmf.experiments.timing import seconds
from vmf.passes.engine import Reading
from vmf.passes.statistics import ByClass, Gather

RESULTS = Path(__file__).parent / "results" / "cluster_plan.md"
ROWS = 10**12
KINDS = [(768, "float16"), (768, "float32"), (2048, "float16"), (2048, "float32")]
MEASURED_BYTES = 256 << 20
EMPTY_TASKS = 3000

# Assumed.
CLUSTERS = [(64, 10e9), (512, 100e9), (4096, 1000e9)]  # threads; bytes a second of the storage
SCATTER = 0.25  # the time of a block is log-normal with this sigma
HOURS_BETWEEN_DEATHS = 30 * 24.0  # of one thread's worker
SECONDS_TO_REPLACE = 60.0
DOLLARS_AN_HOUR = 0.05  # of one thread
MOST_SIMULATED = 300_000


@dataclass(frozen=True)
class Measured:
    """One kind of rows on one thread of this machine."""

    dimension: int
    dtype: str
    read: float
    fit: float
    result_bytes: int
    merge: float


def measure_kind(dimension: int, dtype: str, folder: Path) -> Measured:
    special.set_num_threads(1)  # as in a worker
    rng = np.random.default_rng(0)
    rows = MEASURED_BYTES // (dimension * np.dtype(dtype).itemsize)
    part = rng.standard_normal((rows // 16, dimension), dtype=np.float32).astype(dtype)
    path = folder / "rows.npy"
    np.save(path, np.tile(part, (16, 1)))
    file = open_embeddings(path)
    block = Block(0, str(path), None, None, file.identity[1], 0, file.rows)
    size = file.rows * dimension * np.dtype(dtype).itemsize
    task = Gather(dimension)
    found = _read_block(block, task, [], Reading()).found
    assert found is not None

    def read() -> None:
        for _ in file.chunks():
            pass

    def merge() -> None:
        for _ in range(200):
            task.merge([found, found])

    reading = min(seconds(read) for _ in range(3))
    fitting = min(seconds(lambda: _read_block(block, task, [], Reading())) for _ in range(3))
    merging = seconds(merge) / 200
    path.unlink()
    return Measured(
        dimension, dtype, size / reading, size / fitting, len(pickle.dumps(found)), merging
    )


def nothing(block: Block, result: ByClass) -> ByClass:
    return result


def measure_tasks() -> tuple[float, float]:
    """Seconds of CPU in scheduler and client, and of the clock, that a task takes."""
    task = Gather(768)
    empty = task.of_block(np.ones((1, 768), np.float32), 0, [])
    with open_client(workers=2) as client:

        def submit(block: Block) -> Any:
            return client.submit(nothing, block, empty, pure=False)

        def run(count: int) -> None:
            listed = (Block(0, "", None, None, 0, k, k + 1) for k in range(count))
            total = empty
            for _, found in in_order(client, submit, listed, [], per_thread=task.blocks_per_thread):
                total = task.merge([total, found])

        run(200)
        cpu, clock = time.process_time(), time.perf_counter()
        run(EMPTY_TASKS)
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    return cpu / EMPTY_TASKS, clock / EMPTY_TASKS


def block_bytes(total: int) -> int:
    """Bytes of the blocks that `vmf.cluster` cuts so many bytes into."""
    return min(max(blocks.SMALLEST_BLOCK, total // blocks._MOST_BLOCKS), blocks.LARGEST_BLOCK)


def simulate(tasks: int, seconds: float, threads: int, a_task: float, a_merge: float) -> float:
    """Seconds that `tasks` blocks take, each of `seconds` on its thread.

    One server starts tasks, `a_task` seconds each; a block goes to the thread that is free first;
    results are merged in order, `a_merge` each; no block starts before the one that is a window
    earlier has been merged.
    """
    rng = random.Random(0)
    simulated = min(tasks, max(MOST_SIMULATED, 40 * threads))
    window = Gather.blocks_per_thread * threads
    free = [0.0] * threads
    merged = [0.0] * window
    scheduler = last = 0.0
    dies = seconds / (HOURS_BETWEEN_DEATHS * 3600.0)
    for number in range(simulated):
        scheduler = max(scheduler, merged[number % window]) + a_task
        begin = max(heapq.heappop(free), scheduler)
        takes = seconds * rng.lognormvariate(-0.5 * SCATTER**2, SCATTER)
        if rng.random() < dies:
            takes += SECONDS_TO_REPLACE + seconds * rng.random()
        heapq.heappush(free, begin + takes)
        last = max(last, begin + takes) + a_merge
        merged[number % window] = last
    return last * tasks / simulated


def report() -> str:
    with tempfile.TemporaryDirectory() as folder:
        kinds = [measure_kind(dimension, dtype, Path(folder)) for dimension, dtype in KINDS]
    cpu, clock = measure_tasks()
    lines = [
        "# A fit of 1e12 rows on a cluster",
        "",
        "`python -m benchmarks.cluster_plan`. What it means is said in [docs/cluster.md](../../docs/cluster.md).",
        "",
        "## Measured",
        "",
        f"{platform.machine()}, {os.cpu_count()} hardware threads, Python {platform.python_version()}; one thread,"
        f" blocks of {MEASURED_BYTES >> 20} MB in the page cache, the best of 3.",
        "",
        "| rows | reading alone, MB/s | reading and adding up, MB/s | rows/s | statistics of a block, bytes"
        " | merging two, ms |",
        "|---|---|---|---|---|---|",
    ]
    for kind in kinds:
        row = kind.dimension * np.dtype(kind.dtype).itemsize
        lines.append(
            f"| {kind.dimension} x {kind.dtype} | {kind.read / 1e6:.0f} | {kind.fit / 1e6:.0f}"
            f" | {kind.fit / row:.0f} | {kind.result_bytes} | {kind.merge * 1e3:.3f} |"
        )
    lines += [
        "",
        f"A task that does nothing, of {EMPTY_TASKS} in a row on a LocalCluster of 2 processes:"
        f" {cpu * 1e3:.2f} ms of CPU in the process of scheduler and client, {clock * 1e3:.2f} ms of the clock"
        " (all processes share this machine).",
        "",
        "## Assumed",
        "",
        f"The storage gives all threads together what the table says. The time of a block scatters by"
        f" {SCATTER:.0%}; a thread's worker dies every {HOURS_BETWEEN_DEATHS:.0f} h, and it takes"
        f" {SECONDS_TO_REPLACE:.0f} s until its block is begun again. A thread costs"
        f" {DOLLARS_AN_HOUR:.2f} dollars an hour. The threads are as fast as the one measured.",
        "",
        "## Simulated",
        "",
        "| rows | bytes | a block | blocks | threads | storage, GB/s | wall time, h | bound by | to the driver, GB"
        " | thread hours | dollars |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in kinds:
        total = ROWS * kind.dimension * np.dtype(kind.dtype).itemsize
        size = block_bytes(total)
        tasks = -(-total // size)
        for threads, storage in CLUSTERS:
            seconds = size / min(kind.fit, storage / threads)
            wall = simulate(tasks, seconds, threads, cpu, kind.merge)
            bounds = {
                "arithmetic": total / (kind.fit * threads),
                "storage": total / storage,
                "scheduler": tasks * cpu,
                "merging": tasks * kind.merge,
            }
            lines.append(
                f"| {kind.dimension} x {kind.dtype} | {total / 1e15:.2f} PB | {size >> 20} MB | {tasks}"
                f" | {threads} | {storage / 1e9:.0f} | {wall / 3600:.2f} | {max(bounds, key=bounds.__getitem__)}"
                f" | {tasks * kind.result_bytes / 1e9:.0f} | {wall / 3600 * threads:.0f}"
                f" | {wall / 3600 * threads * DOLLARS_AN_HOUR:.0f} |"
            )
    lines += [
        "",
        f"At most {MOST_SIMULATED} blocks (or 40 a thread) are simulated one by one, and the time scaled to all.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--markdown", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    text = report()
    print(text)
    arguments.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
