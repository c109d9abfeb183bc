"""One generation, several followers: nobody waits for a slow one, nobody is stopped by one who leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from tests.in_memory import Gateway, MemoryTransport, body_of, feed, request

from forebay.gateway.reuse.policy import CachePolicy
from forebay.gateway.view import view_of
from forebay.testing.fake_engine import completion, delta
from forebay.wire.chunked import LAST_CHUNK, chunk
from forebay.wire.sse import event

SAME = b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":0}'
STREAM = SAME[:-1] + b',"stream":true}'
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = chunk(b"data: [DONE]\n\n") + LAST_CHUNK
POLICY = CachePolicy(
    version="v1", exact=True, single_flight=True, ttl_s=60.0, memory_bytes=100_000, answer_bytes=10_000
)


class Reusing:
    """A gateway in memory whose model reuses answers."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.gateway = Gateway(folder)
        self.use(msgspec.structs.replace(POLICY, **changes))

    def use(self, policy: CachePolicy | None) -> None:
        """What a reload does."""
        parts, snapshot = self.gateway.parts, self.gateway.snapshot
        models = tuple(msgspec.structs.replace(model, cache=policy) for model in snapshot.models)
        parts.view = view_of("1" * 16, msgspec.structs.replace(snapshot, models=models))
        parts.reuse.update(parts.view.models.values(), "pepper")

    def engine(self) -> MemoryTransport:
        """An engine that waits for work."""
        return self.gateway.idle_connection()

    def call(self, body: bytes = STREAM, mode: str = "") -> MemoryTransport:
        client = self.gateway.client()
        head, _, rest = request(body).partition(b"\r\n")
        line = f"x-forebay-cache: {mode}\r\n".encode() if mode else b""
        feed(client, head + b"\r\n" + line + rest)
        return client

    def counted(self, result: str) -> float:
        return self.gateway.counted("forebay_cache_total", "m", result)


@pytest.fixture
def reusing(tmp_path: Path) -> Reusing:
    return Reusing(tmp_path)


def piece(text: str) -> bytes:
    return chunk(event(delta(text)))


def finish() -> bytes:
    last = orjson.loads(delta(""))
    last["choices"][0] |= {"delta": {}, "finish_reason": "stop"}
    return chunk(event(orjson.dumps(last)))


def whole(text: str) -> bytes:
    body = completion(text)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def events(client: MemoryTransport) -> bytes:
    return body_of(client.written)


def test_whoever_comes_late_gets_all_of_it_and_the_engine_works_once(reusing: Reusing) -> None:
    engine, idle = reusing.engine(), None
    first = reusing.call()
    feed(engine, STREAM_HEAD + piece("one"))
    idle = reusing.engine()
    second = reusing.call()
    assert b"one" in second.written
    feed(engine, piece("two"), finish(), DONE)
    assert events(first) == events(second)
    assert idle.written == b""
    assert b"x-forebay-cache: miss" in first.written
    assert b"x-forebay-cache: hit" in second.written
    assert (reusing.counted("miss"), reusing.counted("joined")) == (1, 1)


def test_calls_for_whole_answers_share_one_too(reusing: Reusing) -> None:
    engine = reusing.engine()
    clients = [reusing.call(SAME) for _ in range(3)]
    feed(engine, whole("hello"))
    assert [client.written.endswith(completion("hello")) for client in clients] == [True] * 3


def test_a_leaver_stops_nobody_and_the_last_one_stops_the_engine(reusing: Reusing) -> None:
    engine = reusing.engine()
    clients = [reusing.call() for _ in range(3)]
    feed(engine, STREAM_HEAD + piece("one"))
    for client in clients[:2]:
        client.settle()
        assert not engine.aborted
    feed(engine, piece("two"))
    assert b"two" in clients[2].written
    clients[2].settle()
    assert engine.aborted
    assert reusing.gateway.slots[0].outstanding == 0
    assert not reusing.gateway.parts.reuse.held_bytes()


