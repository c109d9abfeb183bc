"""The Valkey that comes with forebay: what it has acknowledged is there again when it was killed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from forebay.store.valkey import command
from forebay.testing.valkey import ValkeyServer

WRITES = 200


@pytest.mark.parametrize("_time", range(3))
def test_a_killed_server_has_forgotten_nothing(tmp_path: Path, _time: int) -> None:
    """Killed behind its first writes: their flush would be under way, and hold back what follows."""
    with ValkeyServer(tmp_path) as valkey:
        assert valkey.ask("CONFIG", "GET", "appendfsync") == [b"appendfsync", b"no"]
        with socket.create_connection(("127.0.0.1", valkey.port), timeout=60) as connection:
            connection.sendall(command([b"AUTH", valkey.password.encode()]))
            assert connection.recv(100) == b"+OK\r\n"
            for number in range(WRITES):
                connection.sendall(command([b"SET", b"last", b"%d" % number]))
                assert connection.recv(100) == b"+OK\r\n"
            valkey.kill()
        valkey.start()
        assert valkey.ask("GET", "last") == b"%d" % (WRITES - 1)
