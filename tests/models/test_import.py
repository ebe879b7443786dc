from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_package_does_not_import_scikit_learn():
    assert run("import sys, vmf; vmf.models; print('sklearn' in sys.modules)") == "False"


@pytest.mark.parametrize("name", ["VMFMixture", "VMFDensity", "VMFClassifier", "load", "save"])
def test_without_scikit_learn_one_sentence_says_what_to_do(name):
    code = f"""
import sys
sys.modules["sklearn"] = None
import vmf
try:
    vmf.models.{name}
except ModuleNotFoundError as error:
    print(error)
"""
    assert run(code) == f"vmf.models.{name} needs scikit-learn: pip install 'vmf-toolkit[models]'"


def test_there_is_nothing_else():
    assert run("import vmf; print(hasattr(vmf.models, 'VMFRegressor'))") == "False"