def test_the_first_may_leave_before_the_engine_says_anything(reusing: Reusing) -> None:
    engine = reusing.engine()
    first, second = reusing.call(), reusing.call()
    first.settle()
    feed(engine, STREAM_HEAD + piece("one"), finish(), DONE)
    assert b"one" in events(second)


def test_a_slow_reader_does_not_hold_the_others_and_catches_up(reusing: Reusing) -> None:
    engine = reusing.engine()
    slow, quick = reusing.call(), reusing.call()
    feed(engine, STREAM_HEAD + piece("one"))
    slow.protocol.pause_writing()
    feed(engine, piece("two"))
    assert not engine.paused
    assert b"two" in quick.written
    assert b"two" not in slow.written
    feed(engine, piece("three"), finish(), DONE)
    slow.protocol.resume_writing()
    assert events(slow) == events(quick)


def test_when_all_are_slow_the_engine_waits(reusing: Reusing) -> None:
    engine = reusing.engine()
    clients = [reusing.call(), reusing.call()]
    feed(engine, STREAM_HEAD + piece("one"))
    for client in clients:
        client.protocol.pause_writing()
    assert engine.paused
    clients[1].protocol.resume_writing()
    assert not engine.paused


def test_one_who_reads_nothing_is_let_go_at_the_bound(reusing: Reusing) -> None:
    engine = reusing.engine()
    slow, quick = reusing.call(), reusing.call()
    feed(engine, STREAM_HEAD + piece("one"))
    slow.protocol.pause_writing()
    for _ in range(30):
        feed(engine, piece("x" * 1000))
    assert slow.aborted
    feed(engine, finish(), DONE)
    assert events(quick).count(b"x" * 1000) == 30
    assert not reusing.gateway.parts.reuse.held_bytes(), "too large to be kept"
    assert reusing.counted("not_kept") == 1


def test_what_is_no_longer_held_is_not_joined(reusing: Reusing) -> None:
    engine = reusing.engine()
    reusing.call()
    feed(engine, STREAM_HEAD, *[piece("x" * 1000)] * 12)
    other = reusing.engine()
    reusing.call()
    assert other.written.endswith(b"}")


