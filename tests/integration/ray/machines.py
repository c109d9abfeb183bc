"""Machines on one machine: each a network and a process namespace of its own, on a bridge that leads nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.integration.ray import enter

from forebay.testing.worker import wait_for

_BRIDGE = "br0"


class Machine:
    """One machine: killed, everything in it is gone."""

    def __init__(self, name: str, address: str, switch: str, link: str) -> None:
        self.name, self.address = name, address
        _ip("netns", "add", name)
        if name == switch:
            _ip("-n", name, "link", "add", _BRIDGE, "type", "bridge")
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", _BRIDGE)
            _ip("-n", name, "link", "set", _BRIDGE, "up")
        else:
            _ip("-n", switch, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("-n", switch, "link", "set", link, "master", _BRIDGE, "up")
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        # It ends with us, however we end: what a killed run leaves would take the next one's cores and memory.
        spaces = ("setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", name)
        spaces += ("unshare", "--pid", "--mount-proc", "--fork", "--kill-child")
        self._outside = subprocess.Popen([*spaces, "sleep", "infinity"], stdin=subprocess.DEVNULL)
        self._init = 0
        wait_for("the machine is there", self._find_init)

    def _find_init(self) -> bool:
        children = f"/proc/{self._outside.pid}/task/{self._outside.pid}/children"
        found = Path(children).read_text().split()
        if found and Path(f"/proc/{found[0]}/exe").readlink().name == "sleep":
            self._init = int(found[0])
        return bool(self._init)

    def argv(self, *argv: str) -> list[str]:
        """A command line that runs `argv` in this machine."""
        return ["nsenter", "-t", str(self._init), "-n", "-p", "-m", *argv]

    def entered(self) -> list[str]:
        """As `argv` begins, for a program that is sent signals: nsenter passes none on."""
        return [sys.executable, "-S", enter.__file__, str(self._init)]

    def run(self, argv: Sequence[str], env: Mapping[str, str], **how: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.argv(*argv), env={**os.environ, **env}, stdin=subprocess.DEVNULL, **how)

    def output(self, *argv: str) -> str:
        """What a command in this machine prints."""
        return subprocess.run(self.argv(*argv), capture_output=True, text=True, check=True, timeout=60).stdout

    def kill(self) -> None:
        """Pull the plug."""
        if self._init:
            os.kill(self._init, signal.SIGKILL)
            self._init = 0
        self._outside.kill()
        self._outside.wait()

    def remove(self) -> None:
        self.kill()
        _ip("netns", "del", self.name)


class Machines:
    """The first holds the bridge; the others hang on it. Addresses are 10.77.0.1 and up.

    Their names hold our pid: no other run's are in the way. Names of runs that were killed are taken away.
    """

    def __init__(self, prefix: str, count: int) -> None:
        self._prefix = prefix
        self._names = [f"{prefix}{os.getpid()}-{number}" for number in range(1, count + 1)]
        self._made: list[Machine] = []

    def __enter__(self) -> list[Machine]:
        switch = self._names[0]
        self._forget_the_dead()
        try:
            for number, name in enumerate(self._names, 1):
                self._made.append(Machine(name, f"10.77.0.{number}", switch, f"v{number}"))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self._made

    def _forget_the_dead(self) -> None:
        for path in Path("/run/netns").glob(f"{self._prefix}*-*"):
            pid = path.name.removeprefix(self._prefix).partition("-")[0]
            if pid.isdigit() and (int(pid) == os.getpid() or not Path("/proc", pid).exists()):
                # Another run may be at the same.
                subprocess.run(["ip", "netns", "del", path.name], capture_output=True, check=False)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for machine in reversed(self._made):
            machine.remove()


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
