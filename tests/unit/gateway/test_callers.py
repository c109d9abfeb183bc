"""What a caller may do: scopes by route, roles by model, networks by address, tokens beside keys; and who waits."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.in_memory import CHAT, KEY, Gateway, feed, request
from tests.unit.gateway.heads import HEAD
from tests.unit.security import jwt

from forebay.gateway.identity import admit, identify
from forebay.gateway.refusal import Refusal
from forebay.gateway.routes import ROUTES
from forebay.gateway.snapshot import IdentityPolicy
from forebay.gateway.uses import Uses, last_used
from forebay.gateway.view import View, models, view_of
from forebay.security.failures import FailurePolicy
from forebay.security.network import NetworkRules
from forebay.security.roles import RolePolicy
from forebay.store.state_dir import StateDir

CHAT_PATH, LIST_PATH = b"/v1/chat/completions", b"/v1/models"
HERE = "192.0.2.1"
KEY_HEADER = b"Bearer " + KEY.encode()


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


def use(gateway: Gateway, *, key: dict[str, Any] | None = None, **identity: Any) -> View:
    """Another snapshot: changes of the one key, and an identity policy."""
    keys = tuple(msgspec.structs.replace(each, **(key or {})) for each in gateway.snapshot.keys)
    gateway.snapshot = msgspec.structs.replace(gateway.snapshot, keys=keys, identity=IdentityPolicy(**identity))
    view = view_of("1" * 16, gateway.snapshot)
    gateway.parts.view = view
    gateway.parts.failures.policy = view.failures
    return view


def asked(view: View, path: bytes, credential: bytes = KEY_HEADER, address: str = HERE, now: float = jwt.NOW) -> str:
    """`ok`, or the code of the refusal."""
    try:
        caller = identify(msgspec.structs.replace(HEAD, authorization=credential), view, now, ROUTES[path], address)
        admit(caller, ROUTES[path], address)
    except Refusal as refusal:
        return refusal.code
    return "ok"


ENGINE_ROUTES = sorted(path for path, route in ROUTES.items() if route.shape is not None)


@pytest.mark.parametrize("path", ENGINE_ROUTES)
def test_a_key_that_may_read_the_list_calls_no_model_on_any_route(gateway: Gateway, path: bytes) -> None:
    view = use(gateway, key={"scopes": ("models:read",)})
    assert asked(view, path) == "permission_denied"
    assert asked(view, LIST_PATH) == "ok"


@pytest.mark.parametrize("scope", ["*", "role:none", "admin", "admin:system", "tenant:admin", "Inference"])
@pytest.mark.parametrize("path", [CHAT_PATH, LIST_PATH])
def test_scopes_of_something_else_open_no_route_of_clients(gateway: Gateway, scope: str, path: bytes) -> None:
    assert asked(use(gateway, key={"scopes": (scope,)}), path) == "permission_denied"


def test_a_role_bounds_the_models_that_are_called_and_seen(gateway: Gateway) -> None:
    use(gateway, key={"scopes": ("role:r",)}, roles={"r": RolePolicy(("inference",), ("another",))})
    client = gateway.client()
    feed(client, request(CHAT))
    assert b"403" in client.take().split(b"\r\n")[0]
    assert gateway.parts.view.verified
    (caller,) = gateway.parts.view.verified.values()
    assert b'"data":[]' in models(LIST_PATH, gateway.parts.view, caller)
    with pytest.raises(Refusal, match="no such model"):
        models(b"/v1/models/m", gateway.parts.view, caller)


def test_a_role_reaches_its_model_by_an_alias_too(gateway: Gateway) -> None:
    use(gateway, key={"scopes": ("role:r",)}, roles={"r": RolePolicy(("inference",), ("m",))})
    engine = gateway.idle_connection()
    feed(gateway.client(), request(CHAT.replace(b'"m"', b'"alias"')))
    assert engine.written.endswith(b"}")
    (caller,) = gateway.parts.view.verified.values()
    assert b'"alias"' in models(LIST_PATH, gateway.parts.view, caller)


def test_a_role_that_is_taken_away_opens_nothing_to_who_was_let_in_by_it(gateway: Gateway) -> None:
    scopes = {"key": {"scopes": ("role:r",)}}
    with_role = use(gateway, **scopes, roles={"r": RolePolicy(("inference",))})
    assert asked(with_role, CHAT_PATH) == "ok"
    assert asked(use(gateway, **scopes), CHAT_PATH) == "permission_denied"
    less = use(gateway, **scopes, roles={"r": RolePolicy(("models:read",))})
    assert (asked(less, CHAT_PATH), asked(less, LIST_PATH)) == ("permission_denied", "ok")


def test_a_key_opens_nothing_before_its_time(gateway: Gateway) -> None:
    view = use(gateway, key={"not_before": jwt.NOW})
    assert asked(view, CHAT_PATH, now=jwt.NOW - 0.1) == "invalid_api_key"
    assert asked(view, CHAT_PATH, now=jwt.NOW) == "ok"


@pytest.mark.parametrize(
    ("identity", "key"),
    [
        ({"everyone": NetworkRules(allow=("198.51.100.0/24",))}, {}),
        ({"everyone": NetworkRules(deny=("192.0.2.0/24",))}, {}),
        ({"networks": {"t": NetworkRules(allow=("198.51.100.0/24",))}}, {}),
        ({"networks": {"t": NetworkRules(deny=("192.0.2.1",))}}, {}),
        ({}, {"networks": ("198.51.100.0/24",)}),
    ],
)
def test_a_caller_is_where_it_may_be_or_is_refused(
    gateway: Gateway, identity: dict[str, Any], key: dict[str, Any]
) -> None:
    view = use(gateway, key=key, **identity)
    assert asked(view, CHAT_PATH, address=HERE) == "permission_denied"
    assert asked(view, CHAT_PATH, address="198.51.100.7") == "ok"
    assert asked(view, CHAT_PATH, address=HERE) == "permission_denied", "also once the key was found good"


def test_networks_of_one_tenant_are_not_another_s(gateway: Gateway) -> None:
    assert asked(use(gateway, networks={"other": NetworkRules(allow=("198.51.100.0/24",))}), CHAT_PATH) == "ok"


def test_a_token_calls_models_as_the_tenant_that_its_issuer_stands_for(gateway: Gateway) -> None:
    view = use(gateway, issuers=(jwt.policy(),))
    credential = b"Bearer " + jwt.token()
    assert asked(view, CHAT_PATH, credential) == "ok"
    caller = view.verified[credential]
    assert (caller.tenant, caller.digest) == ("acme", "")
    assert asked(view, CHAT_PATH, credential, now=jwt.CLAIMS["exp"] + 29.9) == "ok"
    assert asked(view, CHAT_PATH, credential, now=jwt.CLAIMS["exp"] + 30) == "invalid_api_key", "cached or not"


def test_a_token_without_a_granted_scope_may_do_nothing(gateway: Gateway) -> None:
    view = use(gateway, issuers=(jwt.policy(),))
    assert asked(view, CHAT_PATH, b"Bearer " + jwt.token(scope="openid")) == "permission_denied"
    assert asked(view, LIST_PATH, b"Bearer " + jwt.token(scope="list")) == "ok"
    assert asked(view, CHAT_PATH, b"Bearer " + jwt.token(scope="list")) == "permission_denied"


@pytest.mark.parametrize("bad", [{"exp": 0}, {"aud": "x"}, {"iss": "https://x"}, {"sub": ""}])
def test_every_bad_token_is_refused_in_the_words_for_a_bad_key(gateway: Gateway, bad: dict[str, Any]) -> None:
    view = use(gateway, issuers=(jwt.policy(),))
    head = msgspec.structs.replace(HEAD, authorization=b"Bearer " + jwt.token(**bad))
    with pytest.raises(Refusal) as refused:
        identify(head, view, jwt.NOW, ROUTES[CHAT_PATH], HERE)
    with pytest.raises(Refusal) as reference:
        identify(HEAD, view, jwt.NOW, ROUTES[CHAT_PATH], HERE)
    assert refused.value.body() == reference.value.body()
    assert not view.verified


def test_without_issuers_no_token_is_looked_at(gateway: Gateway) -> None:
    assert asked(gateway.parts.view, CHAT_PATH, b"Bearer " + jwt.token()) == "invalid_api_key"


def test_good_tokens_that_are_remembered_are_bounded(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forebay.gateway.identity._MOST_TOKENS", 4)
    view = use(gateway, issuers=(jwt.policy(),))
    for number in range(12):
        assert asked(view, CHAT_PATH, b"Bearer " + jwt.token(jti=str(number))) == "ok"
    assert len(view.verified) <= 5


def test_an_unknown_key_of_an_issuer_is_asked_for_and_a_stranger_s_is_not(gateway: Gateway, tmp_path: Path) -> None:
    view = use(gateway, issuers=(jwt.policy(),))
    state = StateDir(tmp_path)
    state.prepare()
    asked(view, CHAT_PATH, b"Bearer " + jwt.token({"kid": "../../x"}, iss="https://x"))
    assert view.unknown_keys == set()
    asked(view, CHAT_PATH, b"Bearer " + jwt.token({"kid": "../../x"}))
    assert view.unknown_keys == {"corp"}
    Uses("worker-1", state).look(view, time.time())
    assert [path.name for path in state.run.iterdir()] == ["corp.unknown-key"]


def test_when_a_key_was_used_is_known_without_its_call_paying_for_it(gateway: Gateway, tmp_path: Path) -> None:
    view = gateway.parts.view
    state = StateDir(tmp_path)
    state.prepare()
    uses = Uses("worker-1", state)
    assert asked(view, CHAT_PATH) == "ok"
    uses.look(view, jwt.NOW)
    assert last_used(state) == {gateway.snapshot.keys[0].id: jwt.NOW}
    uses.look(view, jwt.NOW + 100)
    assert last_used(state) == {gateway.snapshot.keys[0].id: jwt.NOW}, "nobody came since"
    other = Uses("worker-2", state)
    asked(view, CHAT_PATH)
    other.look(view, jwt.NOW + 200)
    assert last_used(state) == {gateway.snapshot.keys[0].id: jwt.NOW + 200}, "whichever worker it was"


def test_many_wrong_keys_are_told_to_wait_and_a_right_one_beside_them_is_served(gateway: Gateway) -> None:
    use(gateway, failures=FailurePolicy(allowed=3, wait_s=5.0))
    wrong = request(CHAT).replace(KEY.encode(), b"fb_wrong")
    said = []
    for _ in range(6):
        client = gateway.client()
        feed(client, wrong)
        said.append(client.take())
    assert [b" 401 " in each.split(b"\r\n")[0] for each in said] == [True] * 3 + [False] * 3
    assert b" 429 " in said[-1].split(b"\r\n")[0]
    assert b"retry-after: " in said[-1].lower()
    assert b"too_many_failures" in said[-1]
    engine = gateway.idle_connection()
    feed(gateway.client(), request(CHAT))
    assert engine.written.endswith(b"}")
