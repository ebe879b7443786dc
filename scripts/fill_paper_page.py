#!/usr/bin/env python3
"""Put the figures of ``vmf reproduce`` into docs/paper.md.

    vmf reproduce all -o docs/paper --overwrite
    python scripts/fill_paper_page.py [--check]

What lies between ``<!-- NAME -->`` and ``<!-- end -->`` is written from the results in docs/paper;
NAME is `claims`, `environment EXPERIMENT` or `EXPERIMENT/FILE.md: TITLE`, a table by its title
(`intro` for what stands before the first).
With ``--check`` nothing is written, and the exit code is 1 if something would change. Needs pandas
and pyyaml.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "paper.md"
RESULTS = ROOT / "docs" / "paper"
BLOCK = re.compile(r"(<!-- (?!end)(.+?) -->\n).*?(<!-- end -->)", re.DOTALL)

ACCURACY, RUNTIME, CIFAR10 = "bessel-accuracy", "bessel-runtime", "vmf-cifar10"
OURS, PAPER, SCIPY = "this toolkit", "paper's algorithm", "SciPy"
FASTEST = "fastest third-party library"


def table(experiment: str, name: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / experiment / f"{name}.csv", keep_default_na=True)


def claims() -> str:
    """One line a claim: what the abstract says, what was measured, by which command."""
    lines = ["| the paper states | measured here | command |", "|---|---|---|"]
    accuracy, runtime, cifar10 = (
        f"`vmf reproduce {name}`" for name in (ACCURACY, RUNTIME, CIFAR10)
    )
    rows = [
        ("C++ on a CPU against third-party libraries: 17x median, 3403x at most",
         speed_up(FASTEST), runtime),
        ("C++ on a CPU against SciPy: 35x median, 98x at most", speed_up(SCIPY), runtime),
        ("CUDA against third-party libraries: 45x median, 6150x at most", speed_up(FASTEST, gpu=True),
         runtime),
        ("CUDA against SciPy: 77x median, 300x at most", speed_up(SCIPY, gpu=True), runtime),
        ("never an underflow or overflow", not_finite(), accuracy),
        ("relative errors on the order of machine precision, also where other libraries fail",
         errors(), accuracy),
        ("vMF distributions fitted to 2048-, 8192- and 32768-dimensional ResNet50 features of CIFAR-10",
         fits(), cifar10),
        ("SciPy fails to fit", verdicts("SciPy"), cifar10),
        ("mpmath fails to fit", verdicts("mpmath"), cifar10),
    ]  # fmt: skip
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def speed_up(against: str, *, gpu: bool = False) -> str:
    rows = table(RUNTIME, "speed_ups")
    rows = rows[(rows["against"] == against) & (rows["function"] == "both")]
    rows = rows[(rows["this toolkit"] == "vmf, GPU") == gpu]
    if not len(rows):
        return "not measured: no GPU at hand"
    parts = [
        f"{row['this toolkit'].removeprefix('vmf, ')}: {row['median']:.3g}x median,"
        f" {row['largest']:.3g}x at most, {row['least']:.2g}x at least"
        for row in rows.to_dict("records")
    ]
    return "; ".join(parts)


def not_finite() -> str:
    rows = table(ACCURACY, "errors")
    parts = []
    for library in (OURS, PAPER, SCIPY):
        here = rows[rows["library"] == library]
        count = round(float((here["points"] * here["not finite %"] / 100).sum()))
        parts.append(f"{library}: {count} of {here['points'].sum()} values not finite")
    return "; ".join(parts)


def errors() -> str:
    rows = table(ACCURACY, "errors")
    parts = []
    for library in (OURS, PAPER):
        here = rows[rows["library"] == library]
        parts.append(
            f"{library}: medians {here['relative median'].min():.2g} to"
            f" {here['relative median'].max():.2g} eps, at most {here['relative max'].max():.2g} eps"
            f" of the value, {here['scaled max'].max():.2g} eps of max(1, value)"
        )
    return "; ".join(parts)


def fits() -> str:
    rows = table(CIFAR10, "fits")
    exact = table(CIFAR10, "arb")
    worst = exact[exact["estimate"] == "kappa"]["kappa, eps"].max()
    parts = [f"p = {row['p']}: R = {row['R']:.6g}, kappa = {row['kappa']:.8g} ({row['rows']} images)"
             for row in rows.to_dict("records")]  # fmt: skip
    return "; ".join(parts) + f"; kappa within {worst:.2g} eps of Arb"


def verdicts(library: str) -> str:
    rows = table(CIFAR10, "libraries")
    rows = rows[(rows["quantity"] == "kappa") & rows["library"].str.startswith(library)]
    parts = []
    for name, here in rows.groupby("library", sort=False):
        found = ", ".join(f"p = {p}: {verdict}" for p, verdict in zip(here["p"], here["verdict"],
                                                                      strict=True))  # fmt: skip
        parts.append(f"{name} ({here['call'].iloc[0]}): {found}")
    return "; ".join(parts)


def environment(experiment: str) -> str:
    found: dict[str, Any] = yaml.safe_load((RESULTS / experiment / "environment.yaml").read_text())
    packages = ", ".join(
        f"{name} {version}" for name, version in found["packages"].items() if version
    )
    gpu = f", {found['gpu']}" if found["gpu"] else ", no GPU"
    return (
        f"Measured {found['date'][:10]}: {found['processor']}, {found['instruction_set']},"
        f" {found['logical_cores']} logical cores{gpu}; Python {found['python']}, {packages}.\n"
    )


def section(file: str, title: str) -> str:
    """The lines below ``**title**`` in a result, to the next title."""
    text = (RESULTS / file).read_text(encoding="utf-8")
    parts = re.split(r"^\*\*(.+)\*\*$", text, flags=re.MULTILINE)
    found = {"intro": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))
    if title not in found:
        raise SystemExit(f"docs/paper/{file} has no table {title!r}; it has {', '.join(found)}")
    return found[title].strip() + "\n"


def content(name: str) -> str:
    if name == "claims":
        return claims()
    if name.startswith("environment "):
        return environment(name.removeprefix("environment "))
    file, _, title = name.partition(": ")
    return section(file, title)


def filled(page: str) -> str:
    return BLOCK.sub(lambda block: block[1] + content(block[2]) + block[3], page)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args(arguments)
    before = PAGE.read_text(encoding="utf-8")
    after = filled(before)
    if options.check:
        return int(before != after)
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
