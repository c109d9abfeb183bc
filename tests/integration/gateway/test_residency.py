"""A tenant that is bound to a region: its calls reach engines there, or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from forebay.engines.spec import EngineRouting
from forebay.testing.fake_engine import Exchange, FakeEngine, completion
from forebay.testing.worker import GatewayWorker

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


def test_tenants_without_a_region_go_anywhere(worker: tuple[GatewayWorker, list[FakeEngine]], seen: list[str]) -> None:
    made, _engines = worker
    made.snapshot = msgspec.structs.replace(made.snapshot, regions={"another": "cn"})
    made.reload()
    assert [made.post(CALL)[0] for _ in range(12)] == [200] * 12
    assert set(seen) == {"cn", "eu", "nowhere"}
