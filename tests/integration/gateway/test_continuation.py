"""A stream that its engine cuts goes on at another one; what cannot be taken up exactly ends with an error event."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from tests.integration.gateway.raw import CHAT, Answer, Raw
from tests.integration.gateway.scripts import STREAM_HEAD, Script

from forebay.gateway.reuse.policy import CachePolicy
from forebay.gateway.rollout.policy import RolloutPolicy
from forebay.testing.fake_engine import Exchange, FakeEngine, delta, say_hello
from forebay.testing.fake_vllm import FakeVllm, tokens
from forebay.testing.worker import GatewayWorker, wait_for
from forebay.wire.chunked import LAST_CHUNK, chunk

ANSWER = tokens("Grüße, 世界! 😀.", 2)
TEXT = "/v1/completions"
ASKED: dict[str, Any] = {"model": "m", "stream": True, "temperature": 0, "stream_options": {"include_usage": True}}
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {**ASKED, "messages": [{"role": "user", "content": "x"}]},
    TEXT: {**ASKED, "prompt": "x", "max_tokens": 100},
}
Trio = tuple[FakeEngine, FakeEngine, GatewayWorker]


def cut(after: int, then: bytes = b"", *, how: str = "reset", groups: tuple[int, ...] = ()) -> Script:
    """A vLLM that dies `after` events, having sent `then` too."""

    async def script(exchange: Exchange) -> None:
        path = exchange.head.split(b" ", 2)[1].decode()
        payloads = [*FakeVllm(ANSWER, groups).stream(exchange.fields, path), b"[DONE]"]
        await exchange.begin_stream()
        for payload in payloads[:after]:
            await exchange.event(payload)
            await asyncio.sleep(0.002)
        if then:
            await exchange.send(then)
        await asyncio.sleep(0.02)  # a reset would overtake what was sent
        if how == "reset":
            exchange.reset()
        elif how == "close":
            exchange.close()
        await exchange.until_client_leaves()

    return script


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[Trio]:
    """Two engines that tell token ids, the first asked first, and a worker whose model is continued."""
    with FakeEngine(FakeVllm(ANSWER)) as first, FakeEngine(FakeVllm(ANSWER)) as second:
        worker = GatewayWorker(tmp_path, [first.port, second.port])
        with marked(worker) as running:
            yield first, second, running


def marked(worker: GatewayWorker, **engines: bool) -> GatewayWorker:
    """Continuation for its model, and for those of its engines that `engines` does not except."""
    snapshot = worker.snapshot
    worker.snapshot = msgspec.structs.replace(
        snapshot,
        models=tuple(msgspec.structs.replace(each, continuation=True) for each in snapshot.models),
        engines=tuple(msgspec.structs.replace(e, continues=engines.get(e.name, True)) for e in snapshot.engines),
    )
    return worker


def asked(worker: GatewayWorker, path: str = CHAT, **more: Any) -> Answer:
    with Raw(worker) as raw:
        return raw.call(orjson.dumps({**BODIES[path], **more}), path=path).answer()


def said(answer: Answer) -> tuple[str, str | None, dict[str, int] | None]:
    """Text, end and token counts; the error's code is the end of a stream that was given up."""
    text, finish, usage = "", None, None
    for payload in answer.payloads:
        fields = {} if payload == b"[DONE]" else orjson.loads(payload)
        finish = fields["error"]["code"] if "error" in fields else finish
        usage = fields.get("usage") or usage
        for choice in fields.get("choices", ()):
            text += choice["delta"].get("content") or "" if "delta" in choice else choice["text"]
            finish = choice.get("finish_reason") or finish
    return text, finish, usage


def outcomes(worker: GatewayWorker, outcome: str) -> float:
    return worker.counted("forebay_continuations_total", outcome=outcome)


def access_line(worker: GatewayWorker) -> dict[str, Any]:
    def lines() -> list[dict[str, Any]]:
        return [line for line in worker.log_lines() if line["message"] == "request"]

    wait_for("the call is in the log", lines)
    return lines()[-1]


