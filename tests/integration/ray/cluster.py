"""A real Ray cluster on machines of namespaces; its head keeps its state in a real Valkey, and may be started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.integration.ray.machines import Machine

from forebay.core.proc import end_marked
from forebay.store.valkey_server import server_argv
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

_MARK = "FOREBAY_TEST_HEAD"
HEAD_PORT, VALKEY_PORT = 6379, 6380
START_S = 120.0
_ATTEMPTS = 3
_GAVE_UP = b"The current node timed out during startup"


class Cluster:
    """The first machine has the head and no engines; `kill_head` and `start_head` leave the machine itself alone.

    `cpus` of the other machines: engines go where there are any.
    """

    def __init__(self, machines: list[Machine], folder: Path, cpus: Sequence[int] = ()) -> None:
        self.machines, self._folder = machines, folder
        self._started: list[subprocess.Popen[bytes]] = []
        # Ray's sockets lie below it, and their paths may have 107 bytes.
        self._short = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
        self._mark = self._short.name
        head = machines[0]
        self.address = f"{head.address}:{HEAD_PORT}"
        (binary, _) = server_argv(folder)
        valkey = (binary, "--port", str(VALKEY_PORT), "--bind", head.address, "--protected-mode", "no", "--save", "")
        self._started.append(head.run(valkey, {}, cwd=folder, stdout=subprocess.DEVNULL))
        self._head: subprocess.Popen[bytes] | None = None
        try:
            self.start_head()
            for machine, count in zip(machines[1:], cpus or [2] * (len(machines) - 1), strict=True):
                self.join(machine, count)
        except BaseException:
            self.stop()  # nobody else can: what is not waited for fails whichever test comes next
            raise

    def service(self, engine: dict[str, Any], **sections: Any) -> Service:
        """A service beside the head, not started yet; what its engines write lies in `nodes`."""
        return Service(
            self._folder,
            {"m": {"engines": [engine]}},
            prefix=self.machines[0].argv(),
            substrate={"kind": "ray", "address": self.address, "folder": str(self._folder / "nodes")},
            edge={"kind": "none"},
            admin={"port": 8100},
            **sections,
        )

    def start_head(self) -> None:
        arguments = ("--head", f"--port={HEAD_PORT}", "--include-dashboard=false", "--num-cpus=0")
        self._head = self._start(self.machines[0], arguments)

    def join(self, machine: Machine, cpus: int = 2, labels: str = "") -> None:
        named = (f"--labels={labels}",) if labels else ()
        self._start(machine, (f"--address={self.address}", f"--num-cpus={cpus}", *named))

    def kill_head(self) -> None:
        """SIGKILL to Ray's processes of the head; the machine and what else runs there stay."""
        assert self._head is not None
        self._head.kill()
        self._head.wait()
        assert end_marked(_MARK, self._mark)

    def stop(self) -> None:
        for each in self._started:
            if each.poll() is None:
                os.kill(each.pid, signal.SIGKILL)
            each.wait()

    def _start(self, machine: Machine, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        env = {
            _MARK: self._mark if "--head" in arguments else "",
            "RAY_REDIS_ADDRESS": f"{self.machines[0].address}:{VALKEY_PORT}",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "120",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",  # a token that somebody left in the home folder would shut others out
        }
        ray = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats")
        own = (f"--node-ip-address={machine.address}", f"--temp-dir={self._short}/{machine.name}")
        argv = [*ray, *own, "--object-store-memory=80000000", *arguments]
        for _attempt in range(_ATTEMPTS):
            if (started := self._try(machine, argv, env)) is not None:
                return started
        raise AssertionError(f"Ray has given up {_ATTEMPTS} times: {self._folder / machine.name}.log")

    def _try(self, machine: Machine, argv: Sequence[str], env: dict[str, str]) -> subprocess.Popen[bytes] | None:
        """None where Ray gave up: it waits 30 s for its own processes, which a crowded machine exceeds."""
        log = self._folder / f"{machine.name}.log"
        before = _starts(log)
        with log.open("ab") as writing:
            started = machine.run(argv, env, stdout=writing, stderr=writing)
        self._started.append(started)
        wait_for(f"Ray runs on {machine.name}", lambda: _starts(log) > before or started.poll() is not None, START_S)
        if started.poll() is None:
            return started
        assert _GAVE_UP in log.read_bytes(), log.read_text()
        return None


def _starts(log: Path) -> int:
    return log.read_bytes().count(b"Ray runtime started") if log.exists() else 0
