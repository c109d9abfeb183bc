"""No part talks to the outside unless the file says so: a service on a machine whose one way out is written down."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sealed_machine import SealedMachine

from forebay.audit.signing import log_signer
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nsenter", "unshare"))), reason="needs root and iproute2"
    ),
]
WITNESS = ("tcp", "198.51.100.9", 81, "")
CLIENT = """
import json, ssl, sys, urllib.request
port, key, ca = sys.argv[1:]
for stream in (False, True):
    body = {"model": "m", "stream": stream, "max_tokens": 4, "messages": [{"role": "user", "content": "hello"}]}
    request = urllib.request.Request(f"https://localhost:{port}/v1/chat/completions", json.dumps(body).encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"})
    context = ssl.create_default_context(cafile=ca)
    print(urllib.request.urlopen(request, timeout=120, context=context).status)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[SealedMachine]:
    with SealedMachine(tmp_path) as sealed:
        yield sealed


def test_what_a_program_sends_out_is_written_down(machine: SealedMachine) -> None:
    ask = "import socket\ntry: socket.getaddrinfo('huggingface.co', 443)\nexcept OSError: pass"
    go = "import socket\ntry: socket.create_connection(('198.51.100.7', 443), 0.2)\nexcept OSError: pass"
    machine.run(sys.executable, "-c", ask)
    machine.run(sys.executable, "-c", go)
    wait_for("both are seen", lambda: {each[1] for each in machine.sent()} == {"203.0.113.53", "198.51.100.7"})
    assert ("udp", "203.0.113.53", 53, "huggingface.co") in machine.sent()


def test_a_service_sends_nothing_out_but_what_its_file_says(machine: SealedMachine, tmp_path: Path) -> None:
    key = str(log_signer(tmp_path / "witness", "witness.example/w").verifier)
    witness = {"url": f"http://{WITNESS[1]}:{WITNESS[2]}", "key": key, "every": "1s"}
    service = Service(
        tmp_path,
        {"m": {"engines": [{"kind": "embedded", "threads": 1}]}},
        prefix=machine.prefix,
        audit={"enabled": True, "witnesses": [witness]},
        watch={"enabled": True},
    )
    with service:
        port, ca = str(service.content["edge"]["https_port"]), str(service.state.tls / "ca.pem")
        assert machine.run(sys.executable, "-c", CLIENT, port, service.key, ca).split() == ["200", "200"]
        service.run("compliance", "check", "-o", "json", check=False)
        service.run("key", "create", "--name", "guest")
        wait_for("the witness is asked, as the file says", lambda: WITNESS in machine.sent())
    assert machine.sent() == {WITNESS}
