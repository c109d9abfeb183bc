"""A whole service whose certificate comes from a real ACME authority, and what it tells when that one is gone."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path

import pytest
from tests.integration.edge.pebble import Pebble

from forebay.security.acme.due import CERTIFICATE
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def chat(service: Service, key: str, trust: ssl.SSLContext) -> int:
    """Status of a call; 0 where nobody is let in."""
    edge = service.content["edge"]["https_port"]
    connection = http.client.HTTPSConnection("localhost", edge, context=trust, timeout=60)
    try:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(CHAT), headers)
        return connection.getresponse().status
    except (ssl.SSLError, ConnectionError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def metrics(service: Service) -> str:
    port = service.content["observe"]["metrics"]["port"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_a_service_gets_its_certificate_by_itself_and_says_when_it_cannot(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        models = {"m": {"engines": [{"kind": "external", "url": f"http://127.0.0.1:{engine.port}"}]}}
        service = Service(tmp_path, models, environment="staging")
        authority = Pebble(tmp_path, service.content["edge"]["http_port"])
        try:
            service.content["edge"] |= {"acme": authority.acme(), "server_names": ["localhost"]}
            service.write()
            with service:
                early = " ".join(service.status()["reasons"])
                assert "lets nobody in" in early or (service.state.acme / CERTIFICATE).exists()
                key, trust = service.run("key", "create").stdout.strip(), authority.trust()
                wait_for("the certificate is served", lambda: chat(service, key, trust) == 200)
                page = metrics(service)
                assert "forebay_certificate_days_left 29" in page
                assert "forebay_certificate_order_failures 0" in page
                assert service.status()["release"]["drift"] == []

                authority.stop()
                assert service.status()["state"] == "ready"
                (service.state.acme / CERTIFICATE).unlink()
                wait_for("it is told", lambda: "no certificate was obtained" in " ".join(service.status()["reasons"]))
                assert "forebay_certificate_order_failures 1" in metrics(service)
        finally:
            authority.stop()
