"""Clients on a machine of namespaces, beside the service that they call."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import orjson
from tests.integration.ray import load

from forebay.testing.service import Service
from forebay.testing.worker import wait_for

WITHIN_S = 120.0


class Runs(Protocol):
    """A machine, as far as it runs programs."""

    def run(self, argv: Sequence[str], env: Mapping[str, str], **how: Any) -> subprocess.Popen[bytes]: ...

    def output(self, *argv: str) -> str: ...


def end(running: subprocess.Popen[bytes], within_s: float = 0.0) -> None:
    """Have it gone, by SIGKILL where it does not end by itself in that time; what it says is not read."""
    try:
        running.wait(within_s)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()
    if running.stdout is not None:
        running.stdout.close()


class Load:
    """Calls of so many clients, of each one after another, until `all_answered` is asked or the block is left."""

    def __init__(self, service: Service, machine: Runs, clients: int = 2) -> None:
        # A name of its own, never taken away: clients that outlive their test stop at it all the same.
        self._stop = service.folder / f"stop-{secrets.token_hex(4)}"
        to = (str(service.content["gateway"]["port"]), service.key, str(self._stop), str(clients))
        argv = (sys.executable, load.__file__, *to)
        self._running = machine.run(argv, {}, stdout=subprocess.PIPE)
        try:
            wait_for("calls are answered", self._stop.with_suffix(".answered").exists, WITHIN_S)
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self.end()

    def end(self) -> None:
        """Whatever became of them; their last calls end first, where they end soon."""
        self._stop.touch()
        end(self._running, 30.0)

    def all_answered(self) -> None:
        self._stop.touch()
        said, _ = self._running.communicate(timeout=180)
        found = orjson.loads(said)
        assert found["failures"] == [], found["failures"][:3]
        assert found["answered"] > 0
