"""Three administrators who watch one another: each route for each role, and everything else refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.admin.asking import ROLES, Desk

from forebay.core.errors import UsageError
from forebay.security.key_store import KeyGrant
from forebay.security.network import NetworkRules

SYSTEM, SECURITY, AUDIT, TENANT = "system", "security", "audit", "acme"
ALLOWED = {
    ("GET", "/v1/status"): {SYSTEM, SECURITY, AUDIT, "old"},
    ("GET", "/v1/release"): {SYSTEM, SECURITY, AUDIT, "old"},
    ("POST", "/v1/rollout"): {SYSTEM, "old"},
    ("GET", "/v1/keys"): {SECURITY, AUDIT, TENANT},
    ("POST", "/v1/keys"): {SECURITY, TENANT},
    ("GET", "/v1/keys/0000000000"): {SECURITY, AUDIT, TENANT},
    ("DELETE", "/v1/keys/0000000000"): {SECURITY, TENANT},
    ("POST", "/v1/keys/0000000000/rotate"): {SECURITY, TENANT},
    ("POST", "/v1/consents"): {SECURITY, TENANT},
    ("POST", "/v1/consents/find"): {SECURITY, AUDIT, TENANT},
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("route", ALLOWED, ids=" ".join)
def test_a_route_answers_to_the_roles_it_names_and_to_no_other(desk: Desk, route: tuple[str, str]) -> None:
    method, path = route
    for who in ROLES:
        status = desk.ask(who, method, path).status
        if who in {"client", "everything"}:
            assert status == 401, f"{who}: a client's key is no administrator's"
        elif who in ALLOWED[route]:
            assert status not in {401, 403} or (method, path) == ("POST", "/v1/keys"), who
        else:
            assert status == 403, who
    assert desk.ask("", method, path).status == 401


def test_every_route_but_health_is_in_the_table(desk: Desk) -> None:
    routes = {
        (method, route.path.replace("{id:str}", "0000000000").replace("{id}", "0000000000"))  # type: ignore[attr-defined]
        for route in desk.app.routes
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
    }
    assert routes == ALLOWED.keys() | {("GET", "/health")}
    assert desk.ask("", "GET", "/health").status == 200


@pytest.mark.parametrize(
    "scopes",
    [
        ("admin:system", "admin:security"),
        ("admin:security", "admin:audit"),
        ("admin", "admin:audit"),
        ("admin:system", "inference"),
        ("admin:audit", "tenant:admin"),
        ("tenant:admin", "inference"),
    ],
)
def test_no_key_carries_two_offices(desk: Desk, scopes: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="one role"):
        desk.make("both", KeyGrant(scopes=scopes))


@pytest.mark.parametrize(
    "credential",
    [
        "bearer {key}", "Bearer  {key}", "{key}", "Basic {key}", "Bearer {key} x", "Bearer ' OR '1'='1", "Bearer %00",
        "Bearer " + "a" * 100_000, "",
    ],
)  # fmt: skip
def test_a_credential_has_one_form(desk: Desk, credential: str) -> None:
    said = {"authorization": credential.format(key=desk.keys[SYSTEM])}
    answer = desk.ask("", "GET", "/v1/status", headers=said)
    assert (answer.status, answer.body["error"]["code"]) == (401, "invalid_api_key")


def test_a_revoked_key_ends_here_as_soon_as_workers_hear_of_it(desk: Desk) -> None:
    assert desk.ask(SECURITY, "GET", "/v1/keys").status == 200
    desk.database.execute("UPDATE keys SET revoked_at = 1 WHERE id = ?", (desk.rows[SECURITY].id,))
    desk.publish()
    assert desk.ask(SECURITY, "GET", "/v1/keys").status == 401


def test_wrong_keys_wait_and_a_right_one_from_the_same_place_does_not(tmp_path: Path) -> None:
    from forebay.security.failures import FailurePolicy  # noqa: PLC0415

    desk = Desk(tmp_path, failures=FailurePolicy(allowed=5, wait_s=30.0))
    said = [desk.ask("fb_wrong", "GET", "/v1/status", peer="2001:db8::%x" % n).status for n in range(1, 9)]  # noqa: UP031
    assert said == [401] * 5 + [429] * 3, "a whole /64 counts as one"
    late = desk.ask("fb_wrong", "GET", "/v1/status", peer="2001:db8::1")
    assert 0 < int(late.headers["retry-after"]) <= 31
    assert desk.ask(AUDIT, "GET", "/v1/status", peer="2001:db8::1").status == 503, "no status yet, but let in"
    assert desk.ask("fb_wrong", "GET", "/v1/status", peer="2001:db8:1::1").status == 401, "others are not touched"
    desk.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:8101"}, 403),
        ({"origin": "http://127.0.0.1:8100"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"host": "evil.example"}, 400),
        ({"host": "127.0.0.1.evil.example"}, 400),
        ({"host": ""}, 400),
    ],
)
def test_no_page_of_another_site_and_no_rebound_name_is_answered(
    desk: Desk, headers: dict[str, str], status: int
) -> None:
    answer = desk.ask(SECURITY, "GET", "/v1/keys", headers=headers)
    assert answer.status == status
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_preflight_is_not_answered_and_a_form_is_not_read(desk: Desk) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    preflight = desk.ask("", "OPTIONS", "/v1/keys", headers=asked)
    assert preflight.status == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        form = desk.ask(SECURITY, "POST", "/v1/keys", b'{"scopes":["inference"]}', headers={"content-type": kind})
        assert form.status == 415


def test_answers_are_not_kept_framed_or_guessed_at(desk: Desk) -> None:
    for who in (SECURITY, ""):
        headers = desk.ask(who, "GET", "/v1/keys").headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_only_admitted_networks_reach_it_and_a_header_changes_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, administrators=NetworkRules(allow=("10.0.0.0/8",)))
    assert desk.ask(SECURITY, "GET", "/v1/keys", peer="10.1.1.1").status == 200
    claims = {"x-forwarded-for": "10.1.1.1", "x-real-ip": "10.1.1.1", "forwarded": "for=10.1.1.1"}
    assert desk.ask(SECURITY, "GET", "/v1/keys", peer="192.0.2.1", headers=claims).status == 403
    assert desk.ask("", "GET", "/v1/keys", peer="192.0.2.1").status == 403
    desk.close()


def test_what_was_asked_is_in_the_log_once_and_no_key_is(desk: Desk) -> None:
    desk.ask(SECURITY, "POST", "/v1/keys", {"scopes": ["inference"], "tenant": "acme"})
    desk.ask("fb_wrong", "GET", "/v1/keys/x%0aINJECTED")
    lines = desk.log.read_text().splitlines()
    assert len(lines) == 2
    assert '"role":"admin:security"' in lines[0]
    assert "INJECTED" not in lines[1]
    assert not any(key in line for key in desk.keys.values() for line in lines)
