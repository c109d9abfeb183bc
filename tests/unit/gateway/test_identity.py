"""Who calls: one valid key in one header, or one and the same refusal."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.in_memory import KEY, Gateway
from tests.unit.gateway.heads import HEAD

from forebay.gateway.identity import admit
from forebay.gateway.identity import identify as identify_for
from forebay.gateway.refusal import Refusal
from forebay.gateway.routes import ROUTES
from forebay.gateway.view import Caller, View
from forebay.security.keys import new_key
from forebay.wire.request import RequestHead

NOW = 1000.0


def identify(head: RequestHead, view: View, now: float, *, x_api_key: bool = False) -> Caller:
    path = b"/v1/messages" if x_api_key else b"/v1/chat/completions"
    caller = identify_for(head, view, now, ROUTES[path], "192.0.2.1")
    admit(caller, ROUTES[path], "192.0.2.1")
    return caller


def said(authorization: bytes, **changes: object) -> RequestHead:
    return msgspec.structs.replace(HEAD, authorization=authorization, **changes)


def view_with(gateway: Gateway, **changes: object) -> View:
    view = gateway.parts.view
    keys = {name: msgspec.structs.replace(key, **changes) for name, key in view.keys.items()}
    return msgspec.structs.replace(view, keys=keys)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


GOOD = b"Bearer " + KEY.encode()
REFUSED = {
    "nothing": b"",
    "no scheme": KEY.encode(),
    "lower case": b"bearer " + KEY.encode(),
    "upper case": b"BEARER " + KEY.encode(),
    "two spaces": b"Bearer  " + KEY.encode(),
    "tab": b"Bearer\t" + KEY.encode(),
    "basic": b"Basic " + KEY.encode(),
    "scheme alone": b"Bearer ",
    "behind": GOOD + b" x",
    "comma": GOOD + b", " + GOOD,
    "upper case key": b"Bearer " + KEY.upper().encode(),
    "cut": GOOD[:-1],
    "checksum of another": GOOD[:-8] + b"00000000",
    "other key": b"Bearer " + new_key()[0].encode(),
    "SQL": b"Bearer ' OR '1'='1",
    "percent NUL": b"Bearer %00",
    "latin-1": b"Bearer " + b"\xff" * len(KEY),
    "utf-8": "Bearer ключ".encode(),
    "a megabyte": b"Bearer " + b"a" * 1_000_000,
}


@pytest.mark.parametrize("case", REFUSED)
def test_every_reason_gives_the_same_refusal(gateway: Gateway, case: str) -> None:
    with pytest.raises(Refusal) as refused:
        identify(said(REFUSED[case]), gateway.parts.view, NOW)
    with pytest.raises(Refusal) as reference:
        identify(HEAD, gateway.parts.view, NOW)
    assert (refused.value.status, refused.value.code) == (401, "invalid_api_key")
    assert refused.value.body() == reference.value.body()


def test_a_valid_key_is_known(gateway: Gateway) -> None:
    assert identify(said(GOOD), gateway.parts.view, NOW).tenant == "t"


def test_a_key_beside_another_header_is_not_believed(gateway: Gateway) -> None:
    with pytest.raises(Refusal, match="valid API key"):
        identify(said(GOOD, ambiguous_authorization=True), gateway.parts.view, NOW)


@pytest.mark.parametrize(("expires_at", "known"), [(NOW + 0.1, True), (NOW, False), (0.0, False), (None, True)])
def test_a_key_ends_when_it_says(gateway: Gateway, expires_at: float | None, known: bool) -> None:
    view = view_with(gateway, expires_at=expires_at)
    if known:
        assert identify(said(GOOD), view, NOW)
    else:
        with pytest.raises(Refusal, match="valid API key"):
            identify(said(GOOD), view, NOW)


@pytest.mark.parametrize(
    ("scopes", "may"), [((), True), (("inference",), True), (("models:read",), False), (("*",), False)]
)
def test_scopes_that_leave_inference_out_do_not_call_models(
    gateway: Gateway, scopes: tuple[str, ...], may: bool
) -> None:
    view = view_with(gateway, scopes=scopes)
    if may:
        assert identify(said(GOOD), view, NOW)
    else:
        with pytest.raises(Refusal) as refused:
            identify(said(GOOD), view, NOW)
        assert (refused.value.status, refused.value.code) == (403, "permission_denied")


def test_anthropics_header_is_a_key_where_the_route_takes_it(gateway: Gateway) -> None:
    head = said(b"", api_key=KEY.encode())
    assert identify(head, gateway.parts.view, NOW, x_api_key=True).tenant
    with pytest.raises(Refusal):
        identify(head, gateway.parts.view, NOW)


@pytest.mark.parametrize("authorization", [GOOD, b"Bearer x", b"Basic x"], ids=["good", "unknown", "basic"])
def test_two_credentials_are_none(gateway: Gateway, authorization: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        identify(said(authorization, api_key=KEY.encode()), gateway.parts.view, NOW, x_api_key=True)
    assert refused.value.code == "invalid_api_key"


def test_a_key_that_was_good_before_expires_all_the_same(gateway: Gateway) -> None:
    view = view_with(gateway, expires_at=NOW + 10)
    assert identify(said(GOOD), view, NOW) is identify(said(GOOD), view, NOW + 9)
    with pytest.raises(Refusal, match="valid API key"):
        identify(said(GOOD), view, NOW + 10)


def test_only_good_keys_are_kept(gateway: Gateway) -> None:
    view = gateway.parts.view
    for case in REFUSED.values():
        with pytest.raises(Refusal):
            identify(said(case), view, NOW)
    identify(said(GOOD), view, NOW)
    assert list(view.verified) == [GOOD]
