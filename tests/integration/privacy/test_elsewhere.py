"""Masking beside the other policies: caches, followers, cascades, continued streams; and when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from tests.integration.privacy.conftest import POLICY, Masking
from tests.integration.privacy.speech import chat, heard, payloads, says, streams

from forebay.gateway.cascade.policy import Bounds, CascadePolicy
from forebay.gateway.reuse.policy import CachePolicy
from forebay.gateway.snapshot import ModelRef
from forebay.privacy.policy import Actions, Scope
from forebay.testing.fake_engine import Exchange, FakeEngine, completion
from forebay.testing.fake_vllm import FakeVllm, tokens
from forebay.testing.worker import wait_for

PHONE, OTHER = "13812345678", "13912345678"
CACHE = CachePolicy(version="1", exact=True, single_flight=True, ttl_s=60.0, memory_bytes=2**20, answer_bytes=2**20)


@pytest.fixture(scope="module")
def cached(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Masking]:
    worker = Masking(tmp_path_factory.mktemp("state"), engine.port)
    worker.snapshot = msgspec.structs.replace(worker.snapshot, models=(ModelRef(name="m", cache=CACHE),))
    with worker:
        yield worker


def _ask(text: str, **more: object) -> dict[str, Any]:
    return {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": text}], **more}


def _content(body: bytes) -> str:
    return str(orjson.loads(body)["choices"][0]["message"]["content"])


def test_a_kept_answer_is_the_masked_one_in_both_forms(cached: Masking, engine: FakeEngine) -> None:
    engine.script = says(f"call {PHONE} now")
    before = engine.requests
    assert _content(cached.ask(_ask(f"one {PHONE}"))[1]) == "call [CN_MOBILE] now"
    assert _content(cached.ask(_ask(f"one {PHONE}"))[1]) == "call [CN_MOBILE] now"
    assert heard(cached.ask(_ask(f"one {PHONE}", stream=True))[1]) == "call [CN_MOBILE] now"
    assert engine.requests == before + 1


def test_a_kept_stream_is_the_masked_one(cached: Masking, engine: FakeEngine) -> None:
    engine.script = streams(*chat(*({"content": each} for each in f"call {PHONE} now")))
    before = engine.requests
    assert heard(cached.ask(_ask("two", stream=True))[1]) == "call [CN_MOBILE] now"
    assert heard(cached.ask(_ask("two", stream=True))[1]) == "call [CN_MOBILE] now"
    assert _content(cached.ask(_ask("two"))[1]) == "call [CN_MOBILE] now"
    assert engine.requests == before + 1


def test_what_is_asked_of_the_cache_is_the_masked_question(cached: Masking, engine: FakeEngine) -> None:
    engine.script = says("ok")
    before = engine.requests
    for number in (PHONE, OTHER):
        assert cached.ask(_ask(f"three {number}"))[0] == 200
    assert engine.requests == before + 1


def test_an_answer_with_names_is_one_callers_alone(cached: Masking, engine: FakeEngine) -> None:
    engine.script = says("to <CN_MOBILE_1>")
    for number in (PHONE, OTHER):
        assert _content(cached.ask(_ask(f"four {number}"), tenant="named")[1]) == f"to {number}"
    engine.script = streams(*chat(*({"content": each} for each in "to <CN_MOBILE_1>")))
    for number in (PHONE, OTHER):
        assert heard(cached.ask(_ask(f"five {number}", stream=True), tenant="named")[1]) == f"to {number}"


def test_an_answer_that_was_withheld_is_not_kept(cached: Masking, engine: FakeEngine) -> None:
    engine.script = says(PHONE)
    for _ in range(2):
        assert cached.ask(_ask("six"), tenant="strict")[0] == 403
    engine.script = says("fine")
    assert _content(cached.ask(_ask("six"), tenant="strict")[1]) == "fine"


def test_a_new_policy_holds_from_the_next_call_on(engine: FakeEngine, tmp_path: Path) -> None:
    engine.script = says(PHONE)
    with Masking(tmp_path, engine.port) as worker:
        assert _content(worker.ask(_ask("x"))[1]) == "[CN_MOBILE]"
        allow = Scope(input=Actions("allow"), output=Actions("allow"))
        for policy, wanted in (
            (msgspec.structs.replace(POLICY, scopes=(allow,)), PHONE),
            (POLICY, "[CN_MOBILE]"),
            (None, PHONE),
        ):
            worker.snapshot = msgspec.structs.replace(worker.snapshot, privacy=policy)
            worker.reload()
            assert _content(worker.ask(_ask("x"))[1]) == wanted


def test_a_first_models_answer_is_searched_like_any(engine: FakeEngine, tmp_path: Path) -> None:
    async def script(exchange: Exchange) -> None:
        answer = orjson.loads(completion(f"call {PHONE}"))
        answer["choices"][0]["logprobs"] = {"content": [{"token": "x", "logprob": -0.01}]}
        await exchange.answer(orjson.dumps(answer))

    engine.script = script
    worker = Masking(tmp_path, engine.port)
    first = CascadePolicy(first="small", bounds=Bounds(mean_logprob=-1.0))
    small = msgspec.structs.replace(worker.snapshot.engines[0], name="s1", model="small")
    worker.snapshot = msgspec.structs.replace(
        worker.snapshot, models=(ModelRef(name="m", cascade=first), ModelRef(name="small")),
        engines=(*worker.snapshot.engines, small),
    )  # fmt: skip
    with worker:
        assert _content(worker.ask(_ask("x"))[1]) == "call [CN_MOBILE]"
        assert engine.seen[-1].fields["model"] == "small"
        assert heard(worker.ask(_ask("x", stream=True))[1]) == "call [CN_MOBILE]"
        status, body = worker.ask(_ask("x"), tenant="strict")
        assert (status, orjson.loads(body)["error"]["code"]) == (403, "answer_withheld")


def test_text_behind_its_own_end_ends_the_stream(worker: Masking, engine: FakeEngine) -> None:
    """What would join with it has gone on already."""
    engine.script = streams(*chat({"content": "call 138"}), *chat({"content": "12345678"}))
    body = worker.ask(_ask("x", stream=True))[1]
    assert payloads(body)[-1]["error"]["code"] == "privacy_failed"
    assert b"12345678" not in body


def test_a_run_without_end_is_bounded_and_nothing_of_a_value_in_it_passes(worker: Masking, engine: FakeEngine) -> None:
    pieces = ["a" * 4_000] * 50 + [f" {PHONE} "] + ["-----BEGIN PRIVATE KEY-----\n"] + ["MIIE" * 1_000] * 50
    engine.script = streams(*chat(*({"content": each} for each in pieces)))
    text = heard(worker.ask(_ask("x", stream=True))[1])
    assert text == "a" * 200_000 + " [CN_MOBILE] [PRIVATE_KEY]"


def test_a_value_over_the_cut_of_a_continued_stream_is_masked(tmp_path: Path) -> None:
    answer = tokens(f"请致电 {PHONE}，谢谢。")
    vllm = FakeVllm(answer)

    async def dies(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for payload in list(vllm.stream(exchange.fields, "/v1/chat/completions"))[:16]:
            await exchange.event(payload)
        exchange.close()

    with FakeEngine(dies) as first, FakeEngine(dies) as second:
        worker = Masking(tmp_path, first.port)
        engine = msgspec.structs.replace(worker.snapshot.engines[0], continues=True)
        other = msgspec.structs.replace(engine, name="e2", port=second.port)
        model = ModelRef(name="m", continuation=True)
        worker.snapshot = msgspec.structs.replace(worker.snapshot, models=(model,), engines=(engine, other))
        with worker:
            asked_first: list[FakeEngine] = []

            async def dies_once(exchange: Exchange) -> None:
                if asked_first:
                    await vllm(exchange)
                else:
                    asked_first.append(first)
                    await dies(exchange)

            first.script = second.script = dies_once
            status, body = worker.ask(_ask("x", stream=True))
            assert status == 200
            assert heard(body) == "请致电 [CN_MOBILE]，谢谢。"
            wait_for(
                "it was continued", lambda: worker.counted("forebay_continuations_total", outcome="continued") == 1
            )
