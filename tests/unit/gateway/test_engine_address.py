"""An engine is addressed as a URL would write it."""

from __future__ import annotations

import pytest

from forebay.gateway.screen import post
from forebay.gateway.snapshot import EngineRef


@pytest.mark.parametrize(("host", "written"), [("127.0.0.1", b"127.0.0.1"), ("::1", b"[::1]"), ("engine", b"engine")])
def test_an_address_of_ipv6_stands_in_brackets(host: str, written: bytes) -> None:
    engine = EngineRef(name="e", model="m", host=host, port=80, kind="external", max_outstanding=1, routable=True)
    assert b"\r\nhost: " + written + b":80\r\n" in post(engine, b"/p", b"{}", "id")
