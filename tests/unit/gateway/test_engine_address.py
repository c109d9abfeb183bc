"""An engine is addressed as a URL would write it, and gets its own key."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.config.schema import Config
from forebay.engines.fleet import expand
from forebay.gateway.screen import post
from forebay.gateway.snapshot import EngineRef


@pytest.mark.parametrize(("host", "written"), [("127.0.0.1", b"127.0.0.1"), ("::1", b"[::1]"), ("engine", b"engine")])
def test_an_address_of_ipv6_stands_in_brackets(host: str, written: bytes) -> None:
    engine = EngineRef(name="e", model="m", host=host, port=80, kind="external", max_outstanding=1, routable=True)
    assert b"\r\nhost: " + written + b":80\r\n" in post(engine, b"/p", b"{}", "id")


def test_an_engine_gets_its_key_as_a_bearer_and_once(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    written = {"kind": "external", "name": "e", "url": "http://h:1", "api_key": "file:key"}
    (spec,) = expand(Config.model_validate({"version": 1, "models": {"m": {"engines": [written]}}}), tmp_path)
    engine = EngineRef(
        name="e", model="m", host="h", port=1, kind="external", max_outstanding=1, routable=True,
        authorization=spec.authorization,
    )  # fmt: skip
    assert b"\r\nauthorization: Bearer s3cret\r\n" in post(engine, b"/p", b"{}", "id")
