from __future__ import annotations

from vmf.cli import mixture


def test_without_scikit_learn_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr(mixture, "find_spec", lambda name: None)
    folder.refused(
        "a mixture needs scikit-learn: pip install 'vmf-toolkit[models]'",
        "mixture", folder / "x.npy", "-k", "2", "-o", folder / "n.safetensors",
    )  # fmt: skip
