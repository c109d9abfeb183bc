"""Consents over the admin API: for the people of one's own tenant, for purposes that there are, and on the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.audit.writing import records
from tests.unit.admin.asking import Desk

from forebay.gateway.consent.policy import ConsentPolicy
from forebay.gateway.snapshot import publish, read

POLICY = ConsentPolicy(known=frozenset({"ads", "advice"}), needed=frozenset({"ads"}), default="advice")
SAID = {"subject": "alice", "purpose": "ads", "granted": True}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    snapshot = read(made.state.current_snapshot)[1]
    publish(msgspec.structs.replace(snapshot, consent=POLICY), made.state.snapshots)
    yield made
    made.close()


def test_a_consent_is_said_found_and_withdrawn(desk: Desk) -> None:
    said = desk.ask("acme", "POST", "/v1/consents", SAID)
    assert said.status == 201
    (consent,) = said.body["consents"]
    assert (said.body["tenant"], consent["purpose"], consent["granted"]) == ("acme", "ads", True)
    desk.ask("security", "POST", "/v1/consents", {**SAID, "tenant": "acme", "granted": False})
    found = desk.ask("audit", "POST", "/v1/consents/find", {"subject": "alice", "tenant": "acme"})
    assert [each["granted"] for each in found.body["consents"]] == [False]
    results = [each["result"] for each in records(desk.state) if each["kind"] == "consent"]
    assert results == ["grant_asked", "granted", "withdraw_asked", "withdrawn"]
    assert b"alice" not in (desk.state.audit / "log.db").read_bytes()


@pytest.mark.parametrize(
    ("who", "body", "code"),
    [
        ("acme", {**SAID, "tenant": "globex"}, "permission_denied"),
        ("acme", {**SAID, "purpose": "advice"}, "unknown_purpose"),
        ("acme", {**SAID, "subject": ""}, "invalid_value"),
        ("acme", {"subject": "alice"}, "invalid_value"),
    ],
)
def test_what_cannot_be_said_is_refused_and_not_recorded(desk: Desk, who: str, body: dict[str, Any], code: str) -> None:
    assert desk.ask(who, "POST", "/v1/consents", body).body["error"]["code"] == code
    assert not (desk.state.audit / "log.db").exists()
