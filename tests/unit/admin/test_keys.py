"""Keys over the admin API: another tenant's do not exist, nobody gives more than they may, no text is shown twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.unit.admin.asking import Desk

from forebay.audit.database import read_only
from forebay.audit.recorder import LOG, open_recorder
from forebay.audit.store import leaves_of
from forebay.release.rollout.state import Rollout
from forebay.release.running import Change, Running, Side, write_running
from forebay.security.key_store import suspend
from forebay.security.keys import parse

SECURITY, TENANT = "security", "acme"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def one(desk: Desk, name: str) -> str:
    return f"/v1/keys/{desk.rows[name].id}"


def test_a_key_is_made_shown_once_and_is_nowhere_afterwards(desk: Desk) -> None:
    made = desk.ask(SECURITY, "POST", "/v1/keys", {"scopes": ["inference"], "tenant": "acme", "expires_s": 3600})
    text = made.body["key"]
    parts = parse(text)
    assert made.status == 201
    assert parts is not None
    assert made.body["in_force"] is True
    shown = desk.ask(SECURITY, "GET", f"/v1/keys/{parts[0]}")
    listed = desk.ask(SECURITY, "GET", "/v1/keys")
    for said in (shown.body, listed.body):
        assert parts[1] not in json.dumps(said)
        assert desk.rows["client"].digest not in json.dumps(said)
    for path in desk.state.root.rglob("*"):
        assert not path.is_file() or parts[1].encode() not in path.read_bytes()
    assert parts[1] not in desk.log.read_text()


@pytest.mark.parametrize("method", ["GET", "DELETE", "rotate"])
@pytest.mark.parametrize("name", ["globex", "security", "everything"])
def test_a_key_of_another_tenant_does_not_exist(desk: Desk, method: str, name: str) -> None:
    path = one(desk, name) + ("/rotate" if method == "rotate" else "")
    verb = "POST" if method == "rotate" else method
    hidden = desk.ask(TENANT, verb, path)
    missing = desk.ask(TENANT, verb, "/v1/keys/zzzzzzzzzz" + ("/rotate" if method == "rotate" else ""))
    assert hidden.status == missing.status == 404
    assert hidden.body == missing.body
    assert desk.database.execute("SELECT count(*) FROM keys WHERE revoked_at IS NOT NULL").fetchone()[0] == 0


@pytest.mark.parametrize("identity", ["..", "%2e%2e", "' OR 1=1 --", "0" * 5000, "\x00", "ключ"])
def test_an_id_that_is_none_is_not_found(desk: Desk, identity: str) -> None:
    assert desk.ask(SECURITY, "GET", f"/v1/keys/{identity}").status == 404


def test_a_tenant_s_administrator_sees_and_ends_the_tenant_s_keys(desk: Desk) -> None:
    listed = {row["id"] for row in desk.ask(TENANT, "GET", "/v1/keys").body["keys"]}
    assert listed == {desk.rows["client"].id, desk.rows["acme"].id}
    assert desk.ask(TENANT, "GET", one(desk, "client")).body["tenant"] == "acme"
    ended = desk.ask(TENANT, "DELETE", one(desk, "client"))
    assert (ended.status, ended.body["state"]) == (200, "revoked")


def test_a_rotated_key_has_the_same_rights_and_the_old_one_ends_after_the_overlap(desk: Desk) -> None:
    turned = desk.ask(TENANT, "POST", one(desk, "client") + "/rotate", {"overlap_s": 60.0})
    assert turned.status == 201
    assert (turned.body["tenant"], turned.body["scopes"]) == ("acme", ["inference"])
    assert turned.body["old"]["expires_at"] is not None
    assert turned.body["key"] != desk.keys["client"]


@pytest.mark.parametrize(
    ("who", "body"),
    [
        (TENANT, {"scopes": ["admin"]}),
        (TENANT, {"scopes": ["admin:audit"]}),
        (TENANT, {"scopes": ["tenant:admin"]}),
        (TENANT, {"scopes": ["role:any"]}),
        (TENANT, {"scopes": ["*"]}),
        (TENANT, {"scopes": ["inference", "*"]}),
        (TENANT, {"scopes": []}),
        (TENANT, {"scopes": ["inference"], "tenant": "globex"}),
        (TENANT, {"scopes": ["inference"], "role": "admin"}),
        (TENANT, {"scopes": ["inference"], "id": "0000000000"}),
        (TENANT, {"scopes": ["inference"], "digest": "0" * 64}),
        (SECURITY, {"scopes": ["inference"], "revoked_at": None}),
        (SECURITY, {"scopes": ["admin:security"]}),
        (SECURITY, {"scopes": ["admin"]}),
        (SECURITY, {"scopes": ["*"]}),
        (SECURITY, {"scopes": []}),
        (SECURITY, {"scopes": ["inference"], "__class__": "x"}),
    ],
)
def test_nobody_gives_what_they_may_not(desk: Desk, who: str, body: dict[str, Any]) -> None:
    before = desk.database.execute("SELECT count(*) FROM keys").fetchone()[0]
    answer = desk.ask(who, "POST", "/v1/keys", body)
    assert (answer.status, answer.body["error"]["code"]) == (403, "permission_denied")
    assert desk.database.execute("SELECT count(*) FROM keys").fetchone()[0] == before


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"\xff", b'{"scopes":"inference"}', b'{"scopes":[1]}',
        b'{"scopes":["inference"],"scopes":["x"]}',
        b'{"scopes":["inference"],"expires_s":"1"}', b'{"scopes":["inference"],"expires_s":NaN}',
        b'{"scopes":["inference"],"expires_s":-1}', b'{"scopes":["inference"],"networks":["0x7f.1"]}',
        b'{"scopes":["inference"],"name":"a\\u0000b"}', b'{"scopes":["inference"],"tenant":"../x"}', b"[" * 5000,
    ],
)  # fmt: skip
def test_a_body_is_one_strict_value(desk: Desk, body: bytes) -> None:
    answer = desk.ask(SECURITY, "POST", "/v1/keys", body)
    assert answer.status == 400, answer.body
    assert answer.body["error"]["code"]


def test_a_body_is_bounded(desk: Desk) -> None:
    assert desk.ask(SECURITY, "POST", "/v1/keys", b" " * 20_000).status == 413


@pytest.mark.parametrize("name", ["security", "audit", "old"])
def test_keys_of_administrators_are_changed_on_the_machine_alone(desk: Desk, name: str) -> None:
    assert desk.ask(SECURITY, "DELETE", one(desk, name)).status == 403
    assert desk.ask(SECURITY, "POST", one(desk, name) + "/rotate", {}).status == 403
    assert desk.ask(SECURITY, "GET", one(desk, name)).status == 200


def test_a_rollout_is_ordered_by_its_id_alone(desk: Desk) -> None:
    for wish in ("pause", "abort"):
        answer = desk.ask("system", "POST", "/v1/rollout", {"wish": wish, "change": "x"})
        assert (answer.status, answer.body["error"]["code"]) == (409, "no_rollout")
    assert desk.ask("system", "POST", "/v1/rollout", {"wish": "explode", "change": "x"}).status == 400
    assert not (desk.state.run / "rollout.order").exists()


def test_what_is_ordered_of_a_rollout_is_recorded_and_what_ends_it_is_done_without(desk: Desk) -> None:
    side = Side(name="r", digest="0" * 64, config={})
    rollout = Rollout(strategy="canary", steps=(), slots={})
    change = Change(id="c", kind="apply", by="b", pid=1, at=0.0, by_s=1.0, to=side, rollout=rollout)
    write_running(desk.state.running, Running(environment="e", release=side, change=change))
    open_recorder(desk.state.audit, "test").close()
    assert desk.ask("system", "POST", "/v1/rollout", {"wish": "promote", "change": "c"}).status == 202
    with closing(read_only(desk.state.audit / LOG)) as log:
        found = [orjson.loads(kept.leaf) for kept in leaves_of(log)]
    assert [(each["action"], each["result"], each["change"]) for each in found] == [
        ("rollout.promote", "asked", "c"),
        ("rollout.promote", "done", "c"),
    ]
    assert {each["by"] for each in found} == {desk.rows["system"].id}
    (desk.state.audit / "stopped").write_text("the disk\n")
    (desk.state.run / "rollout.order").unlink()
    assert desk.ask("system", "POST", "/v1/rollout", {"wish": "promote", "change": "c"}).status == 400
    assert not (desk.state.run / "rollout.order").exists()
    assert _untold(desk) == []
    assert desk.ask("system", "POST", "/v1/rollout", {"wish": "abort", "change": "c"}).status == 202
    assert (desk.state.run / "rollout.order").exists()
    assert _untold(desk) == [("rollout.abort", desk.rows["system"].id)]


def test_a_key_that_is_ended_while_the_audit_log_is_stopped_is_told_in_the_log(desk: Desk) -> None:
    open_recorder(desk.state.audit, "test").close()
    assert desk.ask(SECURITY, "DELETE", one(desk, "globex")).status == 200
    assert _untold(desk) == []
    (desk.state.audit / "stopped").write_text("the disk\n")
    assert desk.ask(SECURITY, "DELETE", one(desk, "client")).status == 200
    assert _untold(desk) == [("key.revoke", desk.rows["security"].id)]


def _untold(desk: Desk) -> list[tuple[str, str]]:
    """Errors of the log that say what the audit log does not have."""
    lines = [orjson.loads(line) for line in desk.log.read_bytes().splitlines()]
    return [(each["action"], each["key_id"]) for each in lines if each["level"] == "error"]


def test_a_suspended_key_is_shown_as_such_and_why(desk: Desk) -> None:
    suspend(desk.database, desk.rows["client"].id, "active at 3 h UTC")
    shown = desk.ask(SECURITY, "GET", one(desk, "client")).body
    assert (shown["state"], shown["suspended"]) == ("suspended", "active at 3 h UTC")
