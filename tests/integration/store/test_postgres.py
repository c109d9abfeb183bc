"""A connection to a real PostgreSQL: bounded, migrated once, and lost in so many words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.postgresql import PostgresServer

from forebay.config.schema.store import Postgres as Written
from forebay.core.errors import StateError
from forebay.security.shared_store import open_shared
from forebay.store.postgres import Postgres, Server, StoreLost, StoreRefused, connect
from forebay.store.postgres_schema import VERSION
from forebay.testing.worker import wait_for

BUSY_S = 30.0  # for a machine that is busy
HANGS_S = 2.0


@pytest.fixture
def place(server: PostgresServer) -> Server:
    return Server(
        host="localhost", port=server.port, database="forebay", user="forebay", tables=server.space(),
        tls=True, ca=server.ca, reply_s=BUSY_S,
    )  # fmt: skip


@pytest.fixture
def database(server: PostgresServer, place: Server) -> Iterator[Postgres]:
    made = connect(place, server.password)
    yield made
    made.close()


def test_machines_that_start_together_make_the_tables_once(server: PostgresServer, place: Server) -> None:
    failures: list[BaseException] = []
    barrier = threading.Barrier(5)

    def start() -> None:
        try:
            barrier.wait()
            connect(place, server.password).close()
        except BaseException as error:  # noqa: BLE001  told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_tables_of_a_newer_forebay_are_left_alone(server: PostgresServer, place: Server, database: Postgres) -> None:
    database.execute("UPDATE versions SET version = ?", (VERSION + 1,))
    with pytest.raises(StoreRefused, match="newer one"):
        connect(place, server.password)
    assert database.execute("SELECT version FROM versions").fetchone() == (VERSION + 1,)


def test_services_in_schemas_of_their_own_share_no_keys(server: PostgresServer, place: Server) -> None:
    other = connect(msgspec.structs.replace(place, tables="other"), server.password)
    mine = connect(place, server.password)
    other.execute("INSERT INTO facts VALUES ('a', 'b')")
    assert mine.execute("SELECT count(*) FROM facts").fetchone() == (0,)
    mine.close()
    other.close()


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        ({"ca": None}, "store.postgres.ca"),
        ({"database": "nobody"}, "Create it there"),
        ({"user": "nobody"}, "store.postgres.password"),
        ({"port": 1}, "can be reached"),
    ],
)
def test_what_keeps_us_from_the_server_is_said_with_what_to_do(
    server: PostgresServer, place: Server, change: dict[str, object], fix: str
) -> None:
    with pytest.raises(StoreLost) as lost:
        connect(msgspec.structs.replace(place, **change), server.password)
    assert fix in lost.value.fix
    assert not lost.value.sent
    assert server.password not in str(lost.value)


def test_a_password_is_not_sent_in_the_clear(server: PostgresServer, place: Server) -> None:
    with server.admin() as admin:
        admin.execute("SET password_encryption = 'md5'")
        admin.execute("DROP ROLE IF EXISTS old")
        admin.execute(f"CREATE ROLE old LOGIN PASSWORD '{server.password}'".encode())
    without = msgspec.structs.replace(place, tls=False)
    connect(without, server.password).close()
    with pytest.raises(StoreLost):
        connect(msgspec.structs.replace(without, user="old"), server.password)


def test_a_server_that_hangs_is_lost_after_a_while(server: PostgresServer, place: Server) -> None:
    impatient = msgspec.structs.replace(place, reply_s=HANGS_S)
    database = connect(place, server.password)  # the tables are there
    database.close()
    database = _patiently(impatient, server.password)
    server.freeze()
    try:
        with pytest.raises(StoreLost, match="no answer within 2 s") as lost:
            database.execute("SELECT 1")
        assert lost.value.sent
        with pytest.raises(StoreLost):
            connect(impatient, server.password)
    finally:
        server.thaw()
    with pytest.raises(StoreLost):
        database.execute("SELECT 1")
    connect(place, server.password).close()


def test_a_change_is_told_to_who_waits_and_to_nobody_else(
    server: PostgresServer, place: Server, database: Postgres
) -> None:
    database.listen()
    assert not database.wait_for_change(0.2)
    other = connect(place, server.password)
    other.execute("DELETE FROM keys")
    assert database.wait_for_change(30)
    other.execute("INSERT INTO facts VALUES ('a', 'b')")
    other.close()
    assert not database.wait_for_change(0.2)


def test_who_stops_inside_a_transaction_holds_nobody_up(
    server: PostgresServer, place: Server, database: Postgres
) -> None:
    stopped = _patiently(msgspec.structs.replace(place, reply_s=HANGS_S), server.password)
    stopped.execute("BEGIN")
    stopped.execute("SELECT revision FROM changes FOR UPDATE")
    database.execute("DELETE FROM keys")
    stopped.close()


def test_a_machine_with_another_pepper_is_told_so(server: PostgresServer, tmp_path: Path) -> None:
    section = server.section(tmp_path / "pepper")
    (tmp_path / "pepper").write_text("5a" * 32)
    open_shared(Written.model_validate(section), tmp_path).close()
    (tmp_path / "pepper").write_text("5b" * 32)
    with pytest.raises(StateError, match="another") as refused:
        open_shared(Written.model_validate(section), tmp_path)
    assert refused.value.code == "pepper_differs"


def _patiently(place: Server, password: str) -> Postgres:
    """A connection with a short bound, made however busy the machine is."""
    made: list[Postgres] = []

    def try_it() -> bool:
        try:
            made.append(connect(place, password))
        except StoreLost:
            return False
        return True

    wait_for("there is a connection", try_it)
    return made[0]
