"""What `import vmf` and `vmf --help` load. They take 0.02 s and 0.16 s as long as it is no more than this.

Which folder may import which is held by `lint-imports`; see pyproject.toml.
"""

from __future__ import annotations

import subprocess
import sys

LOADED = "print(*sorted(set(sys.modules) - before))"


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads in a fresh process."""
    code = f"import sys; before = set(sys.modules)\n{statement}\n{LOADED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_package_loads_its_version_and_the_standard_library():
    found = loaded_by("import vmf")
    assert {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names} == {
        "vmf",
        "vmf.version",
    }


def test_help_loads_the_commands_and_nothing_that_computes():
    found = loaded_by("from vmf.cli import app\ntry: app(['--help'])\nexcept SystemExit: pass")
    ours = {name for name in found if name.partition(".")[0] == "vmf"}
    beside_commands = {name for name in ours if not name.startswith("vmf.cli")}
    assert beside_commands <= {"vmf", "vmf.version", "vmf.errors", "vmf.output"}
    assert "numpy" not in found
