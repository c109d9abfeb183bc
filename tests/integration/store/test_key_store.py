"""What every store of keys does, on SQLite and on a real PostgreSQL alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgresql import PostgresServer

from forebay.config.schema.store import Postgres, Store
from forebay.core.errors import StateError, UsageError
from forebay.security import key_store
from forebay.security.key_store import KeyGrant, UnknownKey
from forebay.security.keys import verify
from forebay.security.revoked import revocations
from forebay.security.revoked import revoke as revoke_token
from forebay.security.stores import Keys, opened
from forebay.store.state_dir import StateDir

NOW = 1_800_000_000.0
PEPPER = "5a" * 32
Place = tuple[Store, StateDir, Path]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty store, to be opened as often as wanted: a connection is one thread's."""
    pepper = tmp_path / "pepper"
    pepper.write_text(PEPPER)
    pepper.chmod(0o600)
    store = Store()
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("server")
        store = Store(postgres=Postgres.model_validate(server.section(pepper)))
    return store, StateDir(tmp_path), tmp_path


@pytest.fixture
def keys(place: Place) -> Iterator[Keys]:
    with opened(*place) as found:
        yield found


@pytest.fixture
def other(place: Place) -> Iterator[Keys]:
    """The same store on a connection of its own."""
    with opened(*place) as found:
        yield found


def made(keys: Keys, **grant: object) -> tuple[key_store.KeyRow, str]:
    return key_store.create(keys.database, keys.pepper, KeyGrant(**grant), NOW)  # type: ignore[arg-type]


def test_a_key_made_on_one_connection_opens_what_another_reads(keys: Keys, other: Keys) -> None:
    row, text = made(
        keys, tenant="acme", scopes=("inference", "models:read"), name="店 ' \" %s ?", expires_at=NOW + 0.25,
        not_before=NOW - 1, networks=("10.0.0.0/8",),
    )  # fmt: skip
    (read,) = key_store.rows(other.database)
    assert read == row
    assert verify({read.id: read}, keys.pepper, text, NOW) is read


def test_no_row_holds_a_key_or_its_secret(keys: Keys) -> None:
    _row, text = made(keys)
    whole = str([tuple(values) for values in keys.database.execute("SELECT * FROM keys")])
    assert text not in whole
    assert text.split("_")[2] not in whole


def test_what_has_ended_or_is_held_back_is_listed_but_not_active(keys: Keys) -> None:
    kept, _text = made(keys, name="kept")
    pending, _text = made(keys, name="pending", not_before=NOW + 60)
    made(keys, name="expired", expires_at=NOW + 1)
    revoked, _text = made(keys, name="revoked")
    suspended, _text = made(keys, name="suspended")
    key_store.revoke(keys.database, revoked.id, NOW)
    key_store.suspend(keys.database, suspended.id, "probing")
    listed = {row.name: row.state(NOW + 1) for row in key_store.rows(keys.database)}
    assert listed == {name: name for name in ("expired", "pending", "revoked", "suspended")} | {"kept": "active"}
    assert {row.id for row in key_store.active(keys.database, NOW + 1)} == {kept.id, pending.id}


def test_revoking_twice_keeps_the_first_time(keys: Keys, other: Keys) -> None:
    row, _text = made(keys)
    assert key_store.revoke(keys.database, row.id, NOW + 1).revoked_at == NOW + 1
    assert key_store.revoke(other.database, row.id, NOW + 2).revoked_at == NOW + 1


def test_a_key_is_held_back_once_and_given_free(keys: Keys) -> None:
    row, _text = made(keys)
    assert key_store.suspend(keys.database, row.id, "odd hours")
    assert not key_store.suspend(keys.database, row.id, "again")
    assert key_store.find(keys.database, row.id).suspended == "odd hours"
    assert key_store.resume(keys.database, row.id).state(NOW) == "active"


def test_a_rotated_key_works_until_the_overlap_is_over_and_passes_on_what_it_may(keys: Keys) -> None:
    row, _text = made(keys, tenant="acme", scopes=("inference",), name="shop", expires_at=NOW + 900, networks=("::/0",))
    old, new, text = key_store.rotate(keys.database, keys.pepper, row.id, 60, NOW)
    assert old.expires_at == NOW + 60
    assert (new.tenant, new.scopes, new.name, new.expires_at, new.networks) == (
        row.tenant, row.scopes, row.name, row.expires_at, row.networks,
    )  # fmt: skip
    stored = {each.id: each for each in key_store.active(keys.database, NOW + 59)}
    assert stored.keys() == {old.id, new.id}
    assert verify(stored, keys.pepper, text, NOW) == new
    assert [each.id for each in key_store.active(keys.database, NOW + 61)] == [new.id]


