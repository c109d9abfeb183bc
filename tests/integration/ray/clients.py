"""Clients on a machine of namespaces, beside the service that they call."""

from __future__ import annotations

import subprocess
import sys

import orjson
from tests.integration.ray import load
from tests.integration.ray.machines import Machine

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

WITHIN_S = 120.0


class Load:
    """Calls, one after another, until `all_answered` is asked."""

    def __init__(self, service: Service, machine: Machine) -> None:
        self._stop = service.folder / "stop"
        self._stop.unlink(missing_ok=True)
        self._stop.with_suffix(".answered").unlink(missing_ok=True)
        argv = (sys.executable, load.__file__, str(service.content["gateway"]["port"]), service.key, str(self._stop))
        self._running = machine.run(argv, {}, stdout=subprocess.PIPE)
        wait_for("calls are answered", lambda: self._stop.with_suffix(".answered").exists(), WITHIN_S)

    def all_answered(self) -> None:
        self._stop.touch()
        said, _ = self._running.communicate(timeout=180)
        found = orjson.loads(said)
        assert found["failures"] == []
        assert found["answered"] > 0