EVENTS = len(list(FakeVllm(ANSWER).stream({**BODIES[CHAT], "return_token_ids": True}, CHAT))) + 1
ENDS: dict[str, tuple[bytes, str]] = {
    "reset": (b"", "reset"),
    "closed": (b"", "close"),
    "silent": (b"", "silence"),
    "half an event": (chunk(b'data: {"choices":[{"ind'), "reset"),
    "half a chunk": (b"40\r\ndata: {", "reset"),
    "half a size": (b"4", "close"),
    "bad framing": (b"zz\r\n", "silence"),
    "framed as if complete": (LAST_CHUNK, "silence"),
    "it says that it failed": (
        chunk(b'data: {"error":{"code":500}}\n\ndata: [DONE]\n\n') + LAST_CHUNK, "silence"),
    "it says that it was stopped": (
        chunk(b'data: {"choices":[{"index":0,"delta":{"content":""},"text":"","finish_reason":"abort"}]}\n\n')
        + chunk(b"data: [DONE]\n\n") + LAST_CHUNK, "silence"),
}  # fmt: skip


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("case", ENDS)
def test_however_an_engine_ends_the_client_notices_nothing(trio: Trio, case: str, path: str) -> None:
    first, second, worker = trio
    whole = asked(worker, path)
    then, how = ENDS[case]
    if case == "silent":
        worker.policy(chunk_s=1.0).reload()
    first.script = second.script = once(cut(6, then, how=how), FakeVllm(ANSWER))
    assert said(asked(worker, path)) == said(whole)
    wait_for("it is counted", lambda: outcomes(worker, "continued") == 1)


def once(script: Script, then: Script) -> Script:
    """`script` for the first call, `then` for all others, at whichever engine."""
    calls: list[Exchange] = []

    async def chosen(exchange: Exchange) -> None:
        calls.append(exchange)
        await (script if len(calls) == 1 else then)(exchange)

    return chosen


@pytest.mark.parametrize("after", range(1, EVENTS))
def test_a_cut_behind_any_event_loses_nothing(trio: Trio, after: int) -> None:
    first, _, worker = trio
    whole = asked(worker)
    first.script = cut(after)
    cut_before = worker.counted("forebay_cut_streams_total")
    while worker.counted("forebay_cut_streams_total") == cut_before:
        answer = asked(worker)
        assert said(answer) == said(whole)
        assert b"token_ids" not in answer.body
        assert answer.payloads[-1] == b"[DONE]"
        if after == EVENTS:  # behind [DONE] nothing is missing
            break


@pytest.mark.parametrize("exact", [True, False])
def test_a_stream_that_several_follow_goes_on_for_all_and_is_kept_whole(trio: Trio, exact: bool) -> None:
    first, second, worker = trio
    whole = asked(worker)
    cache = CachePolicy(
        version="v1", exact=exact, single_flight=True, ttl_s=60.0, memory_bytes=10_000_000, answer_bytes=1_000_000
    )
    models = tuple(msgspec.structs.replace(each, cache=cache) for each in worker.snapshot.models)
    worker.snapshot = msgspec.structs.replace(worker.snapshot, models=models)
    worker.reload()
    first.script = second.script = once(cut(6), FakeVllm(ANSWER))
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(asked, worker) for _ in range(3)]
        assert all(said(each.result(60)) == said(whole) for each in calls)
    wait_for("it is counted", lambda: outcomes(worker, "continued") == 1)
    if exact:
        again = asked(worker)
        assert (said(again), again.headers["x-forebay-cache"]) == (said(whole), "hit")


@pytest.mark.parametrize("canary", [("e1",), ("e2",)])
def test_what_one_release_began_no_other_goes_on_with(trio: Trio, canary: tuple[str, ...]) -> None:
    first, second, worker = trio
    rollout = RolloutPolicy(id="r", canary=canary, by_header=True)
    models = tuple(msgspec.structs.replace(each, rollout=rollout) for each in worker.snapshot.models)
    worker.snapshot = msgspec.structs.replace(worker.snapshot, models=models)
    worker.reload()
    first.script = second.script = once(cut(6), FakeVllm(ANSWER))
    assert said(asked(worker))[1] == "stream_cut"
    wait_for("it is counted", lambda: outcomes(worker, "no_engine") == 1)
    assert first.requests + second.requests == 1


