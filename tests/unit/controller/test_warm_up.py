"""An engine is warmed up by what its model does, also where nobody told what that is."""

from __future__ import annotations

import asyncio
import time

import pytest

from forebay.controller.probes import EngineProbe
from forebay.engines.health import Health
from forebay.engines.spec import EngineSpec
from forebay.testing.fake_engine import Exchange, FakeEngine

ROUTES = ("/v1/completions", "/v1/embeddings", "/classify", "/pooling")


def path_of(exchange: Exchange) -> str:
    return exchange.head.split(b" ")[1].decode()


async def warmed_by(task: str, served: str) -> list[str]:
    """What an engine that serves one route is asked until it is warm."""

    async def script(exchange: Exchange) -> None:
        path = path_of(exchange)
        known = path in {"/health", served}
        await exchange.answer(b"{}" if known else b'{"detail":"Not Found"}', 200 if known else 404)

    with FakeEngine(script) as fake:
        spec = EngineSpec(name="e", model="m", kind="vllm", argv=("x",), max_outstanding=1, task=task)
        probe = EngineProbe(spec, 60.0)
        warming = Health(state="warming", since_s=0.0, begun_s=0.0)
        deadline = time.monotonic() + 60
        while (await probe.look(warming, fake.port)).warmed_at_s is None:
            assert time.monotonic() < deadline, "not warm within 60 s"
            await asyncio.sleep(0.005)
        await probe.close()
        return [path_of(seen) for seen in fake.seen if path_of(seen) in ROUTES]


@pytest.mark.parametrize("served", ROUTES)
def test_an_engine_that_was_told_nothing_is_asked_in_turn(served: str) -> None:
    assert asyncio.run(warmed_by("", served)) == list(ROUTES[: ROUTES.index(served) + 1])


@pytest.mark.parametrize(("task", "served"), [("embed", ROUTES[1]), ("classify", ROUTES[2]), ("generate", ROUTES[0])])
def test_an_engine_that_was_told_is_asked_for_that_alone(task: str, served: str) -> None:
    assert asyncio.run(warmed_by(task, served)) == [served]
