"""A real Valkey under test: started on a free port, killed and started again at will."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from types import TracebackType

from forebay.store.valkey import Answer, command, parse
from forebay.store.valkey_server import password, server_argv, write_configuration
from forebay.testing.worker import free_port, wait_for


class ValkeyServer:
    """The bundled server; `kill` is SIGKILL, and what it had acknowledged is there again after `start`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def password(self) -> str:
        return password(self.folder)

    def __enter__(self) -> ValkeyServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        configuration = write_configuration(self.folder, self.port)
        self.process = subprocess.Popen(server_argv(configuration), stdout=subprocess.DEVNULL)
        wait_for("Valkey answers", self._answers)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def ask(self, *parts: str | bytes) -> Answer:
        """One command on a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(command([b"AUTH", self.password.encode()]))
            connection.sendall(command([part.encode() if isinstance(part, str) else part for part in parts]))
            held = b""
            while (first := parse(held, 0)) is None or (second := parse(held, first[1])) is None:
                received = connection.recv(65536)
                if not received:
                    raise ConnectionError("Valkey closed the connection")
                held += received
            return second[0]

    def _answers(self) -> bool:
        try:
            return self.ask("PING") == b"PONG"
        except OSError:
            return False
