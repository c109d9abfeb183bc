"""What routing learns of a call and of an answer, and nothing that nobody asked for."""

from __future__ import annotations

from pathlib import Path

import msgspec
import orjson
import pytest
from tests.in_memory import Gateway, feed, request

from forebay.gateway.routing.choice import plan_of
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.gateway.routing.want import NOTHING
from forebay.gateway.view import view_of
from forebay.gateway.wants import session_of
from forebay.wire.request import RequestHead, parse_head
from forebay.wire.usage import cached_in

PROMPT = "You are a helpful assistant. " * 40


def head(*lines: str) -> RequestHead:
    text = "".join(f"{line}\r\n" for line in ("POST / HTTP/1.1", "Host: a", *lines)) + "\r\n"
    found = parse_head(text.encode(), 8192, 8192)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("lines", "fields", "wanted"),
    [
        ([], {}, ""),
        (["X-Session-ID: abc"], {"prompt_cache_key": "k", "user": "u"}, "abc"),
        ([], {"prompt_cache_key": "k", "user": "u"}, "k"),
        ([], {"user": "u"}, "u"),
        ([], {"user": 7}, ""),
        ([], {"prompt_cache_key": None}, ""),
        ([], {"user": "x" * 10_000}, "x" * 256),
    ],
)
def test_a_session_is_named_by_header_key_or_user(lines: list[str], fields: dict[str, object], wanted: str) -> None:
    assert session_of(head(*lines), fields) == wanted


@pytest.mark.parametrize(
    ("details", "wanted"),
    [
        ({"cached_tokens": 12}, 12),
        ({"cached_tokens": 0}, 0),
        ({"cached_tokens": None}, -1),
        ({"cached_tokens": -3}, -1),
        ({"cached_tokens": "many"}, -1),
        ({}, -1),
        (None, -1),
    ],
)
def test_cached_tokens_are_read_where_an_engine_tells_them(details: object, wanted: int) -> None:
    assert cached_in(orjson.dumps({"usage": {"prompt_tokens": 20, "prompt_tokens_details": details}})) == wanted
    assert cached_in(b'{"usage":null}') == cached_in(b"{") == -1


def whole(cached: int) -> bytes:
    usage = {"prompt_tokens": 300, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": cached}}
    body = orjson.dumps({"choices": [], "usage": usage})
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def test_an_engine_that_reports_no_hits_is_believed(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    policy = RoutingPolicy(scorers={"prefix": 1.0})
    models = tuple(msgspec.structs.replace(each, routing=policy) for each in gateway.snapshot.models)
    gateway.parts.view = view_of("1" * 16, msgspec.structs.replace(gateway.snapshot, models=models))
    gateway.fleet.route({"m": plan_of(policy)}, gateway.snapshot.policy.breaker)
    body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": PROMPT}]})
    client, trust = gateway.client(), []
    for cached in (0, 0, 280):
        engine = gateway.idle_connection()
        feed(client, request(body))
        feed(engine, whole(cached))
        trust.append(gateway.slots[0].prefixes.trust)
    assert trust[0] == 1.0, "nothing was expected of the first call"
    assert trust[1] < 1.0
    assert trust[2] > trust[1]
    assert gateway.counted("forebay_cached_prompt_tokens_total", "m") == 280


def test_the_default_asks_nothing_of_a_call(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    client, _engine = gateway.call()
    assert not gateway.parts.view.sessions
    assert client.protocol._call.want is NOTHING
    assert gateway.slots[0].tokens == 0
