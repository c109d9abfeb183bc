"""The whole service with a real model and an audit log: calls are recorded, a writer that dies comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.integration.audit.writing import records

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    models = {"smollm2": {"engines": [{"kind": "embedded", "threads": 1}]}}
    with Service(tmp_path, models, audit={"enabled": True, "wait": "30s"}) as running:
        yield running


def ask(service: Service, *, stream: bool = False) -> httpx2.Response:
    body = {"model": "smollm2", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4, "user": "bob"}
    head = {"authorization": f"Bearer {service.key}"}
    with httpx2.Client(verify=service.tls(), timeout=120) as client:
        return client.post(f"{service.url}/chat/completions", json={**body, "stream": stream}, headers=head)


def test_calls_are_recorded_whatever_becomes_of_the_writer(service: Service) -> None:
    assert ask(service).status_code == 200
    assert ask(service, stream=True).text.endswith("data: [DONE]\n\n")
    before = service.status()["audit"]["pid"]
    os.kill(before, signal.SIGKILL)
    assert ask(service).status_code == 200
    wait_for("the writer is another", lambda: service.status()["audit"]["pid"] not in (None, before))
    kinds = [each["kind"] for each in records(service.state) if each["kind"] in ("intent", "outcome")]
    assert kinds == ["intent", "outcome"] * 3
    service.run("key", "create", "--tenant", "acme")
    assert [each["action"] for each in records(service.state) if each["kind"] == "decision"] == ["key.create"] * 2
    service.run("audit", "verify")
    (service.state.audit / "stopped").write_text("the disk\n")
    os.kill(service.status()["audit"]["pid"], signal.SIGKILL)
    wait_for("calls are refused", lambda: ask(service).status_code == 503)
    wait_for("it is told", lambda: any("is stopped" in reason for reason in service.status()["reasons"]))
