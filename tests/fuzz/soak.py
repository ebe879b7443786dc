"""Everything that is fuzzed, at random, until the time is over; see scripts/soak.

    python tests/fuzz soak --minutes 10 [--seed S] [--target NAME] [--output TABLE.md]
    python tests/fuzz soak --batch NAME... --seed S --inputs 1                          (one input again)

Targets take turns, each in a process of its own: a crash, a hang or too much memory ends a batch, not
the run, and is reported with the seed that repeats it.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

MEMORY = 1 << 30
"""Bytes that reading a small file may take beyond what the libraries take."""

HANG_SECONDS = 120.0
_BATCH_SECONDS = 15.0


def limit_memory() -> None:
    """Let this process take `MEMORY` bytes more than it has."""
    with contextlib.suppress(OSError, ValueError):  # not on every system
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def run_batch(names: list[str], seed: int, seconds: float, inputs: int | None) -> int:
    """Try seeds from `seed` on; prints a line of JSON for each failure and one at the end."""
    from . import files, targets

    warnings.simplefilter("ignore")
    tried = calls = failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        os.makedirs(Path(name) / "elsewhere")
        folder.mkdir()
        os.chdir(Path(name) / "elsewhere")
        files.load_samples()
        for one in names:  # what a check loads the first time is no input's fault
            with contextlib.suppress(Exception):
                targets.TARGETS[one](folder, seed)
        if all(one in targets.BOUNDED for one in names):
            limit_memory()
        end = time.monotonic() + seconds
        while (time.monotonic() < end) if inputs is None else (calls < inputs * len(names)):
            one = names[calls % len(names)]
            at = seed + calls // len(names)
            print(json.dumps({"target": one, "seed": at}), flush=True)
            faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
            try:
                tried += targets.TARGETS[one](folder, at)
            except BaseException as error:
                failures += 1
                line = traceback.extract_tb(error.__traceback__)[-1]
                said = (
                    f"{type(error).__name__} at {Path(line.filename).name}:{line.lineno}: {error}"
                )
                print(json.dumps({"target": one, "seed": at, "failure": said[:2000]}), flush=True)
            faulthandler.cancel_dump_traceback_later()
            calls += 1
        os.chdir("/")
    print(json.dumps({"tried": tried}), flush=True)
    return 1 if failures else 0


def batch_process(
    names: list[str], seed: int, seconds: float, inputs: int | None = None
) -> tuple[int, list[dict[str, object]]]:
    """Run a batch in a process of its own; inputs tried, failures (a crash or a hang is one)."""
    here = str(Path(__file__).resolve().parent)
    command = [sys.executable, here, "soak", "--batch", *names, "--seed", str(seed)]
    command += ["--seconds", str(seconds)] if inputs is None else ["--inputs", str(inputs)]
    # One thread each, whose stacks and heaps would count as memory taken.
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **one})
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    failures = [line for line in lines if "failure" in line]
    if not lines or "tried" not in lines[-1]:
        last = lines[-1] if lines else {"target": names[0], "seed": seed}
        failures.append({**last, "failure": f"ended with {done.returncode}: {done.stderr[-1500:]}"})
        return len(lines), failures
    return int(lines[-1]["tried"]), failures


def soak(minutes: float, seed: int, only: str | None) -> tuple[str, bool]:
    """Run all targets in turn; the summary as a Markdown table, and whether nothing failed."""
    from . import targets

    names = [name for name in targets.TARGETS if only is None or name == only]
    if not names:
        raise SystemExit(
            f"there is no target {only!r}; the targets are {', '.join(targets.TARGETS)}"
        )
    tried = dict.fromkeys(names, 0)
    failures: list[dict[str, object]] = []
    end = time.monotonic() + 60 * minutes
    begun = time.monotonic()
    share = min(_BATCH_SECONDS, max(1.0, 60 * minutes / len(names) - 2))
    turn = 0
    while time.monotonic() < end or turn < len(names):
        name = names[turn % len(names)]
        count, failed = batch_process([name], seed + 1_000_000 * (turn // len(names)), share)
        tried[name] += count
        for failure in failed:
            print(f"FAILED {json.dumps(failure)}", file=sys.stderr, flush=True)
        failures += failed
        turn += 1
        print(f"{name}: {count} inputs, {len(failed)} failures", file=sys.stderr, flush=True)
    lines = ["| target | inputs tried | failures |", "|---|---:|---:|"]
    for name in names:
        bad = sum(failure["target"] == name for failure in failures)
        lines.append(f"| {name} | {tried[name]:,} | {bad} |")
    lines.append(f"| all | {sum(tried.values()):,} | {len(failures)} |")
    took = (time.monotonic() - begun) / 60
    lines += ["", f"{took:.0f} minutes, seed {seed}."]
    for failure in failures:
        lines.append(
            f"- `--batch '{failure['target']}' --seed {failure['seed']} --inputs 1`: {failure['failure']}"
        )
    return "\n".join(lines) + "\n", not failures


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--target", help="only this one")
    parser.add_argument("--output", type=Path, help="write the table here as well")
    parser.add_argument(
        "--batch", nargs="+", metavar="TARGET", help="no soak: these, in this process"
    )
    parser.add_argument("--seconds", type=float, default=_BATCH_SECONDS)
    parser.add_argument("--inputs", type=int, help="seeds of a batch, instead of --seconds")
    arguments = parser.parse_args()
    seed = secrets.randbelow(2**32) if arguments.seed is None else arguments.seed
    if arguments.batch:
        raise SystemExit(run_batch(arguments.batch, seed, arguments.seconds, arguments.inputs))
    table, clean = soak(arguments.minutes, seed, arguments.target)
    print(table)
    if arguments.output:
        arguments.output.write_text(table, encoding="utf-8")
    raise SystemExit(0 if clean else 1)


if __name__ == "__main__":
    main()
