"""Claims about API keys at rest."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.core.errors import StateError, UsageError
from forebay.security import key_store
from forebay.security.key_store import KeyGrant
from forebay.security.keys import verify
from forebay.store.sqlite import connect

NOW = 1_800_000_000.0
PEPPER = "5a" * 32


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(tmp_path / "state.db")
    yield connection
    connection.close()


def test_a_created_key_opens_the_row_that_is_read_back(database: sqlite3.Connection) -> None:
    grant = KeyGrant(tenant="acme", scopes=("models:read", "chat"), name="the shop", expires_at=NOW + 60)
    row, key = key_store.create(database, PEPPER, grant, NOW)
    assert key_store.rows(database) == [row]
    assert (row.tenant, row.scopes, row.name, row.expires_at) == ("acme", ("models:read", "chat"), "the shop", NOW + 60)
    assert verify({row.id: row}, PEPPER, key, NOW) is row


def test_nothing_on_disk_holds_the_key_or_its_secret(database: sqlite3.Connection, tmp_path: Path) -> None:
    _row, key = key_store.create(database, PEPPER, KeyGrant(), NOW)
    secret = key.split("_")[2]
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert key.encode() not in content
        assert secret.encode() not in content


def test_revoked_and_expired_keys_stay_listed_but_are_not_active(database: sqlite3.Connection) -> None:
    kept, _key = key_store.create(database, PEPPER, KeyGrant(name="kept"), NOW)
    revoked, _key = key_store.create(database, PEPPER, KeyGrant(name="revoked"), NOW)
    key_store.create(database, PEPPER, KeyGrant(name="expired", expires_at=NOW + 1), NOW)
    key_store.revoke(database, revoked.id, NOW + 1)
    assert {row.name for row in key_store.rows(database)} == {"expired", "kept", "revoked"}
    assert key_store.active(database, NOW + 1) == [kept]


def test_revoking_twice_keeps_the_first_time(database: sqlite3.Connection) -> None:
    row, _key = key_store.create(database, PEPPER, KeyGrant(), NOW)
    assert key_store.revoke(database, row.id, NOW + 1).revoked_at == NOW + 1
    assert key_store.revoke(database, row.id, NOW + 2).revoked_at == NOW + 1


@pytest.mark.parametrize("identity", ["", "nothing", "' OR '1'='1", "%", "x" * 10_000])
def test_revoking_an_unknown_key_says_so_and_changes_nothing(database: sqlite3.Connection, identity: str) -> None:
    row, _key = key_store.create(database, PEPPER, KeyGrant(), NOW)
    with pytest.raises(StateError, match="no key with the id"):
        key_store.revoke(database, identity, NOW)
    assert key_store.rows(database) == [row]


@pytest.mark.parametrize(
    "grant",
    [
        KeyGrant(tenant=""),
        KeyGrant(tenant="Acme"),
        KeyGrant(tenant="a/b"),
        KeyGrant(tenant="a" * 65),
        KeyGrant(scopes=("*",)),
        KeyGrant(scopes=("models:read chat",)),
        KeyGrant(scopes=("",)),
        KeyGrant(name="line\nbreak"),
        KeyGrant(name="n" * 121),
        KeyGrant(expires_at=NOW),
        KeyGrant(expires_at=NOW + 1e13),
        KeyGrant(not_before=NOW + 1e13),
        KeyGrant(not_before=-1e13),
    ],
)
def test_a_malformed_grant_is_refused_and_stores_nothing(database: sqlite3.Connection, grant: KeyGrant) -> None:
    with pytest.raises(UsageError):
        key_store.create(database, PEPPER, grant, NOW)
    assert key_store.rows(database) == []


def test_the_pepper_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "pepper"
    pepper = key_store.load_pepper(path)
    assert len(pepper) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert key_store.load_pepper(path) == pepper
    assert [file.name for file in path.parent.iterdir()] == ["pepper"]


def test_processes_that_start_together_agree_on_the_pepper(tmp_path: Path) -> None:
    path, found = tmp_path / "pepper", set[str]()
    barrier = threading.Barrier(8)

    def load() -> None:
        barrier.wait()
        found.add(key_store.load_pepper(path))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1


@pytest.mark.parametrize("content", ["", "short", "g" * 64, "ab" * 33])
def test_a_damaged_pepper_is_refused_not_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pepper"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(StateError, match="damaged"):
        key_store.load_pepper(path)
    assert path.read_text() == content


def test_a_pepper_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    key_store.load_pepper(path)
    path.chmod(0o644)
    with pytest.raises(StateError, match="others may read") as refusal:
        key_store.load_pepper(path)
    assert "chmod 600" in refusal.value.fix


def test_only_an_active_key_is_rotated_and_the_reason_is_told(database: sqlite3.Connection) -> None:
    held, _key = key_store.create(database, PEPPER, KeyGrant(name="held"), NOW)
    key_store.suspend(database, held.id, "30 calls without a good key within a minute")
    later, _key = key_store.create(database, PEPPER, KeyGrant(name="later", not_before=NOW + 60), NOW)
    gone, _key = key_store.create(database, PEPPER, KeyGrant(name="gone"), NOW)
    key_store.revoke(database, gone.id, NOW)
    states = [key_store.find(database, each.id).state(NOW) for each in (held, later, gone)]
    assert states == ["suspended", "pending", "revoked"]
    for row, reason in ((held, "suspended: 30 calls"), (later, "not in force yet"), (gone, "has ended already")):
        with pytest.raises(StateError, match=reason):
            key_store.rotate(database, PEPPER, row.id, 60.0, NOW)
    assert len(key_store.rows(database)) == 3