def test_the_failure_of_the_engine_is_told_to_all(reusing: Reusing) -> None:
    engine = reusing.engine()
    clients = [reusing.call(), reusing.call()]
    feed(engine, b"HTTP/1.1 500 X\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
    for client in clients:
        assert client.written.startswith(b"HTTP/1.1 502")
        assert b'"code":"engine_error"' in client.written
    engine = reusing.engine()
    reusing.call()
    assert engine.written.endswith(b"}"), "an error is not kept"


def test_a_cut_stream_is_told_to_all_and_not_kept(reusing: Reusing) -> None:
    engine = reusing.engine()
    clients = [reusing.call(), reusing.call()]
    feed(engine, STREAM_HEAD + piece("one"))
    engine.settle(ConnectionResetError())
    for client in clients:
        assert b'"code":"stream_cut"' in events(client)
    assert not reusing.gateway.parts.reuse.held_bytes()


def test_the_deadline_of_one_ends_its_stream_alone(reusing: Reusing) -> None:
    engine = reusing.engine()
    first, second = reusing.call(), reusing.call()
    feed(engine, STREAM_HEAD + piece("one"))
    first.protocol.expire(0.0)
    assert b'"code":"deadline_exceeded"' in events(first)
    feed(engine, finish(), DONE)
    assert events(second).endswith(b"data: [DONE]\n\n")


def test_whoever_wants_the_usage_does_not_follow_one_who_does_not(reusing: Reusing) -> None:
    reusing.engine()
    reusing.call()
    other = reusing.engine()
    reusing.call(STREAM[:-1] + b',"stream_options":{"include_usage":true}}')
    assert other.written.endswith(b"}")


@pytest.mark.parametrize(("first", "second"), [(SAME, SAME), (SAME, STREAM), (STREAM, STREAM), (STREAM, SAME)])
def test_an_answer_is_given_again_in_either_form(reusing: Reusing, first: bytes, second: bytes) -> None:
    engine = reusing.engine()
    reusing.call(first)
    feed(engine, whole("hello") if first == SAME else STREAM_HEAD + piece("hel") + piece("lo") + finish() + DONE)
    again = reusing.call(second)
    assert b"x-forebay-cache: hit\r\n" in again.written
    if second == SAME:
        answer = orjson.loads(again.written.partition(b"\r\n\r\n")[2])
        assert answer["choices"][0]["message"]["content"] == "hello"
    else:
        assert events(again).endswith(b"data: [DONE]\n\n")
        assert b"usage" not in again.written
    assert reusing.counted("hit") == 1
    assert reusing.gateway.counted("forebay_tokens_total", "m", "output") == (3 if first == SAME else 0)


def test_a_streamed_hit_has_the_usage_that_was_asked_for(reusing: Reusing) -> None:
    engine = reusing.engine()
    reusing.call(SAME)
    feed(engine, whole("hello"))
    again = reusing.call(STREAM[:-1] + b',"stream_options":{"include_usage":true}}')
    assert events(again).count(b'"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}') == 1


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        (SAME.replace(b'"temperature":0', b'"temperature":1'), ""),
        (SAME.replace(b'"temperature":0', b'"n":1'), ""),
        (SAME, "bypass"),
        (SAME[:-1] + b',"n":2}', "use"),
        (SAME[:-1] + b',"tools":[{"type":"function","function":{"name":"f"}}]}', "use"),
    ],
)
def test_what_may_not_be_reused_is_not(reusing: Reusing, body: bytes, mode: str) -> None:
    for _ in range(2):
        engine = reusing.engine()
        client = reusing.call(body, mode)
        feed(engine, whole("hello"))
        assert engine.written
        assert b"x-forebay-cache" not in client.written


def test_use_asks_for_it_and_refresh_replaces_it(reusing: Reusing) -> None:
    body = SAME.replace(b'"temperature":0', b'"temperature":1')
    engine = reusing.engine()
    reusing.call(body, "use")
    feed(engine, whole("old"))
    engine.take()
    assert b"old" in reusing.call(body, "use").written
    reusing.call(body, "refresh")
    feed(engine, whole("new"))
    assert b"new" in reusing.call(body, "use").written


def test_any_other_word_is_refused(reusing: Reusing) -> None:
    answer = reusing.call(SAME, "only-if-cached").written
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"param":"x-forebay-cache"' in answer


def test_an_answer_ends_with_its_time_and_with_its_policy(reusing: Reusing) -> None:
    engine = reusing.engine()
    reusing.call(SAME)
    feed(engine, whole("hello"))
    assert b": hit" in reusing.call(SAME).written
    reusing.use(msgspec.structs.replace(POLICY, version="v2"))
    assert not reusing.gateway.parts.reuse.held_bytes()
    assert b": miss" in answered(reusing, "again")
    assert b": hit" in reusing.call(SAME).written
    reusing.gateway.clock.now += POLICY.ttl_s
    assert b": miss" in answered(reusing, "anew")


def test_a_generation_that_a_reload_overtakes_is_finished_and_not_kept(reusing: Reusing) -> None:
    engine = reusing.engine()
    client = reusing.call(SAME)
    reusing.use(msgspec.structs.replace(POLICY, version="v2"))
    feed(engine, whole("hello"))
    assert b"hello" in client.written
    assert not reusing.gateway.parts.reuse.held_bytes()


def test_a_tenant_that_is_not_named_takes_no_part(tmp_path: Path) -> None:
    reusing = Reusing(tmp_path, tenants=("other",))
    assert b"x-forebay-cache" not in answered(reusing, "hello")


def answered(reusing: Reusing, text: str) -> bytes:
    engine = reusing.engine()
    client = reusing.call(SAME)
    feed(engine, whole(text))
    return client.written
