"""A connection to PostgreSQL: bounded in time, migrated, and with errors that say what, where and what to do."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from forebay.core.errors import StateError
from forebay.messages import N_, _
from forebay.store.database import Rows
from forebay.store.postgres_schema import MIGRATIONS, VERSION, channel

if TYPE_CHECKING:
    import psycopg

_LEAST_CONNECT_S = 2  # libpq's own bound
_FIXES = (
    ("password authentication failed", N_("Check store.postgres.user and store.postgres.password")),
    ("certificate", N_("Check store.postgres.ca, and that the certificate is for store.postgres.host")),
    ("does not exist", N_("Create it there: see the guide to several machines")),
    ("pg_hba.conf", N_("Let the user in from this machine: pg_hba.conf of the server")),
    ("authentication method requirement", N_("Without TLS only SCRAM is spoken: set store.postgres.tls to true")),
)


class StoreLost(StateError):
    """PostgreSQL cannot be reached, or answered no more. `sent`: what was asked may have been done."""

    def __init__(self, what: str, *, where: str, fix: str = "", sent: bool = False) -> None:
        super().__init__(what, where=where, fix=fix, code="store_lost")
        self.sent = sent


class StoreRefused(StateError):
    """PostgreSQL answers, but not what it should: a right, a table or a version is missing. Nothing was changed."""

    sent = False

    def __init__(self, what: str, *, where: str, fix: str = "") -> None:
        super().__init__(what, where=where, fix=fix, code="store_refused")


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is and how it is asked. `ca` is a PEM file; None: the authorities that this machine trusts."""

    host: str
    port: int
    database: str
    user: str
    tables: str
    tls: bool
    ca: Path | None
    reply_s: float

    def __str__(self) -> str:
        return f"postgres://{self.user}@{self.host}:{self.port}/{self.database}"


def connect(server: Server, password: str | None) -> Postgres:
    """A connection whose tables are those of this forebay. Raises StoreLost, StoreRefused."""
    try:
        import psycopg  # noqa: PLC0415  an extra, and slow to import
    except ModuleNotFoundError:
        why, fix = _("the driver of PostgreSQL is not installed"), _("Install forebay with its extra `postgres`")
        raise StoreRefused(why, where=str(server), fix=fix) from None
    try:
        made = psycopg.connect("", autocommit=True, prepare_threshold=None, **_arguments(server, password))
    except psycopg.Error as error:
        raise _not_reached(server, str(error)) from None
    database = Postgres(made, server)
    try:
        database.prepare()
    except BaseException:
        database.close()
        raise
    return database


