"""A project of its own for each test, in whose folder commands run."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.store.state_dir import StateDir


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateDir:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FOREBAY_STATE", raising=False)
    (tmp_path / "forebay.yaml").write_text("version: 1\nmodels: {m: {engines: [{kind: embedded}]}}\n")
    made = StateDir.beside(Path("forebay.yaml"))
    made.prepare()
    return made
