"""A secret of the environment reaches the workers, and lies in no file but the snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.gateway.snapshot import read
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.service import Service


def test_a_secret_of_the_environment_reaches_the_workers_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeEngine() as engine:
        url = f"http://127.0.0.1:{engine.port}"
        models = {"m": {"engines": [{"kind": "external", "url": url, "api_key": "env:ENGINE_KEY"}]}}
        monkeypatch.setenv("ENGINE_KEY", "canary-one")
        with Service(tmp_path, models, edge={"kind": "none"}) as service:
            assert read(service.state.current_snapshot)[1].engines[0].authorization == "Bearer canary-one"
            monkeypatch.setenv("ENGINE_KEY", "canary-two")
            service.run("up", "--detach")
            assert read(service.state.current_snapshot)[1].engines[0].authorization == "Bearer canary-two"
            places = {path.parent.name for path in service.state.root.rglob("*") if holds(path, b"canary-")}
            assert places == {"snapshots"}


def holds(path: Path, text: bytes) -> bool:
    try:
        return path.is_file() and text in path.read_bytes()
    except FileNotFoundError:  # a draft that has become a file since
        return False
