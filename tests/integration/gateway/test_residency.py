"""A tenant that is bound to a region: its calls reach engines there, or none."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.gateway.scripts import Gate

from forebay.engines.spec import EngineRouting
from forebay.gateway.snapshot import KeyRecord
from forebay.security.keys import digest, new_key
from forebay.testing.fake_engine import Exchange, FakeEngine, completion
from forebay.testing.worker import GatewayWorker, wait_for

CALL: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def worker(tmp_path: Path, seen: list[str]) -> Iterator[tuple[GatewayWorker, list[FakeEngine]]]:
    """Engines in cn, in eu and nowhere; the key's tenant is bound to cn."""

    def script(name: str) -> Any:
        async def answer(exchange: Exchange) -> None:
            seen.append(name)
            await exchange.answer(completion(name))

        return answer

    with ExitStack() as stack:
        engines = [stack.enter_context(FakeEngine(script(name))) for name in ("cn", "eu", "nowhere")]
        made = GatewayWorker(tmp_path, [engine.port for engine in engines])
        refs = [
            msgspec.structs.replace(ref, routing=EngineRouting(region=region))
            for ref, region in zip(made.snapshot.engines, ("cn", "eu", ""), strict=True)
        ]
        made.snapshot = msgspec.structs.replace(made.snapshot, engines=tuple(refs), regions={"t1": "cn"})
        stack.enter_context(made)
        yield made, engines


def without(worker: GatewayWorker, *names: str) -> None:
    """Take engines out of routing."""
    engines = tuple(
        msgspec.structs.replace(engine, routable=engine.name not in names) for engine in worker.snapshot.engines
    )
    worker.snapshot = msgspec.structs.replace(worker.snapshot, engines=engines)
    worker.reload()


def test_every_call_reaches_the_region(worker: tuple[GatewayWorker, list[FakeEngine]], seen: list[str]) -> None:
    made, _engines = worker
    assert [made.post(CALL)[0] for _ in range(12)] == [200] * 12
    assert set(seen) == {"cn"}


def test_while_engines_elsewhere_alone_are_well_a_call_is_refused(
    worker: tuple[GatewayWorker, list[FakeEngine]], seen: list[str]
) -> None:
    made, _engines = worker
    without(made, "e1")
    status, _body = made.post(CALL)
    assert (status, seen) == (503, [])


def test_a_call_whose_engine_dies_is_not_tried_again_elsewhere(tmp_path: Path, seen: list[str]) -> None:
    async def die(exchange: Exchange) -> None:
        seen.append("cn")
        exchange.reset()

    async def answer(exchange: Exchange) -> None:
        seen.append("eu")
        await exchange.answer(completion("eu"))

    with FakeEngine(die) as home, FakeEngine(answer) as abroad:
        made = GatewayWorker(tmp_path, [home.port, abroad.port]).policy(queue_wait_s=1.0)
        refs = [
            msgspec.structs.replace(ref, routing=EngineRouting(region=region))
            for ref, region in zip(made.snapshot.engines, ("cn", "eu"), strict=True)
        ]
        made.snapshot = msgspec.structs.replace(made.snapshot, engines=tuple(refs), regions={"t1": "cn"})
        with made:
            status, _body = made.post(CALL)
    assert status in (502, 503)
    assert set(seen) == {"cn"}


def test_an_engine_elsewhere_that_comes_while_a_call_waits_does_not_get_it(tmp_path: Path, seen: list[str]) -> None:
    async def answer(exchange: Exchange) -> None:
        seen.append("eu")
        await exchange.answer(completion("eu"))

    gate = Gate()
    with FakeEngine(gate) as home, FakeEngine(answer) as abroad:
        made = GatewayWorker(tmp_path, [home.port, abroad.port])
        first, late = (
            msgspec.structs.replace(ref, routing=EngineRouting(region=region), max_outstanding=1)
            for ref, region in zip(made.snapshot.engines, ("cn", "eu"), strict=True)
        )
        key, key_id, secret = new_key()
        free = KeyRecord(id=key_id, digest=digest("pepper", secret), tenant="t2", scopes=("inference",))
        made.snapshot = msgspec.structs.replace(
            made.snapshot, engines=(first,), regions={"t1": "cn"}, keys=(*made.snapshot.keys, free)
        )
        with made, ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(made.post, CALL) for _ in range(2)]
            wait_for("one waits for the other", lambda: made.counted("forebay_queue_calls") == 1)
            made.snapshot = msgspec.structs.replace(made.snapshot, engines=(first, late))
            made.reload()
            assert made.post(CALL, authorization=f"Bearer {key}")[0] == 200  # whom nothing binds
            gate.is_open = True
            assert [call.result(60)[0] for call in calls] == [200, 200]
    assert (home.requests, seen) == (2, ["eu"])


def test_tenants_without_a_region_go_anywhere(worker: tuple[GatewayWorker, list[FakeEngine]], seen: list[str]) -> None:
    made, _engines = worker
    made.snapshot = msgspec.structs.replace(made.snapshot, regions={"another": "cn"})
    made.reload()
    assert [made.post(CALL)[0] for _ in range(12)] == [200] * 12
    assert set(seen) == {"cn", "eu", "nowhere"}
