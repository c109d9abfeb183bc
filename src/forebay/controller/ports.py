"""Ports of this machine for engines: free ones, and those that an engine had before."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping

from forebay.controller.keeper import Keeper
from forebay.core.errors import RunError

# Below the ports that the kernel gives to outgoing connections, so that none of those takes an engine's port.
_ENGINE_PORTS = range(18100, 32000)


def take_port(keepers: Mapping[str, Keeper], name: str, wanted: int) -> int:
    """The port that the configuration names; else the one that is `wanted`, where nobody has it; else any."""
    keeper = keepers[name]
    if keeper.desired.port:
        return keeper.desired.port
    taken = {other.port for other in keepers.values() if other is not keeper}
    if wanted and wanted not in taken and can_bind("127.0.0.1", wanted):
        return wanted
    return free_port(taken)


def free_port(taken: set[int], host: str = "127.0.0.1") -> int:
    """A port that nobody listens on and nobody here has been promised; RunError where there is none."""
    for port in random.sample(_ENGINE_PORTS, 200):
        if port not in taken and can_bind(host, port):
            return port
    raise RunError("no free port for an engine", fix="Stop what fills the ports 18100 to 32000")


def can_bind(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError:
            return False
    return True