class Postgres:
    """One connection, for one thread. What takes longer than `reply_s` ends it."""

    def __init__(self, connection: psycopg.Connection[Any], server: Server) -> None:
        self._connection = connection
        self._server = server
        self._open = threading.Lock()
        self._silent = False

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Rows:
        """One statement. Raises StoreLost, StoreRefused."""
        with self._asking():
            return self._connection.execute(statement.replace("?", "%s").encode(), tuple(values) or None)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside commit together or not at all; other writers wait."""
        self.execute("BEGIN")
        try:
            self.execute("SELECT revision FROM changes FOR UPDATE")
            yield
        except BaseException:
            with suppress(StateError):
                self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def listen(self) -> None:
        """Have changes told from now on."""
        self.execute(f'LISTEN "{channel(self._server.tables)}"')

    def wait_for_change(self, within_s: float) -> bool:
        """Wait until something has changed; False where nobody said so. StoreLost where the connection has ended."""
        with self._asking(within_s + self._server.reply_s):
            return any(True for _ in self._connection.notifies(timeout=within_s, stop_after=1))

    def abort(self) -> None:
        """End what another thread asks now: it hears StoreLost."""
        with self._open:
            if self._connection.closed:
                return
            with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as held:
                held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._open:  # a number that is closed may be another file's at once
            self._connection.close()

    def prepare(self) -> None:
        """Bounds, our schema, and its tables as this forebay knows them."""
        # The server's bounds are below ours, so that it is the one to answer; and whoever stops inside a transaction is
        # ended before those who wait for it give up.
        reply_ms = self._server.reply_s * 1000
        self.execute(f"SET statement_timeout = {reply_ms * 0.8:.0f}")
        self.execute(f"SET idle_in_transaction_session_timeout = {reply_ms * 0.4:.0f}")
        self.execute(f'SET search_path = "{self._server.tables}"')
        if self._version() != VERSION:
            self._migrate()

    def _version(self) -> int:
        found = self.execute("SELECT to_regclass('versions') IS NOT NULL").fetchone()
        return int(self.execute("SELECT version FROM versions").fetchone()[0]) if found[0] else 0

    def _migrate(self) -> None:
        tables = self._server.tables
        # Before the transaction: one that began earlier does not see the schema that another machine has just made.
        # Where this fails the connection is closed, and the lock with it.
        lock = (f"forebay {tables}",)
        self.execute("SELECT pg_advisory_lock(hashtext(?))", lock)
        self.execute("BEGIN")
        try:
            found = self._version()
            if found > VERSION:
                what = _("the tables have version {found}, this forebay knows {known}").format(
                    found=found, known=VERSION
                )
                raise StoreRefused(
                    what, where=str(self._server), fix=_("Use the forebay that made them, or a newer one")
                )
            if not found:
                self.execute(f'CREATE SCHEMA IF NOT EXISTS "{tables}"')
                self.execute("CREATE TABLE versions (version integer NOT NULL)")
                self.execute("INSERT INTO versions VALUES (0)")
            for statements in MIGRATIONS[found:]:
                for statement in statements:
                    self.execute(statement)
            self.execute("UPDATE versions SET version = ?", (VERSION,))
            self.execute("COMMIT")
        except BaseException:
            with suppress(StateError):
                self.execute("ROLLBACK")
            raise
        self.execute("SELECT pg_advisory_unlock(hashtext(?))", lock)

    @contextmanager
    def _asking(self, within_s: float = 0.0) -> Iterator[None]:
        """A server that hangs answers nothing and refuses nothing: only we can end it."""
        import psycopg  # noqa: PLC0415  there is a connection, so it is there

        bound_s = within_s or self._server.reply_s
        silent = threading.Timer(bound_s, self._give_up)
        silent.daemon = True
        silent.start()
        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if error.sqlstate and not error.sqlstate.startswith(("08", "57")):
                raise self._refused(error) from None
            self.close()
            said = _("no answer within {s:g} s").format(s=bound_s) if self._silent else _first_line(str(error))
            why = _("PostgreSQL was lost while it was asked; what was asked may have been done: {why}").format(why=said)
            fix = _("Look, and run the command again once it is back")
            raise StoreLost(why, where=str(self._server), fix=fix, sent=True) from None
        except psycopg.Error as error:
            raise self._refused(error) from None
        finally:
            silent.cancel()

    def _give_up(self) -> None:
        self._silent = True
        self.abort()

    def _refused(self, error: psycopg.Error) -> StoreRefused:
        why = _("PostgreSQL refuses it: {why}").format(why=_first_line(str(error)))
        return StoreRefused(why, where=str(self._server), fix=_("Check the rights of the user on the schema"))


def _arguments(server: Server, password: str | None) -> dict[str, Any]:
    """Everything is said: nothing is to come from variables or files that libpq reads on its own."""
    secure = {"sslmode": "verify-full", "sslrootcert": "system" if server.ca is None else str(server.ca)}
    plain = {"sslmode": "disable"} | ({} if password is None else {"require_auth": "scram-sha-256"})
    return {
        "host": server.host,
        "port": str(server.port),
        "dbname": server.database,
        "user": server.user,
        "password": password or "",
        "passfile": os.devnull,
        "gssencmode": "disable",
        "application_name": "forebay",
        "client_encoding": "utf8",
        "target_session_attrs": "read-write",
        "connect_timeout": max(_LEAST_CONNECT_S, ceil(server.reply_s)),
        **(secure if server.tls else plain),
    }


def _not_reached(server: Server, why: str) -> StoreLost:
    fix = next((_(fix) for words, fix in _FIXES if words in why), _("See whether PostgreSQL runs and can be reached"))
    return StoreLost(
        _("PostgreSQL cannot be reached, and nothing was changed: {why}").format(why=_first_line(why)),
        where=str(server),
        fix=fix,
    )


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
