"""Machines of namespaces with a service each, which share a lease through a real Valkey on another one."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.ray.clients import Load
from tests.integration.ray.machines import Machine

from forebay.controller.lease.election import Record, read
from forebay.controller.lease.shared import lease_key
from forebay.controller.status import Status, read_status
from forebay.store.valkey import Answer, command, parse
from forebay.store.valkey_server import server_argv
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

VALKEY_PORT = 6390
GATEWAY_PORT = 8200
_ALIVE = "import os, sys; os.kill(int(sys.argv[1]), 0)"


class Valkey:
    """A real one on a machine; asked through its socket, which every machine's files hold."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self._machine, self._folder = machine, folder
        self._socket = folder / "valkey.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        (binary, _) = server_argv(self._folder)
        argv = (binary, "--port", str(VALKEY_PORT), "--bind", self._machine.address, "--protected-mode", "no")
        argv = (*argv, "--unixsocket", str(self._socket), "--appendonly", "yes", "--appendfsync", "no")
        argv = (*argv, "--dir", str(self._folder), "--save", "")  # whoever enters a machine is in its /
        self._process = self._machine.run(argv, {}, cwd=self._folder, stdout=subprocess.DEVNULL)
        wait_for("Valkey answers", self._answers)

    def kill(self) -> None:
        """SIGKILL to what runs in the machine: the process here only stands for it."""
        assert self._process is not None
        self._machine.output("pkill", "-9", "-f", f"[v]alkey-server.*:{VALKEY_PORT}")
        self._process.wait(30)

    def wait(self) -> None:
        """Once its machine is gone."""
        if self._process is not None:
            self._process.wait(60)

    def ask(self, *parts: str) -> Answer:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self._socket))
            connection.sendall(command([part.encode() for part in parts]))
            held = b""
            while (found := parse(held, 0)) is None:
                received = connection.recv(65536)
                if not received:
                    raise ConnectionError("Valkey closed the connection")
                held += received
            return found[0]

    def lease(self) -> Record:
        text = self.ask("GET", lease_key("forebay", "development"))
        found = read(text) if isinstance(text, bytes) else None
        assert found is not None
        return found

    def _answers(self) -> bool:
        try:
            return self.ask("PING") == b"PONG"
        except OSError:
            return False


class Site:
    """One machine and its service. All have the same file."""

    def __init__(self, machine: Machine, folder: Path, valkey: Machine, models: dict[str, Any], **more: Any) -> None:
        self.machine = machine
        folder.mkdir()
        self.service = Service(
            folder,
            models,
            prefix=machine.argv(),
            gateway={"workers": 1, "port": GATEWAY_PORT, "worker_port": GATEWAY_PORT + 1},
            edge={"kind": "none"},
            observe={"metrics": {"port": 9090}},
            admin={"port": 8100},
            valkey={"kind": "external", "host": valkey.address, "port": VALKEY_PORT, "gateways": 2},
            controller={"lease": {"via": "valkey", "ttl": "6s"}},
            **more,
        )

    @property
    def status(self) -> Status:
        found = read_status(self.service.state.status)
        assert found is not None
        return found

    def leads(self, valkey: Valkey) -> bool:
        status = self.status
        told = status.controller
        return status.state == "ready" and told.leads and told.lease == valkey.lease().number

    @property
    def stands_by(self) -> bool:
        """Whether its controller lives, all that it keeps is ready, and it says that another one leads."""
        status = self.status
        return status.state == "standby" and not status.controller.leads and self.lives(status.controller.pid)

    def lives(self, pid: int) -> bool:
        argv = self.machine.argv(sys.executable, "-S", "-c", _ALIVE, str(pid))
        return subprocess.run(argv, capture_output=True, check=False, timeout=60).returncode == 0

    def signal(self, name: str, pid: int) -> None:
        self.machine.output("kill", f"-{name}", str(pid))

    def load(self) -> Load:
        return Load(self.service, self.machine)


def roles(first: Site, second: Site, valkey: Valkey) -> tuple[Site, Site]:
    """Who leads, and who stands by, once it is so."""

    def decided() -> bool:
        return (first.leads(valkey) and second.stands_by) or (second.leads(valkey) and first.stands_by)

    wait_for("one leads, and the other stands by", decided, 120)
    return (second, first) if first.stands_by else (first, second)
