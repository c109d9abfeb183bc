"""A real PostgreSQL under test: the machine's own or Debian's, on a free port, with TLS; killed and started at will."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from forebay.testing.worker import free_port, wait_for
from tests import programs
from tests.certificates import Authority

_LOG_TAIL_BYTES = 4000
_SECRET_BYTES = 12


def missing() -> str:
    """Why there is none; empty where there is."""
    if programs.found("postgres") is None or programs.found("initdb") is None:
        return "PostgreSQL is not there, and cannot be unpacked"
    if os.geteuid() == 0 and subprocess.run([*_as_nobody(), "true"], capture_output=True, check=False).returncode:
        return "PostgreSQL does not run as root, and this root may not be another user"
    return ""


class PostgresServer:
    """`kill` is SIGKILL; what it had committed is there again after `start`. `freeze` keeps it silent until `thaw`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.password = secrets.token_hex(_SECRET_BYTES)
        self.process: subprocess.Popen[bytes] | None = None
        self._authority = Authority(folder / "tls")
        self._data = folder / "data"
        self._made = 0

    @property
    def ca(self) -> Path:
        return self._authority.ca

    def __enter__(self) -> PostgresServer:
        issued = self._authority.issue("server")
        words = self.folder / "password"
        words.write_text(self.password)
        argv = [str(programs.found("initdb")), "-D", str(self._data), "-U", "postgres", "--auth=scram-sha-256"]
        argv += [f"--pwfile={words}", "--no-sync", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        subprocess.run([*_as_nobody(), *argv], check=True, capture_output=True, timeout=120, env=_environment())
        said = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",  # a killed server has what the kernel has: only a power cut would tell the difference
            "max_connections": "30",
            "ssl": "on",
            "ssl_cert_file": str(issued.chain),
            "ssl_key_file": str(issued.key_file),
        }
        lines = [f"{name} = '{value}'" for name, value in said.items()]
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        """Returns once it answers."""
        wait_for("PostgreSQL answers", self._answers, deadline_s=120)

    def kill(self) -> None:
        """The server and all that works for it end at once."""
        if self.process is not None and self.process.poll() is None:
            self._signal(signal.SIGKILL)
            self.process.wait(30)

    def freeze(self) -> None:
        """The server hangs: connections stay, answers do not come."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def space(self) -> str:
        """A schema with no tables yet, in the database `forebay` that the user `forebay` owns."""
        self._made += 1
        if self._made == 1:
            with self.admin() as connection:
                connection.execute(f"CREATE ROLE forebay LOGIN PASSWORD '{self.password}'".encode())
                connection.execute("CREATE DATABASE forebay OWNER forebay")
        return f"space{self._made}"

    def admin(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of the superuser."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user="postgres", password=self.password,
            autocommit=True, connect_timeout=10,
        )  # fmt: skip

    def section(self, pepper: Path, **more: Any) -> dict[str, Any]:
        """`store.postgres` for a configuration, with tables of its own. Patient: a machine may be busy."""
        found = {"host": "localhost", "port": self.port, "ca": str(self.ca), "reply": "30s", "tables": self.space()}
        return {**found, "password": f"file:{self.folder / 'password'}", "pepper": f"file:{pepper}", **more}

    def _signal(self, number: int) -> None:
        """Every process of it: the children answer, not the first one."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in [self.process.pid, *map(int, children)]:
            with suppress(ProcessLookupError):  # one that has ended since, as all do without the first one
                os.kill(pid, number)

    def _answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            # One that was killed leaves children for a moment, and the next one does not start beside them.
            argv = [str(programs.found("postgres")), "-D", str(self._data)]
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    [*_as_nobody(), *argv], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=_environment()
                )
        try:
            self.admin().close()
        except psycopg.OperationalError:
            return False
        return True


def _as_nobody() -> list[str]:
    """PostgreSQL refuses root: in a namespace of its own, root's files are another user's, and so is the process."""
    if os.geteuid():
        return []
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534"]


def _environment() -> dict[str, str]:
    """What was unpacked finds its libraries beside it."""
    found = programs.found("postgres")
    unpacked = found is not None and Path(found).is_relative_to(programs.root())
    return programs.environment() if unpacked else {"PATH": os.environ.get("PATH", "")}
