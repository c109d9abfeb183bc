"""A real worker over several engines: calls go where its policy says, and a reload changes it between two calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from tests.integration.gateway.raw import FIELDS
from tests.integration.gateway.scripts import Gate, answers_after

from forebay.engines.spec import EngineRouting
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import GatewayWorker, wait_for


class Setting:
    """`count` engines and a worker; `use` sets the model's policy and what each engine is to routing."""

    def __init__(self, stack: ExitStack, folder: Path, count: int, places: int = 8) -> None:
        self.engines = [stack.enter_context(FakeEngine()) for _ in range(count)]
        self.worker = GatewayWorker(folder, [engine.port for engine in self.engines], places=places)

    def use(self, policy: RoutingPolicy | None, *engines: EngineRouting) -> GatewayWorker:
        snapshot = self.worker.snapshot
        models = tuple(msgspec.structs.replace(each, routing=policy) for each in snapshot.models)
        refs = snapshot.engines
        if engines:
            refs = tuple(msgspec.structs.replace(ref, routing=r) for ref, r in zip(refs, engines, strict=True))
        self.worker.snapshot = msgspec.structs.replace(snapshot, models=models, engines=refs)
        if self.worker.process is not None:
            self.worker.reload()
        return self.worker

    def routable(self, **names: bool) -> None:
        refs = [
            msgspec.structs.replace(each, routable=names.get(each.name, each.routable))
            for each in self.worker.snapshot.engines
        ]
        self.worker.snapshot = msgspec.structs.replace(self.worker.snapshot, engines=tuple(refs))
        self.worker.reload()

    def asked(self) -> list[int]:
        return [engine.requests for engine in self.engines]


Start = Callable[..., Setting]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda count, places=8: Setting(stack, tmp_path, count, places)


def ask(worker: GatewayWorker, text: str = "hi", **headers: str) -> None:
    fields: dict[str, Any] = {**FIELDS, "messages": [{"role": "user", "content": text}]}
    status, body = worker.post(fields, **headers)
    assert status == 200, body


def test_a_canary_gets_its_share_exactly(start: Start) -> None:
    setting = start(2)
    split = RoutingPolicy(scorers={}, pick="weighted")
    with setting.use(split, EngineRouting(weight=9), EngineRouting(weight=1)) as worker:
        for _ in range(50):
            ask(worker)
        assert setting.asked() == [45, 5]
        setting.use(split, EngineRouting(weight=1), EngineRouting(weight=1))
        for _ in range(20):
            ask(worker)
        assert setting.asked() == [55, 15]


def test_a_call_that_asks_for_it_always_goes_the_same_way(start: Start) -> None:
    setting = start(2)
    with setting.use(RoutingPolicy(scorers={}, pick="weighted")) as worker:
        for number in range(8):
            before = setting.asked()
            for _ in range(3):
                ask(worker, **{"x-request-id": f"request-{number}", "x-split-by": "request-id"})
            grown = [now - then for now, then in zip(setting.asked(), before, strict=True)]
            assert sorted(grown) == [0, 3]
        assert min(setting.asked()) > 0


@pytest.mark.parametrize("named", ["x-session-id", "prompt_cache_key", "user"])
def test_sessions_stay_where_they_are_when_an_engine_comes(start: Start, named: str) -> None:
    setting, calls = start(4), 80

    def ways() -> list[int]:
        found = []
        for number in range(calls):
            before = setting.asked()
            session = f"session-{number}"
            if named.startswith("x-"):
                ask(setting.worker, **{named: session})
            else:
                assert setting.worker.post({**FIELDS, named: session})[0] == 200
            found.append([now - then for now, then in zip(setting.asked(), before, strict=True)].index(1))
        return found

    with setting.use(RoutingPolicy(scorers={"session": 1.0})):
        setting.routable(e4=False)
        three = ways()
        assert ways() == three
        assert set(three) == {0, 1, 2}
        setting.routable(e4=True)
        moved = [new for old, new in zip(three, ways(), strict=True) if old != new]
        assert set(moved) == {3}
        assert len(moved) <= calls * (1 / 4 + 0.15)


