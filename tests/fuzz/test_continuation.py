"""Invariant: wherever a stream is cut, and cut again, a client whose call can be continued gets the very text, token
ids, end and token counts of the uninterrupted stream, as one well-formed answer; or a beginning of it and one error
event. Nothing twice, nothing left out, nothing of the machinery.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.in_memory import Gateway, MemoryTransport, body_of, feed, request
from tests.unit.wire.splits import pieces_of

from forebay.gateway.view import view_of
from forebay.testing.fake_vllm import FakeVllm, token
from forebay.wire.chunked import LAST_CHUNK, chunk
from forebay.wire.sse import data_of, events

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LETTERS = st.text(alphabet="ab .\n中文é😀👩\u200d🇫\ufffd", max_size=24)


@st.composite
def answers(draw: st.DrawFn) -> list[int]:
    """An answer whose tokens end anywhere, within characters too; now and then bytes that are no text."""
    encoded = draw(LETTERS).encode() + draw(st.sampled_from([b"", b"", b"\xe4", b"\xff!", b"\x9f\x98x"]))
    tokens = []
    while encoded:
        size = draw(st.integers(1, 3))
        tokens.append(token(encoded[:size]))
        encoded = encoded[size:]
    return tokens


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    path = draw(st.sampled_from([CHAT, TEXT]))
    fields: dict[str, Any] = {"model": "m", "stream": True, "temperature": 0, "max_tokens": draw(st.integers(1, 40))}
    fields |= {"messages": [{"role": "user", "content": "x"}]} if path == CHAT else {"prompt": "x"}
    if draw(st.booleans()):
        fields["stop"] = draw(st.sampled_from(["a", "中文", ["ab", "文 .b"], ["😀", "bbbb"]]))
        fields["min_tokens"] = draw(st.integers(0, 6))
    if draw(st.booleans()):
        fields["stream_options"] = {"include_usage": True}
    if draw(st.booleans()):
        fields["return_token_ids"] = True
    return path, fields


class Said:
    """A stream as its reader sees it."""

    def __init__(self, payload: bytes) -> None:
        self.text, self.finish, self.ids, self.prompt_ids = "", None, [], None
        self.usage = self.error = None
        self.done = False
        self.origins, self.usages = set(), 0
        for each in map(data_of, events(payload)):
            assert not self.done, "behind the end"
            if each == b"[DONE]":
                self.done = True
                continue
            fields = orjson.loads(each)
            if "error" in fields:
                self.error, self.done = fields["error"]["code"], True
                continue
            self._read(fields)

    def _read(self, fields: dict[str, Any]) -> None:
        self.origins.add((fields["id"], fields["object"], fields["created"], fields["model"]))
        self.prompt_ids = fields.get("prompt_token_ids") or self.prompt_ids
        if fields.get("usage"):
            self.usage, self.usages = fields["usage"], self.usages + 1
        for choice in fields["choices"]:
            assert self.finish is None, "text behind the end"
            self.text += choice["delta"].get("content") or "" if "delta" in choice else choice["text"]
            self.finish = choice.get("finish_reason")
            self.ids += choice.get("token_ids") or []
            self.prompt_ids = choice.get("prompt_token_ids") or self.prompt_ids


def gateway_of(folder: Path, engines: int = 3) -> Gateway:
    """A gateway whose engines all tell token ids."""
    gateway = Gateway(folder, engines=engines, retry_budget_ratio=1.0, places=8)
    snapshot = gateway.snapshot
    gateway.snapshot = msgspec.structs.replace(
        snapshot,
        models=tuple(msgspec.structs.replace(model, continuation=True) for model in snapshot.models),
        engines=tuple(msgspec.structs.replace(engine, continues=True) for engine in snapshot.engines),
    )
    gateway.parts.view = view_of("0" * 16, gateway.snapshot)
    gateway.fleet.update(gateway.snapshot.engines)
    return gateway


def connections(gateway: Gateway) -> list[MemoryTransport]:
    """An idle connection to each engine, as if just opened."""
    return [gateway.idle_connection(number) for number in range(len(gateway.slots))]


def asked_of(made: list[MemoryTransport]) -> tuple[MemoryTransport, str, dict[str, Any]] | None:
    """The engine that has been asked something, and what."""
    for transport in made:
        if transport.written:
            transport.protocol.reused = False
            head, _, body = transport.take().partition(b"\r\n\r\n")
            return transport, head.split(b" ", 2)[1].decode(), orjson.loads(body)
    return None


def coded(engine: FakeVllm, path: str, fields: dict[str, Any]) -> bytes:
    """What the engine would send."""
    payloads = [*engine.stream(fields, path), b"[DONE]"]
    return HEAD + b"".join(chunk(b"data: %b\n\n" % each) for each in payloads) + LAST_CHUNK


def played(gateway: Gateway, path: str, fields: dict[str, Any], engines: list[FakeVllm], cuts: list[int]) -> Said:
    """One call, whose engines are cut after `cuts` bytes one after another; the next answers whole."""
    made, client = connections(gateway), gateway.client()
    feed(client, request(orjson.dumps(fields), path))
    for number, engine in enumerate(engines):
        asked = asked_of(made)
        if asked is None:
            break
        transport, at, body = asked
        answer = coded(engine, at, body)
        if number < len(cuts):
            feed(transport, answer[: cuts[number]])
            if transport.protocol.reader is not None:
                transport.settle(ConnectionResetError())
        else:
            feed(transport, answer)
    assert asked_of(made) is None
    assert sum(slot.outstanding for slot in gateway.slots) == 0
    assert gateway.counted("forebay_calls_in_flight") == 0
    return Said(body_of(client.take()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


GROUPS = st.lists(st.integers(1, 4), max_size=12)


@given(st.data(), answers(), calls(), st.booleans())
@settings(max_examples=1500, deadline=None)
def test_a_stream_that_is_cut_says_what_it_would_have_said(
    folder: Path, data: st.DataObject, answer: list[int], call: tuple[str, dict[str, Any]], one_each: bool
) -> None:
    path, fields = call
    engines = [FakeVllm(answer, () if one_each else data.draw(GROUPS), f"e{number}") for number in range(3)]
    whole = Said(b"".join(b"data: %b\n\n" % each for each in [*engines[0].stream(fields, path), b"[DONE]"]))
    longest = len(
        coded(engines[0], path, {**fields, "return_token_ids": True, "stream_options": {"include_usage": True}})
    )
    cuts = data.draw(st.lists(st.integers(len(HEAD) + 1, longest - 1), min_size=1, max_size=2))
    said = played(gateway_of(folder), path, fields, engines, cuts)
    assert said.error is None
    assert (said.text, said.finish, said.usage) == (whole.text, whole.finish, whole.usage)
    assert said.usages == (1 if "stream_options" in fields else 0)
    assert (said.ids, said.prompt_ids) == (whole.ids, whole.prompt_ids)
    assert len(said.origins) == 1


@given(st.data(), answers(), calls())
@settings(max_examples=500, deadline=None)
def test_an_engine_that_says_something_else_is_never_believed(
    folder: Path, data: st.DataObject, answer: list[int], call: tuple[str, dict[str, Any]]
) -> None:
    """Bytes of any kind from the second engine: what the client has is a beginning, and the framing holds."""
    path, fields = call
    gateway = gateway_of(folder, 2)
    made, client = connections(gateway), gateway.client()
    feed(client, request(orjson.dumps(fields), path))
    first = asked_of(made)
    assert first is not None
    whole = coded(FakeVllm(answer), first[1], first[2])
    feed(first[0], whole[: data.draw(st.integers(len(HEAD) + 1, len(whole) - 1))])
    if first[0].protocol.reader is not None:
        first[0].settle(ConnectionResetError())
    second = asked_of(made)
    if second is None:
        return
    wrong = coded(FakeVllm(answer), second[1], second[2])
    spot = data.draw(st.integers(len(HEAD), len(wrong)))
    junk = data.draw(
        st.sampled_from([b"", b"0\r\n\r\n", chunk(b"data: {}\n\n"), chunk(b'data: {"choices":[{}]}\n\n'), b"zz"])
    )
    feed(second[0], *data.draw(pieces_of(wrong[:spot] + junk + wrong[spot:])))
    for transport in made:
        while (again := asked_of(made)) is not None:
            again[0].settle(ConnectionResetError())
        if transport.protocol.reader is not None:
            transport.settle(ConnectionResetError())
    while (again := asked_of(made)) is not None:
        again[0].settle(ConnectionResetError())
    answered = client.take()
    if answered.startswith(b"HTTP/1.1 200") and answered.endswith(LAST_CHUNK):
        body_of(answered)
