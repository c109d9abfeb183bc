"""A real worker between two releases: who is asked, what is logged of it, and what a copy leaves behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.gateway.raw import FIELDS
from tests.integration.gateway.scripts import Script

from forebay.gateway.reuse.policy import CachePolicy
from forebay.gateway.rollout.policy import RolloutPolicy
from forebay.release.judge.observation import observed
from forebay.testing.fake_engine import Exchange, FakeEngine, completion
from forebay.testing.worker import GatewayWorker, wait_for

CALLS = 80
STABLE, BASELINE, CANARY = "e1", "e2", "e3"


class Setting:
    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.engines = [stack.enter_context(FakeEngine()) for _ in range(3)]
        self.worker = GatewayWorker(folder, [engine.port for engine in self.engines])
        stack.enter_context(self.worker)

    def roll(self, **changes: Any) -> None:
        policy = RolloutPolicy(**{"id": "r", "canary": (CANARY,), "baseline": (BASELINE,), **changes})
        models = tuple(msgspec.structs.replace(each, rollout=policy) for each in self.worker.snapshot.models)
        self.worker.snapshot = msgspec.structs.replace(self.worker.snapshot, models=models)
        self.worker.reload()

    def end(self) -> None:
        models = tuple(msgspec.structs.replace(each, rollout=None) for each in self.worker.snapshot.models)
        self.worker.snapshot = msgspec.structs.replace(self.worker.snapshot, models=models)
        self.worker.reload()

    def cache(self) -> None:
        policy = CachePolicy(
            version="v1", exact=True, single_flight=True, ttl_s=600.0, memory_bytes=10_000_000, answer_bytes=1_000_000
        )
        models = tuple(msgspec.structs.replace(each, cache=policy) for each in self.worker.snapshot.models)
        self.worker.snapshot = msgspec.structs.replace(self.worker.snapshot, models=models)

    def call(self, count: int = CALLS, **more: Any) -> None:
        for _ in range(count):
            status, _ = self.worker.post(FIELDS, **more)
            assert status == 200

    def lines(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.worker.log_lines() if line["message"] == message and "lane" in line]

    def wait_for_lines(self, message: str, count: int) -> list[dict[str, Any]]:
        wait_for("all lines are written", lambda: len(self.lines(message)) >= count, 60.0)
        return self.lines(message)


def says(text: str) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(completion(text))

    return script


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with ExitStack() as stack:
        yield Setting(stack, tmp_path)


def test_each_lane_reaches_its_own_engines_and_the_log_tells_the_judge(setting: Setting) -> None:
    setting.roll(share_ratio=0.3)
    setting.call()
    lines = setting.wait_for_lines("request", CALLS)
    engine_of = {"stable": STABLE, "baseline": BASELINE, "canary": CANARY}
    assert {line["lane"] for line in lines} == set(engine_of)
    assert all(line["engine"] == engine_of[line["lane"]] for line in lines)
    assert Counter(line["finish_reason"] for line in lines) == {"stop": CALLS}
    seen = [observed(line, "canary") for line in lines if line["lane"] == "canary"]
    assert all(each is not None and each.ok and each.output_tokens == 3 for each in seen)


def test_a_stream_tells_why_it_ended_and_when_it_began(setting: Setting) -> None:
    setting.roll(share_ratio=0.5)
    setting.worker.post({**FIELDS, "stream": True})
    (line,) = setting.wait_for_lines("request", 1)
    seen = observed(line, "canary")
    assert seen is not None
    assert seen.ttft_s is not None
    assert seen.stratum[2]


def test_a_header_goes_to_the_canary_and_is_not_compared(setting: Setting) -> None:
    setting.roll(by_header=True)
    setting.call(5, **{"x-forebay-release": "canary"})
    setting.call(5)
    lanes = Counter((line["lane"], line["engine"]) for line in setting.wait_for_lines("request", 10))
    assert lanes == {("chosen", CANARY): 5, ("stable", STABLE): 5}


def test_a_canary_that_fails_costs_nobody_an_answer(setting: Setting) -> None:
    async def break_off(exchange: Exchange) -> None:
        exchange.reset()

    setting.engines[2].script = break_off
    setting.roll(share_ratio=0.5)
    setting.call(20)


def test_copies_go_to_both_sides_and_are_dropped_and_free(setting: Setting) -> None:
    setting.roll(shadow_ratio=1.0)
    for number in range(1, 11):
        setting.call(1)
        copies = setting.wait_for_lines("shadow", 2 * number)
    assert Counter((line["lane"], line["engine"]) for line in copies) == {
        ("canary", CANARY): 10,
        ("baseline", BASELINE): 10,
    }
    assert all(observed(line, "canary") is not None for line in copies)
    assert [engine.requests for engine in setting.engines] == [10, 10, 10]
    assert setting.worker.counted("vllm_requests_total") == 10
    assert setting.worker.counted("forebay_tokens_total", type="output") == 30


def test_a_copy_that_hangs_holds_nobody_up(setting: Setting) -> None:
    async def hang(exchange: Exchange) -> None:
        await exchange.until_client_leaves()

    setting.engines[2].script = hang
    setting.roll(shadow_ratio=1.0)
    setting.call(20)
    assert setting.engines[0].requests == 20


def test_what_a_canary_said_is_kept_for_calls_that_go_to_it_alone(setting: Setting) -> None:
    for name, engine in zip((STABLE, BASELINE, CANARY), setting.engines, strict=True):
        engine.script = says(name)
    setting.cache()
    setting.roll(by_header=True)

    def said(release: str) -> bytes:
        status, body = setting.worker.post({**FIELDS, "temperature": 0}, **{"x-forebay-release": release})
        assert status == 200
        return b"".join(name for name in (b"e1", b"e2", b"e3") if name in body)

    assert [said(release) for release in ("canary", "stable", "canary", "stable")] == [b"e3", b"e1", b"e3", b"e1"]
    assert [engine.requests for engine in setting.engines] == [1, 0, 1]
    setting.end()  # it is taken back
    assert said("stable") == said("canary") == b"e1"


def test_an_answer_from_outside_of_its_lane_is_not_kept(setting: Setting) -> None:
    setting.cache()
    setting.roll(by_header=True)
    setting.engines[2].kill()
    asked = {**FIELDS, "temperature": 0}
    setting.worker.post(asked, **{"x-forebay-release": "canary"})
    setting.engines[2].script = says(CANARY)
    setting.engines[2].revive()

    def is_asked() -> bool:
        return b"e3" in setting.worker.post(asked, **{"x-forebay-release": "canary"})[1]

    wait_for("the canary is asked", is_asked, 60.0)


def test_calls_behind_the_cache_speak_for_their_lane(setting: Setting) -> None:
    setting.cache()
    setting.roll(share_ratio=0.5)
    for number in range(20):
        assert setting.worker.post({**FIELDS, "temperature": 0, "seed": number})[0] == 200
    lines = setting.wait_for_lines("request", 20)
    engine_of = {"baseline": BASELINE, "canary": CANARY}
    assert all(line["engine"] == engine_of[line["lane"]] for line in lines)
    assert all(observed(line, "canary") is not None and line["finish_reason"] == "stop" for line in lines)


def test_the_end_of_a_rollout_gives_everybody_the_engine_that_is_left(setting: Setting) -> None:
    setting.roll(share_ratio=0.5)
    setting.call(10)
    setting.worker.snapshot = msgspec.structs.replace(
        setting.worker.snapshot, engines=setting.worker.snapshot.engines[2:]
    )
    setting.end()
    before = setting.engines[2].requests
    setting.call(10)
    assert setting.engines[2].requests == before + 10
