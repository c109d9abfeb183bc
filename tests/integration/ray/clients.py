"""Clients on a machine of namespaces, beside the service that they call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson
from tests.integration.ray import load

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

WITHIN_S = 120.0


class Runs(Protocol):
    """A machine, as far as it runs programs."""

    def run(self, argv: Sequence[str], env: Mapping[str, str], **how: Any) -> subprocess.Popen[bytes]: ...

    def output(self, *argv: str) -> str: ...


class Load:
    """Calls of so many clients, of each one after another, until `all_answered` is asked."""

    def __init__(self, service: Service, machine: Runs, clients: int = 2) -> None:
        self._stop = service.folder / "stop"
        self._stop.unlink(missing_ok=True)
        self._stop.with_suffix(".answered").unlink(missing_ok=True)
        to = (str(service.content["gateway"]["port"]), service.key, str(self._stop), str(clients))
        argv = (sys.executable, load.__file__, *to)
        self._running = machine.run(argv, {}, stdout=subprocess.PIPE)
        wait_for("calls are answered", lambda: self._stop.with_suffix(".answered").exists(), WITHIN_S)

    def all_answered(self) -> None:
        self._stop.touch()
        said, _ = self._running.communicate(timeout=180)
        found = orjson.loads(said)
        assert found["failures"] == [], found["failures"][:3]
        assert found["answered"] > 0
