"""Pebble, the ACME server that Let's Encrypt tests clients with: real orders, real challenges, its own root."""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import programs
from tests.certificates import Authority
from tests.integration.edge.real_edge import connects, until

from forebay.testing.worker import free_port

EXTERNAL_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


class Pebble:
    """`directory` is behind TLS of the authority in `ca`; challenges are asked for at `http_port` of the name."""

    def __init__(self, folder: Path, http_port: int, *, external: bool = False, life_s: int = 30 * 86400) -> None:
        program = programs.found("pebble")
        if program is None:
            pytest.skip("pebble cannot be had")
        authority = Authority(folder / "pebble")
        shown = authority.issue("server")
        self.ca, self.port, self._management = authority.ca, free_port(), free_port()
        self.directory = f"https://localhost:{self.port}/dir"
        settings: dict[str, Any] = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(shown.chain),
            "privateKey": str(shown.key_file),
            "httpPort": http_port,
            "tlsPort": free_port(),
            "externalAccountBindingRequired": external,
            "externalAccountMACKeys": {"kid-1": EXTERNAL_KEY} if external else {},
            "certificateValidityPeriod": life_s,
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
        # It takes no proof twice. By default it refuses good nonces now and then: the library's matter.
        environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        self._log = (folder / "pebble.log").open("wb")
        self._process = subprocess.Popen(
            [program, "-config", str(folder / "pebble.json")], env=environment, stdout=self._log, stderr=self._log
        )
        until(lambda: connects(self.port) and connects(self._management), "pebble listens")

    def trust(self) -> ssl.SSLContext:
        """What its customers' clients trust."""
        ours = ssl.create_default_context(cafile=str(self.ca))
        url = f"https://localhost:{self._management}/roots/0"
        with urllib.request.urlopen(url, context=ours, timeout=20) as answer:
            return ssl.create_default_context(cadata=answer.read().decode())

    def acme(self, **more: Any) -> dict[str, Any]:
        """The section of the configuration."""
        return {"directory": self.directory, "ca": str(self.ca), "terms_agreed": True, **more}

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(20)
        self._log.close()


@contextlib.contextmanager
def pebble(folder: Path, http_port: int, **how: Any) -> Iterator[Pebble]:
    running = Pebble(folder, http_port, **how)
    try:
        yield running
    finally:
        running.stop()
