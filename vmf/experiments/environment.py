"""What a run depended on beside its configuration: versions, processor, threads, revision."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "numpy", "scipy", "mpmath", "python-flint", "tensorflow-probability", "jax", "torch",
    "torchvision", "cupy", "pandas", "matplotlib",
)  # fmt: skip
_CUPY_DISTRIBUTIONS = ("cupy", "cupy-cuda12x", "cupy-cuda13x")


def environment() -> dict[str, Any]:
    """Names, versions and numbers, no paths; None for what is not installed or not known."""
    from vmf._core import get_instruction_set, get_num_threads
    from vmf.version import __version__

    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "vmf": __version__,
        "revision": _revision(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "logical_cores": os.cpu_count(),
        "threads": get_num_threads(),
        "instruction_set": get_instruction_set(),
        "gpu": _gpu(),
    }


def _version(name: str) -> str | None:
    for distribution in _CUPY_DISTRIBUTIONS if name == "cupy" else (name,):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def _processor() -> str | None:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or None


def _revision() -> str | None:
    """The commit of the checkout that the package is imported from, marked if files differ."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit} with local changes" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


def _gpu() -> str | None:
    from vmf.arrays.gpu import require_cupy
    from vmf.errors import GPUUnavailableError

    try:
        cupy = require_cupy()
    except GPUUnavailableError:
        return None
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return str(properties["name"].decode())
