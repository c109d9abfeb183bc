"""A machine whose one way out leads nowhere: whatever a program sends there is written down, and never answered.

`python tests/sealed_machine.py` is the one who writes down; it runs in the machine and prints a JSON line a packet.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
import subprocess
import sys
from pathlib import Path
from types import TracebackType

_OUT = "out"
_DNS = "203.0.113.53"
_SETUP = (
    "ip link set lo up",
    f"ip link add {_OUT} arp off type veth peer name nowhere",
    "ip link set nowhere up",
    f"ip addr add 198.18.0.2/24 dev {_OUT}",
    f"ip -6 addr add 2001:db8::2/64 dev {_OUT} nodad",
    f"ip link set {_OUT} up",
    f"ip route add default dev {_OUT}",
    f"ip -6 route add default dev {_OUT}",
)
_TCP, _UDP, _DNS_PORT = 6, 17, 53


class SealedMachine:
    """A network and a mount namespace of its own, gone with this process' children."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = folder / "sent.jsonl"

    def __enter__(self) -> SealedMachine:
        names = self._folder / "resolv.conf"
        names.write_text(f"nameserver {_DNS}\n")
        setup = " && ".join((*_SETUP, f"mount --bind {names} $(readlink -f /etc/resolv.conf)", "echo ready"))
        spaces = ["unshare", "--net", "--mount", "--propagation", "private"]
        self._inside = subprocess.Popen(
            [*spaces, "sh", "-c", f"{setup} && exec sleep infinity"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self._writer: subprocess.Popen[bytes] | None = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        assert self._inside.stdout is not None
        assert self._inside.stdout.readline() == b"ready\n"
        with self._seen.open("wb") as file:
            self._writer = subprocess.Popen(
                [*self.prefix, sys.executable, __file__], stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE
            )
        assert self._writer.stderr is not None
        assert self._writer.stderr.readline() == b"listening\n"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        for process in filter(None, (self._writer, self._inside)):
            process.kill()
            process.wait(30)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    @property
    def prefix(self) -> list[str]:
        """What stands before a command that is to run in this machine."""
        return ["nsenter", "-t", str(self._inside.pid), "-n", "-m"]

    def run(self, *argv: str) -> str:
        """What a program says that runs in this machine; CalledProcessError where it fails."""
        return subprocess.run([*self.prefix, *argv], check=True, capture_output=True, text=True, timeout=120).stdout

    def sent(self) -> set[tuple[str, str, int, str]]:
        """Everything that was sent out so far: protocol, address, port, and the name that was asked for."""
        assert self._writer is not None
        assert self._writer.poll() is None, "who writes down is gone"
        lines = self._seen.read_text().splitlines()
        return {tuple(json.loads(line)) for line in lines}


def _told(packet: bytes) -> tuple[str, str, int, str] | None:
    """What of a packet is told; None of what is no TCP or UDP, as the kernel's own words to its neighbours."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        protocol, address, start = packet[9], ipaddress.ip_address(packet[16:20]), (packet[0] & 15) * 4
    elif version == 6 and len(packet) >= 40:
        protocol, address, start = packet[6], ipaddress.ip_address(packet[24:40]), 40
    else:
        return None
    if protocol not in (_TCP, _UDP) or len(packet) < start + 8:
        return None
    (port,) = struct.unpack("!H", packet[start + 2 : start + 4])
    name = _question(packet[start + 8 :]) if protocol == _UDP and port == _DNS_PORT else ""
    return ("tcp" if protocol == _TCP else "udp", str(address), port, name)


def _question(message: bytes) -> str:
    labels, place = [], 12
    while place < len(message) and (length := message[place]):
        labels.append(message[place + 1 : place + 1 + length].decode(errors="replace"))
        place += 1 + length
    return ".".join(labels)


def _main() -> None:
    every = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
    every.bind((_OUT, 0))
    sys.stderr.write("listening\n")
    sys.stderr.flush()
    while True:
        told = _told(every.recv(65535))
        if told is not None:
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _main()
