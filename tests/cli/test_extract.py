"""``vmf extract`` where torch is not installed; the rest is in tests/features."""

from __future__ import annotations

from vmf.features import requirements as errors


def test_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    folder.refused("pip install 'vmf-toolkit[features]'", "extract", "x", "-o", folder / "f.npy")