def test_one_prompt_goes_to_one_engine_until_that_would_take_it_down(start: Start) -> None:
    setting, gate = start(3), Gate()
    with setting.use(RoutingPolicy(scorers={"prefix": 1.0}, imbalance=1.25)) as worker, ThreadPoolExecutor(12) as pool:
        prompt = "You are a helpful assistant. " * 40
        for number in range(6):
            ask(worker, f"{prompt} {number}")
        assert sorted(setting.asked()) == [0, 0, 6]
        for engine in setting.engines:
            engine.script = gate
        calls = [pool.submit(ask, worker, f"{prompt} {number}") for number in range(12)]
        wait_for("all are at engines", lambda: sum(engine.running for engine in setting.engines) == 12)
        assert max(engine.running for engine in setting.engines) <= 5  # 1.25 times a third of 12
        gate.is_open = True
        for call in calls:
            call.result(60)


def test_long_prompts_count_for_more_than_short_ones(start: Start) -> None:
    setting, gate = start(2), Gate()
    policy = RoutingPolicy(scorers={"least_tokens": 1.0}, imbalance=100)
    with setting.use(policy) as worker, ThreadPoolExecutor(8) as pool:
        for engine in setting.engines:
            engine.script = gate
        long = pool.submit(ask, worker, "x" * 40_000)
        wait_for("it is there", lambda: sum(setting.asked()) == 1)
        busy = setting.asked().index(1)
        short = [pool.submit(ask, worker, "y") for _ in range(5)]
        wait_for("all are at engines", lambda: sum(setting.asked()) == 6)
        assert setting.asked()[busy] == 1
        assert worker.counted("forebay_engine_outstanding_tokens", engine=f"e{busy + 1}") > 10_000
        gate.is_open = True
        for call in (long, *short):
            call.result(60)
        wait_for("all is settled", lambda: worker.counted("forebay_engine_outstanding_tokens") == 0)


def test_standby_and_worse_tiers_serve_only_when_the_others_cannot(start: Start) -> None:
    setting, gate = start(3, places=2), Gate()
    routing = (EngineRouting(), EngineRouting(tier=1), EngineRouting(standby=True))
    with setting.use(None, *routing) as worker, ThreadPoolExecutor(6) as pool:
        for _ in range(4):
            ask(worker)
        assert setting.asked() == [4, 0, 0]
        for engine in setting.engines:
            engine.script = gate
        calls = []
        for number, wanted in enumerate(([5, 0, 0], [6, 0, 0], [6, 1, 0], [6, 2, 0], [6, 2, 1])):
            calls.append(pool.submit(ask, worker))
            wait_for("it is at an engine", lambda total=5 + number: sum(setting.asked()) == total)
            assert setting.asked() == wanted
        gate.is_open = True
        for call in calls:
            call.result(60)
        setting.engines[0].kill()
        setting.engines[1].kill()
        ask(worker)
        assert setting.asked()[2] == 2


def test_an_engine_that_has_just_started_gets_little_at_first(start: Start) -> None:
    setting = start(2)
    with setting.use(None, EngineRouting(), EngineRouting(warm_up_s=3600)) as worker:
        setting.routable(e2=False)
        setting.routable(e2=True)
        for _ in range(40):
            ask(worker)
        assert setting.asked()[1] <= 1
        setting.routable(e1=False)
        ask(worker)
        assert setting.asked()[1] >= 1


def test_a_faster_engine_is_preferred(start: Start) -> None:
    setting = start(2)
    setting.engines[0].script = answers_after(1.0)
    with setting.use(RoutingPolicy(scorers={"latency": 1.0})) as worker:
        for _ in range(12):
            assert worker.post({**FIELDS, "stream": True})[0] == 200
        assert setting.asked()[1] >= 8  # once is too often: it must be asked to be known, and a machine may be busy


def test_an_adapter_is_a_model_that_only_its_engines_serve(start: Start) -> None:
    setting = start(3)
    routing = (EngineRouting(), EngineRouting(adapters=("sql",)), EngineRouting(adapters=("sql", "poems")))
    with setting.use(RoutingPolicy(scorers={"adapters": 1.0, "least_loaded": 0.1}), *routing) as worker:
        for _ in range(6):
            assert worker.post({**FIELDS, "model": "sql"})[0] == 200
        assert sorted(setting.asked()) == [0, 0, 6]
        assert setting.asked()[0] == 0
        busy = setting.engines[setting.asked().index(6)]
        assert busy.seen[-1].fields["model"] == "sql"
        assert worker.post({**FIELDS, "model": "poems"})[0] == 200
        assert setting.engines[2].seen[-1].fields["model"] == "poems"
        status, body = worker.post({**FIELDS, "model": "prose"})
        assert (status, orjson.loads(body)["error"]["code"]) == (404, "model_not_found")