def test_it_is_counted_and_logged(trio: Trio) -> None:
    first, second, worker = trio
    first.script = second.script = once(cut(7), FakeVllm(ANSWER))
    _, _, usage = said(asked(worker))
    line = access_line(worker)
    assert (line["continuations"], line["status"], line.get("code")) == (1, 200, None)
    assert usage is not None
    assert line["tokens"] == {"input": usage["prompt_tokens"], "output": usage["completion_tokens"]}
    assert worker.counted("forebay_cut_streams_total", reason="reset") == 1
    wait_for("no place is held", lambda: worker.counted("forebay_engine_outstanding") == 0)
    ((rest,), (begun,)) = sorted(([each] for each in first.seen + second.seen), key=lambda each: each[0].head)[::-1]
    assert {rest.head.split()[1], begun.head.split()[1]} == {b"/v1/completions", b"/v1/chat/completions"}


REFUSED: dict[str, dict[str, Any]] = {
    "tools": {"tools": [{"type": "function", "function": {"name": "f"}}]},
    "structured output": {"response_format": {"type": "json_object"}},
    "log-probabilities": {"logprobs": True},
    "a penalty": {"frequency_penalty": 0.5},
    "two answers": {"n": 2},
    "a seed": {"seed": 7},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_up_exactly_ends_as_before(trio: Trio, case: str) -> None:
    first, second, worker = trio
    first.script = second.script = cut(4)
    _, end, _ = said(asked(worker, **REFUSED[case]))
    assert end == "stream_cut"
    assert first.requests + second.requests == 1
    assert "return_token_ids" not in (first.seen + second.seen)[0].fields
    wait_for("it is counted", lambda: outcomes(worker, "refused") == 1)
    assert access_line(worker)["code"] == "stream_cut"


def test_a_sampled_stream_goes_on_where_its_tokens_are_certain_and_nowhere_else(trio: Trio) -> None:
    first, second, worker = trio
    first.script = second.script = once(cut(4), FakeVllm(ANSWER))
    assert said(asked(worker, temperature=0.8))[1] == "stop"
    first.script = second.script = once(cut(3, groups=(3, 3)), FakeVllm(ANSWER))
    assert said(asked(worker, temperature=0.8))[1] == "stream_cut"
    wait_for("it is counted", lambda: outcomes(worker, "refused") == 1)


def test_an_engine_that_takes_no_token_ids_is_never_asked_to_go_on(tmp_path: Path) -> None:
    with FakeEngine(cut(6)) as first, FakeEngine(say_hello) as second, ExitStack() as stack:
        worker = stack.enter_context(marked(GatewayWorker(tmp_path, [first.port, second.port]), e2=False))
        while not first.requests:
            asked(worker)
        assert not [each for each in second.seen if each.head.startswith(b"POST /v1/completions")]
        assert not [each for each in second.seen if "return_token_ids" in each.fields]
        wait_for("it is counted", lambda: worker.counted("forebay_continuations_total") >= 1)
        assert outcomes(worker, "continued") == 0


def test_an_engine_that_tells_no_token_ids_is_cut_as_before(trio: Trio) -> None:
    first, second, worker = trio

    async def old(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta("more"))
        await asyncio.sleep(0.02)
        exchange.reset()

    first.script = second.script = old
    assert said(asked(worker)) == ("more", "stream_cut", None)
    assert first.requests + second.requests == 1
    wait_for("it is counted", lambda: outcomes(worker, "refused") == 1)


def test_a_reload_turns_it_on_and_off_between_two_calls(trio: Trio) -> None:
    """A call that runs keeps what it began with."""
    first, second, worker = trio
    on, whole = worker.snapshot, said(asked(worker))
    off = msgspec.structs.replace(
        on, models=tuple(msgspec.structs.replace(each, continuation=False) for each in on.models)
    )
    for snapshot, end in ((off, "stream_cut"), (on, "stop"), (off, "stream_cut")):
        worker.snapshot = snapshot
        worker.reload()
        first.script = second.script = once(cut(4), FakeVllm(ANSWER))
        answer = said(asked(worker))
        assert answer[1] == end
        assert (answer == whole) is (end == "stop")
    wait_for("it is counted once", lambda: outcomes(worker, "continued") == 1)


def test_two_continuations_are_enough(trio: Trio) -> None:
    first, second, worker = trio
    first.script = second.script = cut(3)
    text, end, _ = said(asked(worker))
    assert end == "stream_cut"
    assert "Grüße, 世界! 😀.".startswith(text)
    assert first.requests + second.requests == 3
    wait_for("it is counted", lambda: outcomes(worker, "no_budget") == 1)
    assert access_line(worker)["continuations"] == 2


def test_a_continuation_comes_out_of_the_retry_budget(trio: Trio) -> None:
    first, second, worker = trio
    worker.policy(retry_budget_ratio=0.0).reload()
    first.script = second.script = cut(3)
    for _ in range(40):
        asked(worker)
    wait_for("the budget is spent", lambda: outcomes(worker, "no_budget") >= 8)
    assert first.requests + second.requests <= 40 + 2 * 8  # what one dying engine throws back


@pytest.mark.parametrize("in_one_piece", [False, True])
def test_an_engine_that_says_something_else_is_not_believed(trio: Trio, in_one_piece: bool) -> None:
    first, second, worker = trio
    other = FakeVllm(tokens("Something else.", 1))

    async def elsewhere(exchange: Exchange) -> None:
        await exchange.begin_stream()
        payloads = [*other.stream({**exchange.fields, "prompt": "x"}, TEXT), b"[DONE]"]
        pieces = [*(chunk(b"data: " + payload + b"\n\n") for payload in payloads), LAST_CHUNK]
        for piece in [b"".join(pieces)] if in_one_piece else pieces:
            await exchange.send(piece)

    first.script = second.script = once(cut(3, groups=(3, 3)), elsewhere)
    text, end, _ = said(asked(worker))
    assert (text, end) == ("Grüße, 世", "stream_cut")
    wait_for("it is counted", lambda: outcomes(worker, "diverged") == 1)


def test_a_client_that_leaves_while_it_goes_on_aborts_the_second_engine(trio: Trio) -> None:
    first, second, worker = trio

    async def slow(exchange: Exchange) -> None:
        payloads = list(FakeVllm(ANSWER).stream(exchange.fields, TEXT))
        await exchange.begin_stream()
        await exchange.event(payloads[0])
        await exchange.until_client_leaves()

    first.script = second.script = once(cut(4), slow)
    with Raw(worker) as raw:
        raw.call(orjson.dumps(BODIES[CHAT])).until(b"data: ")
        wait_for("it goes on", lambda: first.requests + second.requests == 2)
        raw.reset()
    wait_for("its work is aborted", lambda: first.running + second.running == 0)
    wait_for("it is counted", lambda: outcomes(worker, "cancelled") == 1)
    wait_for("no place is held", lambda: worker.counted("forebay_engine_outstanding") == 0)


def test_a_call_that_takes_too_long_is_told_so_while_it_goes_on(trio: Trio) -> None:
    first, second, worker = trio
    worker.policy(call_s=2.0).reload()  # it shall have begun by then

    async def silent(exchange: Exchange) -> None:
        await exchange.send(STREAM_HEAD + b"transfer-encoding: chunked\r\n\r\n")
        await exchange.until_client_leaves()

    first.script = second.script = once(cut(4), silent)
    assert said(asked(worker))[1] == "deadline_exceeded"
    wait_for("its work is aborted", lambda: first.running + second.running == 0)
