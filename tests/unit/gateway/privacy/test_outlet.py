"""What stands between a call and its client: nothing passes that was not searched, and a held stream says it lives."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from forebay.gateway.privacy import outlet as outlet_module
from forebay.gateway.privacy.guard import Guard
from forebay.gateway.privacy.outlet import Outlet
from forebay.gateway.privacy.turns import at_once
from forebay.gateway.refusal import Refusal
from forebay.gateway.routes import ROUTES
from forebay.privacy.detector import Detector
from forebay.privacy.policy import Actions, PrivacyPolicy, Scope
from forebay.privacy.recogniser import Found, Recogniser
from forebay.privacy.rules import Rules
from forebay.wire.chunked import LAST_CHUNK, ChunkedDecoder, chunk
from forebay.wire.sse import data_of, events

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
SCOPE = Scope(output=Actions("mask"))


def _boom(_found: Found) -> float:
    raise ValueError("a recogniser with a fault")


FAULTY = Detector({"faulty": Recogniser(pattern="boom", judge=_boom, anywhere=True)})


class _Client:
    """A client connection that keeps what it was written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    @property
    def told(self) -> list[bytes]:
        decoder = ChunkedDecoder()
        return list(events(decoder.feed(self.written.partition(b"\r\n\r\n")[2])))


class _Meter:
    def add(self, *_counted: object) -> None:
        """Counts nothing."""


def _made(rules: Rules) -> tuple[Outlet, _Client, Any, Guard]:
    client = _Client()
    call = SimpleNamespace(client=client, ledger=SimpleNamespace(code=""), upstream=None)
    asked = SimpleNamespace(route=ROUTES[b"/v1/chat/completions"], model=SimpleNamespace(name="m"), body=b"{}")
    guard = Guard(SCOPE, rules, b"secret", cast("Any", _Meter()), cast("Any", asked))
    return Outlet(cast("Any", call), cast("Any", asked), guard), client, call, guard


def _event(text: str) -> bytes:
    return b"data: " + orjson.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}) + b"\n\n"


def _rules() -> Rules:
    return Rules(PrivacyPolicy(scopes=(SCOPE,)))


def test_a_search_that_fails_ends_the_stream_with_an_error() -> None:
    async def run() -> None:
        rules = _rules()
        rules.detector = FAULTY
        outlet, client, call, _ = _made(rules)
        outlet.write(HEAD + chunk(_event("fine, ")))
        outlet.write(chunk(_event("boom ")))
        outlet.write(chunk(_event("13812345678 ")) + LAST_CHUNK)
        assert [b"fine" in each for each in client.told] == [True, False]
        assert orjson.loads(data_of(client.told[-1]))["error"]["code"] == call.ledger.code == "privacy_failed"
        assert b"boom" not in client.written
        assert client.written.endswith(LAST_CHUNK)

    asyncio.run(run())


def test_a_search_that_fails_refuses_a_whole_answer_and_a_request() -> None:
    rules = _rules()
    rules.detector = FAULTY
    _, _, _, guard = _made(rules)
    for work in (
        lambda: at_once(guard.whole(b'{"choices":[{"message":{"content":"boom"}}]}', "/v1/chat/completions")),
        lambda: at_once(guard.whole(b"no json", "/v1/chat/completions")),
        lambda: at_once(guard.ask({"messages": [{"role": "user", "content": "boom"}]}, "/v1/chat/completions")),
    ):
        with pytest.raises(Refusal) as refused:
            work()
        assert (refused.value.code, refused.value.status) == ("privacy_failed", 503)
        assert refused.value.retry_after_s


def test_a_held_stream_says_that_it_lives_and_lets_nothing_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet_module, "_SILENCE_S", 0.01)

    async def run() -> None:
        outlet, client, _, _ = _made(_rules())
        outlet.write(HEAD + chunk(_event("call 138")))
        async with asyncio.timeout(60):
            while client.told.count(b": \n\n") < 3:  # noqa: ASYNC110  nothing tells of a timer
                await asyncio.sleep(0.005)
        assert b"138" not in client.written
        outlet.write(chunk(_event("12345678")) + LAST_CHUNK)
        assert "".join(
            orjson.loads(data)["choices"][0]["delta"]["content"] for each in client.told if (data := data_of(each))
        ) == ("call [CN_MOBILE]")

    asyncio.run(run())


def test_events_that_wait_are_bounded() -> None:
    async def run() -> None:
        outlet, client, _, _ = _made(_rules())
        outlet.write(HEAD + chunk(_event("a")))
        for _ in range(3):
            padded = b'data: {"id":"%b","choices":[{"index":0,"delta":{"content":"b"}}]}\n\n' % (b"i" * 400_000)
            outlet.write(chunk(padded))
        assert b"privacy_failed" in client.written

    asyncio.run(run())


def test_a_whole_answer_passes_as_it_is() -> None:
    outlet, client, _, _ = _made(_rules())
    outlet.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    assert client.written.endswith(b"\r\n\r\n{}")
