"""An edge's file that nobody touched is as the release says, whatever in it is this machine's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Authority

from forebay.config.schema import Config
from forebay.release.drift import edge_drift
from forebay.render.edge import write_edge
from forebay.render.edge_programs import program_of
from forebay.store.state_dir import StateDir

PORTS = (8201, 8202)


def config(kind: str, environment: str = "development", **edge: Any) -> Config:
    return Config.model_validate(
        {
            "version": 1,
            "environment": environment,
            "models": {"m": {"engines": [{"kind": "embedded"}]}},
            "edge": {"kind": kind, **edge},
        }
    )


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
@pytest.mark.parametrize("environment", ["development", "production"])
@pytest.mark.parametrize("own", ["nothing", "authorities for clients", "an ACME authority"])
def test_only_what_was_edited_has_drifted(kind: str, environment: str, own: str, tmp_path: Path) -> None:
    state = StateDir(tmp_path / ".forebay")
    state.prepare()
    more: dict[str, Any] = {}
    if own == "authorities for clients":
        authority = Authority(tmp_path / "ca")
        more = {"clients": {"ca": str(authority.ca), "crl": str(authority.revoked())}}
    if own == "an ACME authority":
        more = {"acme": {"directory": "https://ca/dir"}}
    wanted = config(kind, environment, **more)
    assert write_edge(wanted, state, PORTS, tmp_path)
    assert list(edge_drift(wanted, state.edge, PORTS)) == []
    written = state.edge / program_of(wanted).conf
    content = written.read_text()
    written.write_text(content.replace("max-age=63072000", "max-age=1"))
    assert len(list(edge_drift(wanted, state.edge, PORTS))) == 1
    written.write_text(content + "# a note\n")
    assert len(list(edge_drift(wanted, state.edge, PORTS))) == 1