@pytest.mark.parametrize("identity", ["", "nothing", "' OR '1'='1", "%s", "?", "a\0b", "x" * 10_000, "店"])
def test_a_key_that_does_not_exist_is_unknown_to_every_change(keys: Keys, identity: str) -> None:
    row, _text = made(keys)
    for change in (
        lambda: key_store.revoke(keys.database, identity, NOW),
        lambda: key_store.suspend(keys.database, identity, "why"),
        lambda: key_store.resume(keys.database, identity),
        lambda: key_store.rotate(keys.database, keys.pepper, identity, 60, NOW),
    ):
        with pytest.raises(UnknownKey):
            change()
    assert key_store.rows(keys.database) == [row]


def test_a_refused_grant_or_rotation_changes_nothing(keys: Keys) -> None:
    row, _text = made(keys)
    key_store.revoke(keys.database, row.id, NOW)
    before = key_store.rows(keys.database)
    with pytest.raises(UsageError):
        made(keys, tenant="A B")
    with pytest.raises(StateError, match="ended"):
        key_store.rotate(keys.database, keys.pepper, row.id, 60, NOW)
    assert key_store.rows(keys.database) == before


def test_what_a_transaction_began_is_gone_when_it_fails(keys: Keys, other: Keys) -> None:
    def fail() -> None:
        with keys.database.transaction():
            made(keys)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    made(keys)
    assert len(key_store.rows(other.database)) == 1


def test_no_new_key_is_made_of_one_that_was_revoked_before(keys: Keys, place: Place) -> None:
    """Revoked and rotated at once: the rotation came first, and the revocation kept its end; or it was refused."""
    rows = [made(keys)[0] for _ in range(20)]
    barrier, refused = threading.Barrier(2), set()

    def rotate() -> None:
        with opened(*place) as mine:
            for row in rows:
                barrier.wait()
                try:
                    key_store.rotate(mine.database, mine.pepper, row.id, 60, NOW)
                except StateError:
                    refused.add(row.id)

    thread = threading.Thread(target=rotate)
    thread.start()
    for row in rows:
        barrier.wait()
        key_store.revoke(keys.database, row.id, NOW)
    thread.join()
    stored = {row.id: row for row in key_store.rows(keys.database)}
    assert len(stored) == 2 * len(rows) - len(refused)
    for row in rows:
        assert stored[row.id].revoked_at == NOW
        assert stored[row.id].expires_at == (None if row.id in refused else NOW + 60)


def test_two_writers_at_once_lose_nothing(keys: Keys, place: Place) -> None:
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            with opened(*place) as mine:
                for number in range(15):
                    row, _text = made(mine, name=f"{name}-{number}")
                    key_store.rotate(mine.database, mine.pepper, row.id, 60, NOW)
        except BaseException as error:  # noqa: BLE001  told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = key_store.rows(keys.database)
    assert len(found) == len({row.id for row in found}) == 60


def test_a_revoked_token_is_remembered_until_none_can_live(keys: Keys, other: Keys) -> None:
    for _ in range(2):
        revoke_token(keys.database, keys.pepper, "corp", ("jti", "1"), NOW, 60)
    assert list(revocations(other.database, NOW + 59).values()) == [NOW]
    assert revocations(keys.database, NOW + 61) == {}


def test_a_name_can_be_forgotten(keys: Keys) -> None:
    row, _text = made(keys, name="Ada")
    key_store.forget_name(keys.database, row.id)
    assert key_store.find(keys.database, row.id).name == ""


def test_keys_of_another_store_are_taken_over_once_and_as_they_are(keys: Keys, other: Keys, tmp_path: Path) -> None:
    with opened(Store(), StateDir(tmp_path / "own"), tmp_path) as own:
        made(own, name="kept")
        revoked, _text = made(own, name="revoked")
        key_store.revoke(own.database, revoked.id, NOW)
        found = key_store.rows(own.database)
    assert key_store.adopt(keys.database, found) == 2
    (kept,) = (row for row in found if row.name == "kept")
    key_store.suspend(keys.database, kept.id, "since then")
    assert key_store.adopt(keys.database, found) == 0
    stored = {row.name: row.state(NOW) for row in key_store.rows(other.database)}
    assert stored == {"kept": "suspended", "revoked": "revoked"}
